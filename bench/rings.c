/* Ring buffers, on libbpf. */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 10000 }; /* as in bench.bpf.c */

struct event { /* as in bench.bpf.c */
    uint64_t time, serial, bytes, cookie;
    uint32_t process, user, ifindex, mark, port, verdict, family, length;
};

static struct ring_buffer *ring;
static volatile uint64_t sum;
static uint64_t seen;

static int take_typed(void *context, void *data, size_t size)
{
    const struct event *event = data;

    (void)context;
    if (size != sizeof(*event))
        return -EBADMSG;
    sum += event->serial + event->mark;
    seen++;
    return 0;
}

static int take_raw(void *context, void *data, size_t size)
{
    (void)context;
    (void)data;
    sum += size;
    seen++;
    return 0;
}

/* Reading a sysctl from within the cgroup makes the program write BATCH records: any language can do that. */
static void prepare_ring(ring_buffer_sample_fn take)
{
    struct bpf_object *object = bench_object();
    const struct bpf_program *program;
    int cgroup = bench_cgroup(), procs;

    bench_check(bpf_object__load(object), "load");
    program = bpf_object__find_program_by_name(object, "produce");
    bench_check(bpf_link_create(bpf_program__fd(program), cgroup, BPF_CGROUP_SYSCTL, NULL), "link");
    procs = bench_check(openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC), "cgroup.procs");
    bench_check((int)write(procs, "0", 1), "cgroup.procs");
    close(procs);
    ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), take, NULL, NULL);
    if (!ring)
        bench_fail("ring");
}

static void prepare_typed(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    prepare_ring(take_typed);
}

static void prepare_raw(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    prepare_ring(take_raw);
}

static void produce(void)
{
    char text[16];
    int fd = bench_check(open("/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC), "ostype");

    bench_check((int)read(fd, text, sizeof(text)), "ostype");
    close(fd);
}

/* count: of records, in batches. What it takes to write them is not measured. */
static uint64_t consume(uint64_t count)
{
    uint64_t apart = 0;

    for (seen = 0; seen < count;) {
        uint64_t started = bench_now(), before = seen;

        produce();
        apart += bench_now() - started;
        bench_check(ring_buffer__consume(ring), "consume");
        if (seen - before != BATCH)
            bench_fail("%d records, not %d", (int)(seen - before), BATCH);
    }
    return apart;
}

const struct bench_row bench_rings[] = {
    {"ring_typed", prepare_typed, consume},
    {"ring_raw", prepare_raw, consume},
    {NULL, NULL, NULL},
};
