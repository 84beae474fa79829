/* For spec/auto_spec.lua: a program on several functions by one link (Linux 5.18). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("kprobe.multi/ksys_read*")
int multi(void *context)
{
    (void)context;
    return 0;
}

char terms[] SEC("license") = "GPL";
