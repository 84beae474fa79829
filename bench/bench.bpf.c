/* What the benchmark's programs write: a counter in .bss, structs in a hash, and records in a ring buffer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { BATCH = 10000 };

__u64 counter; /* all of .bss */

struct traffic {
    __u64 packets, bytes;
    __u32 ifindex, mark;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10000);
    __type(key, __u32);
    __type(value, struct traffic);
} traffic SEC(".maps");

struct event { /* 64 bytes */
    __u64 time, serial, bytes, cookie;
    __u32 process, user, ifindex, mark, port, verdict, family, length;
};

const struct event event_type = {0}; /* in .rodata; else BTF would not have the type */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} events SEC(".maps");

static void fill(struct event *event, __u32 index)
{
    event->time = index * 1000ULL;
    event->serial = index;
    event->bytes = 1500;
    event->cookie = index * 7ULL;
    event->process = 1;
    event->user = 2;
    event->ifindex = 3;
    event->mark = index;
    event->port = 443;
    event->verdict = 1;
    event->family = 2;
    event->length = 1500;
}

static long write_one(__u32 index, void *context)
{
    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    (void)context;
    if (!event)
        return 1;
    fill(event, index);
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
    return 0;
}

SEC("cgroup/sysctl") int produce(struct bpf_sysctl *context)
{
    (void)context;
    bpf_loop(BATCH, write_one, NULL, 0);
    __sync_fetch_and_add(&counter, 1);
    return 1;
}

/* A record for each packet, which wakes whoever waits. */
SEC("cgroup_skb/egress") int send(struct __sk_buff *packet)
{
    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (event) {
        fill(event, packet->len);
        bpf_ringbuf_submit(event, 0);
    }
    return 1;
}

char terms[] SEC("license") = "GPL";
