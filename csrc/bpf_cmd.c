/* bpf(2), one function a command, with our own attr layouts (bpf_abi.h); those that are called most are in bpf_cmd.h.
 * EINTR and EAGAIN are repeated here, and descriptors moved to >= 3, and nowhere else.
 * Nothing is owned: the caller stores what it is given. */
#define _GNU_SOURCE
#include "bpf_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ATTEMPTS = 7 }; /* and one in bpf_cmd.h */

int bpf_cmd_again(enum abi_cmd command, void *attr, size_t size)
{
    int attempts = ATTEMPTS;
    int result;

    do {
        result = (int)syscall(SYS_bpf, (int)command, attr, size);
    } while (result < 0 && (errno == EINTR || errno == EAGAIN) && --attempts > 0);
    return result;
}

/* The kernel reads descriptor 0 as "none" in most attr fields, so none of ours may be 0, 1 or 2. */
static int move_up(int fd)
{
    int moved, saved;

    if (fd < 0 || fd > 2)
        return fd;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    saved = errno;
    close(fd);
    errno = saved;
    return moved;
}

int bpf_cmd_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int bpf_cmd_map_create(const struct abi_map_create *attr)
{
    struct abi_map_create copy = *attr;

    return move_up(bpf_cmd(ABI_MAP_CREATE, &copy, sizeof(copy)));
}

int bpf_cmd_map_freeze(int fd)
{
    struct abi_map_freeze attr = {.map_fd = (uint32_t)fd};

    return bpf_cmd(ABI_MAP_FREEZE, &attr, sizeof(attr));
}

/* Not repeated on EINTR: the kernel gives it for keys that vanish meanwhile, and count says how far it came. */
int bpf_cmd_map_batch(enum abi_cmd command, struct abi_map_batch *attr)
{
    return (int)syscall(SYS_bpf, (int)command, attr, sizeof(*attr));
}

int bpf_cmd_btf_load(const struct abi_btf_load *attr)
{
    struct abi_btf_load copy = *attr;

    return move_up(bpf_cmd(ABI_BTF_LOAD, &copy, sizeof(copy)));
}

int bpf_cmd_prog_load(struct abi_prog_load *attr)
{
    return move_up(bpf_cmd(ABI_PROG_LOAD, attr, sizeof(*attr)));
}

int bpf_cmd_prog_attach(uint32_t target, int prog_fd, uint32_t attach_type, int replace_fd,
                        const struct bpf_cmd_position *position)
{
    struct abi_prog_attach attr = {
        .target = target,
        .attach_bpf_fd = (uint32_t)prog_fd,
        .attach_type = attach_type,
        .attach_flags = position->flags,
        .replace_bpf_fd = (uint32_t)replace_fd,
        .relative = position->relative,
        .expected_revision = position->revision,
    };

    return bpf_cmd(ABI_PROG_ATTACH, &attr, sizeof(attr));
}

int bpf_cmd_prog_detach(uint32_t target, int prog_fd, uint32_t attach_type, const struct bpf_cmd_position *position)
{
    struct abi_prog_attach attr = {
        .target = target,
        .attach_bpf_fd = (uint32_t)prog_fd,
        .attach_type = attach_type,
        .attach_flags = position->flags,
        .relative = position->relative,
        .expected_revision = position->revision,
    };

    return bpf_cmd(ABI_PROG_DETACH, &attr, sizeof(attr));
}

int bpf_cmd_prog_query(struct abi_prog_query *attr)
{
    return bpf_cmd(ABI_PROG_QUERY, attr, sizeof(*attr));
}

int bpf_cmd_link_create(int prog_fd, uint32_t target, uint32_t attach_type, const struct bpf_cmd_position *position)
{
    struct abi_link_create attr = {
        .prog_fd = (uint32_t)prog_fd,
        .target = target,
        .attach_type = attach_type,
        .flags = position->flags,
        .relative = position->relative,
        .expected_revision = position->revision,
    };

    return move_up(bpf_cmd(ABI_LINK_CREATE, &attr, sizeof(attr)));
}

int bpf_cmd_link_create_netfilter(int prog_fd, const struct bpf_cmd_netfilter *hook)
{
    struct abi_link_create attr = {
        .prog_fd = (uint32_t)prog_fd,
        .attach_type = ABI_NETFILTER,
        .pf = hook->pf,
        .hooknum = hook->hooknum,
        .priority = hook->priority,
        .netfilter_flags = hook->flags,
    };

    return move_up(bpf_cmd(ABI_LINK_CREATE, &attr, sizeof(attr)));
}

/* target_fd < 0: what the program was loaded for, which works once. */
int bpf_cmd_link_create_freplace(int prog_fd, int target_fd, uint32_t btf_id)
{
    struct abi_link_create attr = {.prog_fd = (uint32_t)prog_fd};

    if (target_fd >= 0) {
        attr.target = (uint32_t)target_fd;
        attr.target_btf_id = btf_id;
    }
    return move_up(bpf_cmd(ABI_LINK_CREATE, &attr, sizeof(attr)));
}

int bpf_cmd_link_create_iter(int prog_fd, const struct abi_iter_info *info)
{
    struct abi_link_create attr = {
        .prog_fd = (uint32_t)prog_fd,
        .attach_type = ABI_TRACE_ITER,
        .iter_info = bpf_cmd_pointer(info),
        .iter_info_len = sizeof(*info),
    };

    return move_up(bpf_cmd(ABI_LINK_CREATE, &attr, sizeof(attr)));
}

int bpf_cmd_link_detach(int link_fd)
{
    struct abi_link_detach attr = {.link_fd = (uint32_t)link_fd};

    return bpf_cmd(ABI_LINK_DETACH, &attr, sizeof(attr));
}

int bpf_cmd_token_create(int bpffs_fd)
{
    struct abi_token_create attr = {.bpffs_fd = (uint32_t)bpffs_fd};

    return move_up(bpf_cmd(ABI_TOKEN_CREATE, &attr, sizeof(attr)));
}

int bpf_cmd_iter_create(int link_fd)
{
    struct abi_iter_create attr = {.link_fd = (uint32_t)link_fd};

    return move_up(bpf_cmd(ABI_ITER_CREATE, &attr, sizeof(attr)));
}

/* EBADF: the kernel looks at path_fd (6.5); EINVAL: it doesn't know the flag. */
int bpf_cmd_probe_path_fd(void)
{
    struct abi_obj attr = {
        .pathname = bpf_cmd_pointer("probe"),
        .file_flags = ABI_F_PATH_FD,
        .path_fd = -1,
    };

    return bpf_cmd(ABI_OBJ_GET, &attr, sizeof(attr));
}

/* A fact about the running kernel, the same for every Lua state; only yes and no are kept. */
static bool have_path_fd(void)
{
    static atomic_int known; /* 0 not asked, 1 yes, -1 no */
    int state = atomic_load_explicit(&known, memory_order_relaxed);

    if (state == 0) {
        bpf_cmd_probe_path_fd();
        state = errno == EBADF ? 1 : errno == EINVAL ? -1 : 0;
        atomic_store_explicit(&known, state, memory_order_relaxed);
    }
    return state > 0;
}

/* Names are taken relative to dir_fd: with path_fd where the kernel has it, else through /proc. */
static int obj(enum abi_cmd command, int dir_fd, const char *name, int fd)
{
    char path[32 + NAME_MAX + 1];
    struct abi_obj attr = {.bpf_fd = (uint32_t)fd};

    if (have_path_fd()) {
        attr.pathname = bpf_cmd_pointer(name);
        attr.file_flags = ABI_F_PATH_FD;
        attr.path_fd = dir_fd;
    } else if (access("/proc/self/fd", F_OK) < 0) {
        errno = EOPNOTSUPP; /* else a missing /proc would look like a missing pin */
        return -1;
    } else {
        int length = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);

        if (length < 0 || (size_t)length >= sizeof(path)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        attr.pathname = bpf_cmd_pointer(path);
    }
    return bpf_cmd(command, &attr, sizeof(attr));
}

int bpf_cmd_obj_pin(int dir_fd, const char *name, int fd)
{
    return obj(ABI_OBJ_PIN, dir_fd, name, fd);
}

int bpf_cmd_obj_get(int dir_fd, const char *name)
{
    return move_up(obj(ABI_OBJ_GET, dir_fd, name, 0));
}

int bpf_cmd_next_id(enum abi_cmd command, uint32_t start, uint32_t *next)
{
    struct abi_get_id attr = {.id = start};
    int result = bpf_cmd(command, &attr, sizeof(attr));

    *next = attr.next_id;
    return result;
}

int bpf_cmd_fd_by_id(enum abi_cmd command, uint32_t id)
{
    struct abi_get_id attr = {.id = id};

    return move_up(bpf_cmd(command, &attr, sizeof(attr)));
}

int bpf_cmd_step(struct bpf_cmd_walk *walk)
{
    uint32_t before = walk->id;

    walk->fd = walk->dense && before < UINT32_MAX ? bpf_cmd_fd_by_id(walk->fd_by_id, before + 1) : -1;
    if (walk->fd >= 0) {
        walk->id++;
        return 0;
    }
    if (bpf_cmd_next_id(walk->next_id, before, &walk->id) < 0)
        return -1;
    walk->dense = walk->id == before + 1;
    walk->fd = bpf_cmd_fd_by_id(walk->fd_by_id, walk->id);
    return 0;
}
