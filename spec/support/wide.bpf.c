/* For spec/slot_spec.lua: a program for other() of freplace.bpf.c, whose parameters are not a slot's. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("freplace")
int wide(struct xdp_md *context, int number)
{
    (void)context;
    return number;
}
