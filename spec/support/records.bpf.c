/* For the specs of ring and perf buffers: for each packet as many records as `control` says. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum reason { FIRST, LATER };

struct event {
    __u64 sequence;
    __u32 length;
    __s32 negative;
    char name[16];
    enum reason reason;
    __u32 cpu;
    __u64 values[3];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} perf_events SEC(".maps");

/* 0: records a packet, up to 16; 1: discard each nth; 2: bytes of a record, 0: a whole one */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, __u32);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} refused SEC(".maps");

/* for the C type of records to be in the BTF */
const struct event *event_type __attribute__((unused));

__u64 sequence;

static __u32 controlled(__u32 key)
{
    __u32 *value = bpf_map_lookup_elem(&control, &key);

    return value ? *value : 0;
}

static void fill(struct event *event, __u32 length)
{
    __u64 number = __sync_fetch_and_add(&sequence, 1);

    __builtin_memset(event, 0, sizeof(*event));
    event->sequence = number;
    event->length = length;
    event->negative = -1 - (int)number;
    __builtin_memcpy(event->name, "packet", 7);
    event->reason = number ? LATER : FIRST;
    event->values[0] = number;
    event->values[2] = number * number;
}

static void count_refused(void)
{
    __u32 key = 0;
    __u64 *count = bpf_map_lookup_elem(&refused, &key);

    if (count)
        ++*count;
}

SEC("cgroup_skb/egress")
int send_ring(struct __sk_buff *skb)
{
    __u32 count = controlled(0), discarded = controlled(1), bytes = controlled(2);

    for (__u32 i = 0; i < 16 && i < count; i++) {
        struct event small, *event;

        if (bytes) {
            fill(&small, skb->len);
            if (bpf_ringbuf_output(&events, &small, 4, 0))
                count_refused();
            continue;
        }
        event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
        if (!event) {
            count_refused();
            continue;
        }
        fill(event, skb->len);
        if (discarded && (i + 1) % discarded == 0)
            bpf_ringbuf_discard(event, 0);
        else
            bpf_ringbuf_submit(event, 0);
    }
    return 1;
}

SEC("cgroup_skb/egress")
int send_perf(struct __sk_buff *skb)
{
    __u32 count = controlled(0);

    for (__u32 i = 0; i < 16 && i < count; i++) {
        struct event event;

        fill(&event, skb->len);
        bpf_perf_event_output(skb, &perf_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
    }
    return 1;
}

char terms[] SEC("license") = "GPL";
