/* For spec/struct_ops_spec.lua: TCP congestion controls that do next to nothing, under names of the spec's own. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

/* What is named here is found by its name in the kernel's own. */
struct tcp_congestion_ops {
    __u32 (*ssthresh)(struct sock *sk);
    void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
    __u32 (*undo_cwnd)(struct sock *sk);
    char name[16];
};

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(ssthresh, struct sock *sk)
{
    return 2;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(undo_cwnd, struct sock *sk)
{
    return 2;
}

#define CONTROL(variable, called)          \
    SEC(".struct_ops")                     \
    struct tcp_congestion_ops variable = { \
        .ssthresh = (void *)ssthresh,      \
        .cong_avoid = (void *)cong_avoid,  \
        .undo_cwnd = (void *)undo_cwnd,    \
        .name = called,                    \
    }

CONTROL(first, "lua_ebpf_spec");
CONTROL(second, "lua_ebpf_spec");
CONTROL(other, "lua_ebpf_other");

SEC(".struct_ops")
struct tcp_congestion_ops incomplete = {
    .ssthresh = (void *)ssthresh,
    .name = "lua_ebpf_half",
};

char terms[] SEC("license") = "GPL";
