/* For spec/program_spec.lua and spec/variables_spec.lua: a program that returns what it never set, which every verifier
 * refuses; and variables. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/egress")
__attribute__((naked)) int refused(void)
{
    asm volatile("exit");
}

const volatile __u32 limit = 5;
__u64 packets;
