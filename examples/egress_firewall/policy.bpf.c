/* An egress policy in two versions that refuse UDP to one port, and a counter: cgroup_skb programs.
 *
 * The kernel runs all programs of a hook, whatever those before have said; one refusal is enough
 * for the packet to be dropped, and for the sender to get EPERM. So a program that comes after the
 * policy still sees what it refused. The policy marks that, and the counter goes by the mark. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { REFUSE = 0, ALLOW = 1 };
enum { MARK_REFUSED = 1 << 30 }; /* on packets that leave nowhere: nobody else will see it */

enum { PROTOCOL_UDP = 17 };
enum { IPV4_PROTOCOL = 9, IPV6_PROTOCOL = 6, IPV6_SIZE = 40, UDP_PORT = 2 }; /* offsets */

const volatile __u16 forbidden_port = 4242;

/* Packets that each version refused: first and second. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} refused SEC(".maps");

/* Packets that reached the counter: not refused by then, and refused already. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} counted SEC(".maps");

static __always_inline void add_one(void *map, __u32 key)
{
    __u64 *count = bpf_map_lookup_elem(map, &key);

    if (count)
        __sync_fetch_and_add(count, 1);
}

static __always_inline int forbidden(struct __sk_buff *skb)
{
    __u8 version = 0, protocol = 0;
    __u16 port = 0;
    __u32 header;

    bpf_skb_load_bytes(skb, 0, &version, 1);
    if (version >> 4 == 4) {
        bpf_skb_load_bytes(skb, IPV4_PROTOCOL, &protocol, 1);
        header = (version & 15) * 4;
    } else { /* extension headers are left out */
        bpf_skb_load_bytes(skb, IPV6_PROTOCOL, &protocol, 1);
        header = IPV6_SIZE;
    }
    bpf_skb_load_bytes(skb, header + UDP_PORT, &port, 2);
    return protocol == PROTOCOL_UDP && bpf_ntohs(port) == forbidden_port;
}

static __always_inline int policy(struct __sk_buff *skb, __u32 version)
{
    if (!forbidden(skb))
        return ALLOW;
    add_one(&refused, version);
    skb->mark |= MARK_REFUSED;
    return REFUSE;
}

SEC("cgroup_skb/egress")
int policy_v1(struct __sk_buff *skb)
{
    return policy(skb, 0);
}

SEC("cgroup_skb/egress")
int policy_v2(struct __sk_buff *skb)
{
    return policy(skb, 1);
}

SEC("cgroup_skb/egress")
int counter(struct __sk_buff *skb)
{
    if (forbidden(skb))
        add_one(&counted, !!(skb->mark & MARK_REFUSED));
    return ALLOW;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
