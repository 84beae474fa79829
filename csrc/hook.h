/* Where programs are attached: what Mprog and Attachment have in common. */
#ifndef EBPF_HOOK_H
#define EBPF_HOOK_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct ebpf_hook {
    int fd;           /* the cgroup's directory, for which the holder sees; -1 for a device */
    uint32_t ifindex; /* the device */
    uint32_t attach_type;
    uint64_t cgroup_id;
};

struct ebpf_mprog {
    struct ebpf_handle handle; /* its fd is hook.fd */
    struct ebpf_hook hook;
    char where[]; /* the cgroup's path or the device's name, for messages */
};

struct ebpf_attachment {
    struct ebpf_handle handle; /* its fd is the program's */
    struct ebpf_hook hook;
    struct ebpf_shared *place; /* of hook.fd */
    uint32_t flags;            /* mode and PREORDER, which the kernel wants again at a replace */
    bool detached;
    char where[];
};

extern const struct ebpf_class ebpf_mprog_class, ebpf_attachment_class;

/* The hook of the open Mprog or Attachment at index, and what to call it in messages. */
const struct ebpf_hook *ebpf_hook_check(lua_State *L, int index, const char **where);
uint32_t ebpf_hook_target(const struct ebpf_hook *hook);

/* Pushes an Attachment, of the Program at one index to the hook of the Mprog or Attachment at another. */
struct ebpf_attachment *ebpf_attachment_prepare(lua_State *L, int holder, int program, uint32_t flags);

#pragma GCC visibility pop

#endif
