/* For spec/iterator_spec.lua: an iterator over cgroups (Linux 6.1), by their ids. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define KERNEL __attribute__((preserve_access_index))

struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id, seq_num;
} KERNEL;
struct kernfs_node {
    __u64 id;
} KERNEL;
struct cgroup {
    struct kernfs_node *kn;
} KERNEL;
struct bpf_iter__cgroup {
    struct bpf_iter_meta *meta;
    struct cgroup *cgroup;
} KERNEL;

SEC("iter/cgroup")
int cgroups(struct bpf_iter__cgroup *context)
{
    struct cgroup *cgroup = context->cgroup;

    if (cgroup)
        BPF_SEQ_PRINTF(context->meta->seq, "%llu\n", cgroup->kn->id);
    return 0;
}

char terms[] SEC("license") = "GPL";
