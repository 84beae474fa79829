/* Owner: tells the process that opened something from its children, which inherit the mapping but not the right to use it.
 * No bpf(2) command.
 * Whoever has an owner owns its page. */
#define _GNU_SOURCE
#include "owner.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 1 }; /* the kernel rounds up */

int ebpf_owner_begin(struct ebpf_owner *owner)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int error;

    if (page == MAP_FAILED)
        return -1;
    if (madvise(page, PAGE, MADV_WIPEONFORK) < 0) {
        error = errno;
        munmap(page, PAGE);
        errno = error;
        return -1;
    }
    owner->mark = page;
    *owner->mark = 1;
    owner->pid = getpid();
    return 0;
}

void ebpf_owner_end(struct ebpf_owner *owner)
{
    if (owner->mark)
        munmap(owner->mark, PAGE);
    owner->mark = NULL;
}
