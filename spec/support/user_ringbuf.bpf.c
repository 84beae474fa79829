/* For spec/user_ringbuf_spec.lua: a packet has the program drain what user space has sent. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct order {
    __u32 amount;
    __u8 kind;
    char note[11];
};

struct {
    __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
    __uint(max_entries, 4096);
} orders SEC(".maps");

/* 0: how many; 1: their amounts; 2: the last one's kind; 3: bytes of a record that is no order */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} results SEC(".maps");

enum amount { ONE = 1, MANY = 1000 };

/* for the C types of records to be in the BTF */
const struct order *order_type __attribute__((unused));
const enum amount *amount_type __attribute__((unused));

static void add(__u32 key, __u64 amount)
{
    __u64 *value = bpf_map_lookup_elem(&results, &key);

    if (value)
        *value += amount;
}

static long take(struct bpf_dynptr *record, void *context)
{
    struct order order;

    (void)context;
    add(0, 1);
    if (bpf_dynptr_read(&order, sizeof(order), record, 0, 0)) {
        add(3, 1);
        if (!bpf_dynptr_read(&order.amount, sizeof(order.amount), record, 0, 0))
            add(1, order.amount);
        return 0;
    }
    add(1, order.amount);
    add(2, order.kind);
    return 0;
}

SEC("cgroup_skb/egress")
int drain(struct __sk_buff *skb)
{
    (void)skb;
    bpf_user_ringbuf_drain(&orders, take, NULL, 0);
    return 1;
}

char terms[] SEC("license") = "GPL";
