/* Links and pins, on libbpf. */
#include "bench.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cgroup, programs[2], link_fd;
static char pin[64];

/* A second link stays on a cgroup of its own: the kernel patches its code when a hook's first program comes and when
 * its last one goes, which is not what is measured. */
static void prepare_programs(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    for (int i = 0; i < 2; i++)
        programs[i] = bench_program(i);
    bench_link(programs[0], bench_cgroup());
    cgroup = bench_cgroup();
}

static void prepare_link(int count, char **arguments)
{
    prepare_programs(count, arguments);
    link_fd = bench_link(programs[0], cgroup);
}

static void prepare_name(int count, char **arguments)
{
    prepare_link(count, arguments);
    snprintf(pin, sizeof(pin), "/sys/fs/bpf/c%d", (int)getpid());
}

static void prepare_pin(int count, char **arguments)
{
    prepare_name(count, arguments);
    bench_check(bpf_obj_pin(link_fd, pin), "pin");
}

static uint64_t create_close(uint64_t count)
{
    while (count--)
        close(bench_link(programs[0], cgroup));
    return 0;
}

static uint64_t update(uint64_t count)
{
    while (count--)
        bench_check(bpf_link_update(link_fd, programs[count & 1], NULL), "update");
    return 0;
}

static uint64_t pin_unpin(uint64_t count)
{
    while (count--) {
        bench_check(bpf_obj_pin(link_fd, pin), "pin");
        bench_check(unlink(pin), "unlink");
    }
    return 0;
}

/* What is pinned is found out as bpftool does it: by what /proc says that the descriptor is. */
static uint64_t pin_open(uint64_t count)
{
    while (count--) {
        int fd = bench_check(bpf_obj_get(pin), "open");
        char path[32], what[64];
        ssize_t length;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        length = bench_check((int)readlink(path, what, sizeof(what) - 1), "readlink");
        what[length] = '\0';
        if (!strstr(what, "bpf-link") && !strstr(what, "bpf_link"))
            bench_fail("%s is no link", what);
        close(fd);
    }
    return 0;
}

static uint32_t info_of(int fd)
{
    struct bpf_link_info info = {0};
    uint32_t length = sizeof(info);

    bench_check(bpf_obj_get_info_by_fd(fd, &info, &length), "info");
    return info.prog_id;
}

static uint64_t info(uint64_t count)
{
    while (count--)
        if (!info_of(link_fd))
            bench_fail("info");
    return 0;
}

static void prepare_nothing(int count, char **arguments)
{
    (void)count;
    (void)arguments;
}

/* Over all links of the system: those that the runner had made, and any others. */
static uint64_t walk(uint64_t count)
{
    while (count--) {
        uint32_t id = 0, links = 0;

        while (bpf_link_get_next_id(id, &id) == 0) {
            int fd = bpf_link_get_fd_by_id(id);

            if (fd < 0)
                continue;
            links += info_of(fd) != 0;
            close(fd);
        }
        if (errno != ENOENT || !links)
            bench_fail("walk");
    }
    return 0;
}

/* hold N: makes N links and holds them, for the others to walk. A cgroup takes 64 of a kind. */
static void prepare_many(int count, char **arguments)
{
    int wanted = bench_number(count, arguments, 2000);

    for (int i = 0; i < wanted; i++) {
        if (i % 64 == 0)
            cgroup = bench_cgroup();
        if (i < 64)
            programs[0] = bench_program(i);
        bench_link(programs[0], cgroup);
    }
}

static uint64_t nothing(uint64_t count)
{
    return count - count;
}

const struct bench_row bench_links[] = {
    {"link_create_close", prepare_programs, create_close},
    {"link_update", prepare_link, update},
    {"link_info", prepare_link, info},
    {"pin_unpin", prepare_name, pin_unpin},
    {"pin_unpin_path", prepare_name, pin_unpin},
    {"pin_open", prepare_pin, pin_open},
    {"walk", prepare_nothing, walk},
    {"hold", prepare_many, nothing},
    {NULL, NULL, NULL},
};
