/* bpf(2), one function a command: they fill the attr, make the call, and do nothing else.
 * All return -1 with errno set on failure. Those that return a descriptor return one >= 3, close-on-exec. */
#ifndef EBPF_BPF_CMD_H
#define EBPF_BPF_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
int bpf_cmd_map_lookup(int fd, const void *key, void *value);
int bpf_cmd_map_update(int fd, const void *key, const void *value, uint64_t flags);
int bpf_cmd_map_delete(int fd, const void *key);
int bpf_cmd_map_next_key(int fd, const void *key, void *next_key);
int bpf_cmd_map_lookup_and_delete(int fd, const void *key, void *value);
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
int bpf_cmd_link_update(int link_fd, int new_prog_fd, int old_prog_fd);
int bpf_cmd_link_detach(int link_fd);
int bpf_cmd_iter_create(int link_fd);

int bpf_cmd_token_create(int bpffs_fd);

int bpf_cmd_obj_pin(int dir_fd, const char *name, int fd);
int bpf_cmd_obj_get(int dir_fd, const char *name);
int bpf_cmd_probe_path_fd(void);

int bpf_cmd_next_id(enum abi_cmd command, uint32_t start, uint32_t *next);
int bpf_cmd_fd_by_id(enum abi_cmd command, uint32_t id);
int bpf_cmd_info(int fd, void *info, uint32_t *length);

/* A duplicate of fd, >= 3 and close-on-exec. */
int bpf_cmd_dup(int fd);

#pragma GCC visibility pop

#endif
