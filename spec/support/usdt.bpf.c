/* For spec/usdt_spec.lua: programs on USDT probes. The sum of what "hit" says. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define BPF_USDT_MAX_SPEC_CNT 4 /* two links on two places */
#include <bpf/usdt.bpf.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} sum SEC(".maps");

SEC("usdt/build/spec/support/usdt:lua_ebpf:hit")
int hit(struct pt_regs *context)
{
    __u32 key = 0;
    __u64 *value = bpf_map_lookup_elem(&sum, &key);
    long argument = 0;

    if (value && bpf_usdt_arg(context, 0, &argument) == 0)
        __sync_fetch_and_add(value, argument);
    return 0;
}

SEC("usdt/build/spec/support/usdt:lua_ebpf:none")
int none(struct pt_regs *context)
{
    (void)context;
    return 0;
}

SEC("usdt/build/spec/support/usdt.pie:lua_ebpf:hit")
int anywhere(struct pt_regs *context)
{
    (void)context;
    return 0;
}

SEC("usdt//no/such/file:lua_ebpf:hit")
int nowhere(struct pt_regs *context)
{
    (void)context;
    return 0;
}

char terms[] SEC("license") = "GPL";
