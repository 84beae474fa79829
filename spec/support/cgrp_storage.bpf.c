/* For spec/map_types_spec.lua: a map of a type that is newer than the oldest kernel here (Linux 6.2). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, 32); /* BPF_MAP_TYPE_CGRP_STORAGE, which headers before 6.2 lack */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} of_cgroups SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
