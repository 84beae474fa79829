/* For spec/program_spec.lua: two programs, a map and a constant. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile unsigned answer = 1;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

SEC("cgroup_skb/egress")
int count_egress(struct __sk_buff *skb)
{
    __u32 key = 0;
    __u64 *count = bpf_map_lookup_elem(&counts, &key);

    (void)skb;
    if (count)
        __sync_fetch_and_add(count, 1);
    return 1;
}

SEC("cgroup_skb/egress")
int verdict(struct __sk_buff *skb)
{
    (void)skb;
    return answer != 0;
}
