/* For spec/program_spec.lua: a map that the file says to pin by its name. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, __u32);
    __type(value, __u64);
} kept SEC(".maps");

SEC("cgroup_skb/egress")
int pass(struct __sk_buff *skb)
{
    __u32 key = 0;

    (void)skb;
    return bpf_map_lookup_elem(&kept, &key) != NULL;
}
