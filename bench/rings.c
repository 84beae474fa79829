/* Ring buffers, on libbpf. */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static void join(int cgroup)
{
    int procs = bench_check(openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC), "cgroup.procs");

    bench_check((int)write(procs, "0", 1), "cgroup.procs");
    close(procs);
}

/* A ring, and the program that writes into it on a cgroup of its own. */
static int open_ring(ring_buffer_sample_fn take, const char *name, enum bpf_attach_type type)
{
    struct bpf_object *object = bench_object();
    int cgroup = bench_cgroup(), program;

    bench_check(bpf_object__load(object), "load");
    program = bpf_program__fd(bpf_object__find_program_by_name(object, name));
    bench_check(bpf_link_create(program, cgroup, type, NULL), "link");
    ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), take, NULL, NULL);
    if (!ring)
        bench_fail("ring");
    return cgroup;
}

/* Reading a sysctl from within the cgroup makes the program write BATCH records: any language can do that. */
static void prepare_ring(ring_buffer_sample_fn take)
{
    join(open_ring(take, "produce", BPF_CGROUP_SYSCTL));
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

/* Another process on another CPU, within the cgroup, sends packets; the program writes a record for each. */
static FILE *sender;

static void prepare_live(ring_buffer_sample_fn take)
{
    int cgroup = open_ring(take, "send", BPF_CGROUP_INET_EGRESS);
    char command[128];

    snprintf(command, sizeof(command), "exec taskset -c 0 build/bench/libbpf send /proc/%d/fd/%d > /dev/null",
             (int)getpid(), cgroup);
    sender = popen(command, "we");
    if (!sender)
        bench_fail("%s", command);
}

static void prepare_live_typed(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    prepare_live(take_typed);
}

static void prepare_live_raw(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    prepare_live(take_raw);
}

/* From the request on until all records are there. A batch fits the ring: none is lost. But libbpf 1.1's poll may sleep on
 * though there are records, now and then; then they are looked for without waiting. */
static uint64_t receive(uint64_t count)
{
    for (seen = 0; seen < count;) {
        uint64_t wanted = seen + BATCH;

        fprintf(sender, "%d\n", BATCH);
        fflush(sender);
        while (seen < wanted)
            if (bench_check(ring_buffer__poll(ring, 100), "poll") == 0 &&
                bench_check(ring_buffer__consume(ring), "consume") == 0)
                bench_fail("%d records, not %d", (int)seen, (int)wanted);
    }
    return 0;
}

static int outlet;
static struct sockaddr_in inlet = {.sin_family = AF_INET};

/* send CGROUP: from within it; to a socket that nobody reads. */
static void prepare_send(int count, char **arguments)
{
    socklen_t length = sizeof(inlet);
    int unread;

    if (count != 1)
        bench_fail("send CGROUP");
    join(bench_check(open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC), arguments[0]));
    unread = bench_check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    outlet = bench_check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    inlet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_check(bind(unread, (struct sockaddr *)&inlet, sizeof(inlet)), "bind");
    bench_check(getsockname(unread, (struct sockaddr *)&inlet, &length), "getsockname");
}

static uint64_t send_packets(uint64_t count)
{
    while (count--)
        bench_check((int)sendto(outlet, "x", 1, 0, (struct sockaddr *)&inlet, sizeof(inlet)), "sendto");
    return 0;
}

const struct bench_row bench_rings[] = {
    {"ring_typed", prepare_typed, consume},
    {"ring_raw", prepare_raw, consume},
    {"ring_live_typed", prepare_live_typed, receive},
    {"ring_live_raw", prepare_live_raw, receive},
    {"send", prepare_send, send_packets},
    {NULL, NULL, NULL},
};
