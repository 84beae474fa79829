/* Which process opened something: what is shared with the kernel by a mapping is one process's. */
#ifndef EBPF_OWNER_H
#define EBPF_OWNER_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)

struct ebpf_owner {
    unsigned char *mark; /* a page that a child finds cleared: asking costs no system call */
    int pid;
};

int ebpf_owner_begin(struct ebpf_owner *owner); /* 0, or -1 with errno */
void ebpf_owner_end(struct ebpf_owner *owner);

static inline bool ebpf_owner_here(const struct ebpf_owner *owner)
{
    return *owner->mark != 0;
}

#pragma GCC visibility pop

#endif
