/* For spec/slot_spec.lua: what takes a rootlet's slot. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

SEC("freplace")
int count_and_continue(struct xdp_md *ctx)
{
    __u32 key = 0;
    __u64 *count = bpf_map_lookup_elem(&seen, &key);

    (void)ctx;
    if (count)
        __sync_fetch_and_add(count, 1);
    return 31;
}
