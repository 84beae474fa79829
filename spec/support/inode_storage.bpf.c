/* For spec/map_types_spec.lua: a map of a type that is only there with BPF's LSM (CONFIG_BPF_LSM). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_INODE_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} of_inodes SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
