/* For spec/readme_spec.lua: what the second example of README.md reads and writes. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct host {
    __u64 packets;
    char name[16];
};

struct event {
    __u32 pid;
};

const struct event *unused __attribute__((unused));
const volatile __u32 forbidden_port = 1;
__u64 dropped;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __be32);
    __type(value, struct host);
} hosts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb)
{
    struct event event = {.pid = forbidden_port};
    __be32 address = skb->remote_ip4;
    struct host *host = bpf_map_lookup_elem(&hosts, &address);

    if (host)
        __sync_fetch_and_add(&host->packets, 1);
    if (bpf_ringbuf_output(&events, &event, sizeof(event), 0) < 0)
        __sync_fetch_and_add(&dropped, 1);
    return 1;
}
