/* bpf(2), one function a command: they fill the attr, make the call, and do nothing else.
 * All return -1 with errno set on failure. Those that return a descriptor return one >= 3, close-on-exec. */
#ifndef EBPF_BPF_CMD_H
#define EBPF_BPF_CMD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf_abi.h"

#pragma GCC visibility push(hidden)

/* Where a program is attached: a cgroup's descriptor or a device's index. */
struct bpf_cmd_position {
    uint32_t flags;    /* ABI_F_* */
    uint32_t relative; /* anchor: fd, or id with ABI_F_ID; 0 is none */
    uint64_t revision; /* refuse with ESTALE unless the list has this revision; 0: any */
};

/* Where a netfilter program runs, in this process's network namespace. */
struct bpf_cmd_netfilter {
    uint32_t pf, hooknum; /* NFPROTO_*, NF_INET_* */
    int32_t priority;
    uint32_t flags; /* ABI_NETFILTER_* */
};

int bpf_cmd_map_create(const struct abi_map_create *attr);
int bpf_cmd_map_freeze(int fd);
int bpf_cmd_map_batch(enum abi_cmd command, struct abi_map_batch *attr);

int bpf_cmd_btf_load(const struct abi_btf_load *attr);

int bpf_cmd_prog_load(struct abi_prog_load *attr);
int bpf_cmd_prog_attach(uint32_t target, int prog_fd, uint32_t attach_type, int replace_fd,
                        const struct bpf_cmd_position *position);
int bpf_cmd_prog_detach(uint32_t target, int prog_fd, uint32_t attach_type, const struct bpf_cmd_position *position);
int bpf_cmd_prog_query(struct abi_prog_query *attr);

int bpf_cmd_link_create(int prog_fd, uint32_t target, uint32_t attach_type, const struct bpf_cmd_position *position);
int bpf_cmd_link_create_netfilter(int prog_fd, const struct bpf_cmd_netfilter *hook);
int bpf_cmd_link_create_freplace(int prog_fd, int target_fd, uint32_t btf_id);
int bpf_cmd_link_create_iter(int prog_fd, const struct abi_iter_info *info);
int bpf_cmd_link_detach(int link_fd);
int bpf_cmd_iter_create(int link_fd);

int bpf_cmd_token_create(int bpffs_fd);

int bpf_cmd_obj_pin(int dir_fd, const char *name, int fd);
int bpf_cmd_obj_get(int dir_fd, const char *name);
int bpf_cmd_probe_path_fd(void);

int bpf_cmd_next_id(enum abi_cmd command, uint32_t start, uint32_t *next);
int bpf_cmd_fd_by_id(enum abi_cmd command, uint32_t id);

/* A step of a walk in order of id. Objects that were made one after the other have numbers one after the other: while that
 * is so, the next one is opened without asking which it is. */
struct bpf_cmd_walk {
    enum abi_cmd next_id, fd_by_id;
    uint32_t id; /* 0 at the start, then that of the object */
    bool dense;  /* the last step was to the next number */
    int fd;      /* of the object; -1 with errno: it is gone, or may not be opened */
};

int bpf_cmd_step(struct bpf_cmd_walk *walk); /* -1 with ENOENT at the end */

/* The same call again, after EINTR or EAGAIN: PROG_LOAD gives EAGAIN when a signal is pending, *_GET_FD_BY_ID for a link not
 * settled yet. */
int bpf_cmd_again(enum abi_cmd command, void *attr, size_t size);

/* A duplicate of fd, >= 3 and close-on-exec. */
int bpf_cmd_dup(int fd);

static inline uint64_t bpf_cmd_pointer(const void *address)
{
    return (uint64_t)(uintptr_t)address;
}

/* Inline, and so what follows: each return that comes after a system call is one that the processor can't predict. */
static inline int bpf_cmd(enum abi_cmd command, void *attr, size_t size)
{
    int result = (int)syscall(SYS_bpf, (int)command, attr, size);

    return result < 0 && (errno == EINTR || errno == EAGAIN) ? bpf_cmd_again(command, attr, size) : result;
}

static inline int bpf_cmd_map_elem(enum abi_cmd command, int fd, const void *key, const void *value, uint64_t flags)
{
    struct abi_map_elem attr = {
        .map_fd = (uint32_t)fd,
        .key = bpf_cmd_pointer(key),
        .value = bpf_cmd_pointer(value),
        .flags = flags,
    };

    return bpf_cmd(command, &attr, sizeof(attr));
}

static inline int bpf_cmd_map_lookup(int fd, const void *key, void *value)
{
    return bpf_cmd_map_elem(ABI_MAP_LOOKUP_ELEM, fd, key, value, 0);
}

static inline int bpf_cmd_map_update(int fd, const void *key, const void *value, uint64_t flags)
{
    return bpf_cmd_map_elem(ABI_MAP_UPDATE_ELEM, fd, key, value, flags);
}

static inline int bpf_cmd_map_delete(int fd, const void *key)
{
    return bpf_cmd_map_elem(ABI_MAP_DELETE_ELEM, fd, key, NULL, 0);
}

static inline int bpf_cmd_map_next_key(int fd, const void *key, void *next_key)
{
    return bpf_cmd_map_elem(ABI_MAP_GET_NEXT_KEY, fd, key, next_key, 0);
}

static inline int bpf_cmd_map_lookup_and_delete(int fd, const void *key, void *value)
{
    return bpf_cmd_map_elem(ABI_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0);
}

/* old_prog_fd < 0: whatever runs there now is replaced. Else BPF_F_REPLACE, without which the kernel gives EINVAL. */
static inline int bpf_cmd_link_update(int link_fd, int new_prog_fd, int old_prog_fd)
{
    struct abi_link_update attr = {
        .link_fd = (uint32_t)link_fd,
        .new_prog_fd = (uint32_t)new_prog_fd,
    };

    if (old_prog_fd >= 0) {
        attr.flags = ABI_F_REPLACE;
        attr.old_prog_fd = (uint32_t)old_prog_fd;
    }
    return bpf_cmd(ABI_LINK_UPDATE, &attr, sizeof(attr));
}

static inline int bpf_cmd_info(int fd, void *info, uint32_t *length)
{
    struct abi_info attr = {
        .bpf_fd = (uint32_t)fd,
        .info_len = *length,
        .info = bpf_cmd_pointer(info),
    };
    int result = bpf_cmd(ABI_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));

    *length = attr.info_len;
    return result;
}

#pragma GCC visibility pop

#endif
