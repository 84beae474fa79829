/* For spec/program_spec.lua: a program that returns what it never set, which every verifier refuses. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/egress")
__attribute__((naked)) int refused(void)
{
    asm volatile("exit");
}
