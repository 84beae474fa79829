/* For spec/auto_spec.lua: programs whose sections say where they go, each counting under a key of its own. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static int count(__u32 key)
{
    __u64 *value = bpf_map_lookup_elem(&counts, &key);

    if (value)
        __sync_fetch_and_add(value, 1);
    return 0;
}

SEC("raw_tp/sys_enter")
int raw(void *context)
{
    (void)context;
    return count(0);
}

SEC("tracepoint/raw_syscalls/sys_enter")
int point(void *context)
{
    (void)context;
    return count(1);
}

SEC("kprobe/ksys_read")
int probe(void *context)
{
    (void)context;
    return count(2);
}

SEC("uprobe/libc.so.6:getenv")
int user(void *context)
{
    (void)context;
    return count(3);
}

SEC("kprobe/no_such_function_4711")
int nowhere(void *context)
{
    (void)context;
    return 0;
}

SEC("usdt//bin/true:no:probe")
int usdt(void *context)
{
    (void)context;
    return 0;
}

SEC("xdp")
int device(void *context)
{
    (void)context;
    return 2;
}

char terms[] SEC("license") = "GPL";
