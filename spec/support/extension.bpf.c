/* For spec/freplace_spec.lua: what takes the place of choice() there. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("freplace/choice")
int dropping(struct xdp_md *context)
{
    (void)context;
    return XDP_DROP;
}
