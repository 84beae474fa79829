/* For spec/freplace_spec.lua: a program with functions to replace. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int fixed(struct xdp_md *context)
{
    volatile int verdict = XDP_PASS;

    (void)context;
    return verdict;
}

__attribute__((noinline)) int choice(struct xdp_md *context)
{
    volatile int verdict = XDP_PASS;

    if (!context)
        return XDP_ABORTED;
    return verdict;
}

__attribute__((noinline)) int other(struct xdp_md *context, int number)
{
    volatile int verdict = XDP_PASS;

    if (!context)
        return XDP_ABORTED;
    return verdict + number - number;
}

SEC("xdp")
int dispatch(struct xdp_md *context)
{
    int verdict = choice(context);

    if (verdict != XDP_PASS)
        return verdict;
    return other(context, 1) == fixed(context) ? XDP_PASS : XDP_DROP;
}
