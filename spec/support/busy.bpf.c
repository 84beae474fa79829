/* For spec/ringbuf_spec.lua: a record that is reserved for as long as what it is to have can't be read. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

struct source {
    __u64 address;
};

SEC("syscall")
int fill(struct source *source)
{
    __u32 *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

    if (!record)
        return 1;
    *record = 1;
    bpf_copy_from_user(record, sizeof(*record), (void *)source->address); /* waits; zero where it fails */
    bpf_ringbuf_submit(record, 0);
    return 0;
}

SEC("syscall")
int send(struct source *source)
{
    __u32 record = 2;

    (void)source;
    return bpf_ringbuf_output(&events, &record, sizeof(record), 0) != 0;
}

char LICENSE[] SEC("license") = "GPL";
