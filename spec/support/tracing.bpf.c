/* For spec/auto_spec.lua: programs that are typed by the kernel's BTF. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define KERNEL __attribute__((preserve_access_index))

struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id, seq_num;
} KERNEL;
struct bpf_map {
    __u32 id;
} KERNEL;
struct bpf_iter__bpf_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
} KERNEL;

SEC("fentry/ksys_read")
int entry(void *context)
{
    (void)context;
    return 0;
}

SEC("tp_btf/sys_enter")
int typed(void *context)
{
    (void)context;
    return 0;
}

SEC("lsm/file_open")
int opened(void *context)
{
    (void)context;
    return 0;
}

SEC("iter/bpf_map")
int maps(struct bpf_iter__bpf_map *context)
{
    struct bpf_map *map = context->map;

    if (map)
        BPF_SEQ_PRINTF(context->meta->seq, "map %u\n", map->id);
    else
        BPF_SEQ_PRINTF(context->meta->seq, "end");
    return 0;
}

char terms[] SEC("license") = "GPL";
