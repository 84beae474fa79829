/* For spec/iterator_spec.lua: iterators that go over what they are told, a line a thing. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define KERNEL __attribute__((preserve_access_index))

struct seq_file;
struct bpf_map;
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id, seq_num;
} KERNEL;

struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
    void *key, *value;
} KERNEL;

SEC("iter/bpf_map_elem")
int elements(struct bpf_iter__bpf_map_elem *context)
{
    __u32 *key = context->key, *value = context->value;

    if (key && value)
        BPF_SEQ_PRINTF(context->meta->seq, "%u=%u\n", *key, *value);
    return 0;
}

struct task_struct {
    int pid, tgid;
} KERNEL;
struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
} KERNEL;

SEC("iter/task")
int tasks(struct bpf_iter__task *context)
{
    struct task_struct *task = context->task;

    if (task)
        BPF_SEQ_PRINTF(context->meta->seq, "%d %d\n", task->tgid, task->pid);
    return 0;
}

char terms[] SEC("license") = "GPL";
