/* For spec/map_types_spec.lua: values of the cgroup that a program is attached to; of all its hooks, or of each. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct traffic {
    __u64 packets;
    __u32 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
    __type(key, struct bpf_cgroup_storage_key);
    __type(value, struct traffic);
} of_hooks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
    __type(key, __u64);
    __type(value, __u64);
} of_cpus SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb)
{
    struct traffic *traffic = bpf_get_local_storage(&of_hooks, 0);
    __u64 *packets = bpf_get_local_storage(&of_cpus, 0);

    traffic->packets++;
    traffic->bytes += skb->len;
    ++*packets;
    return 1;
}

char LICENSE[] SEC("license") = "GPL";
