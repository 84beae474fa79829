/* The kernel's bpf(2) ABI: attr layouts, enums and flags, ours.
 * Distributions' <linux/bpf.h> and libbpf are older than the kernels they meet, so nothing here is taken from them.
 * @see include/uapi/linux/bpf.h; spec/abi_spec.lua compares every offset and constant. */
#ifndef EBPF_ABI_H
#define EBPF_ABI_H

#include <stdint.h>

enum abi_cmd {
    ABI_MAP_CREATE = 0,
    ABI_MAP_LOOKUP_ELEM = 1,
    ABI_MAP_UPDATE_ELEM = 2,
    ABI_MAP_DELETE_ELEM = 3,
    ABI_MAP_GET_NEXT_KEY = 4,
    ABI_PROG_LOAD = 5,
    ABI_OBJ_PIN = 6,
    ABI_OBJ_GET = 7,
    ABI_PROG_ATTACH = 8,
    ABI_PROG_DETACH = 9,
    ABI_PROG_GET_NEXT_ID = 11,
    ABI_MAP_GET_NEXT_ID = 12,
    ABI_PROG_GET_FD_BY_ID = 13,
    ABI_MAP_GET_FD_BY_ID = 14,
    ABI_OBJ_GET_INFO_BY_FD = 15,
    ABI_PROG_QUERY = 16,
    ABI_BTF_LOAD = 18,
    ABI_BTF_GET_FD_BY_ID = 19,
    ABI_MAP_LOOKUP_AND_DELETE_ELEM = 21,
    ABI_MAP_FREEZE = 22,
    ABI_MAP_LOOKUP_BATCH = 24,
    ABI_MAP_LOOKUP_AND_DELETE_BATCH = 25,
    ABI_MAP_UPDATE_BATCH = 26,
    ABI_MAP_DELETE_BATCH = 27,
    ABI_LINK_CREATE = 28,
    ABI_LINK_UPDATE = 29,
    ABI_LINK_GET_FD_BY_ID = 30,
    ABI_LINK_GET_NEXT_ID = 31,
    ABI_ITER_CREATE = 33,
    ABI_LINK_DETACH = 34,
    ABI_TOKEN_CREATE = 36,
};

/* attach_flags, link_create.flags, link_update.flags */
enum {
    ABI_F_ALLOW_OVERRIDE = 1u << 0,
    ABI_F_ALLOW_MULTI = 1u << 1,
    ABI_F_REPLACE = 1u << 2,
    ABI_F_BEFORE = 1u << 3,
    ABI_F_AFTER = 1u << 4,
    ABI_F_ID = 1u << 5,
    ABI_F_PREORDER = 1u << 6,
    ABI_F_LINK = 1u << 13,
};

enum { ABI_XDP_SKB_MODE = 1u << 1, ABI_XDP_DRV_MODE = 1u << 2, ABI_XDP_HW_MODE = 1u << 3 }; /* link_create.flags */
enum { ABI_NETFILTER_IP_DEFRAG = 1u << 0 };                                                 /* 6.6 */
enum { ABI_F_QUERY_EFFECTIVE = 1u << 0 };
enum { ABI_F_PATH_FD = 1u << 14 };                    /* OBJ_PIN, OBJ_GET; 6.5 */
enum { ABI_F_TOKEN_FD = 1u << 16 };                   /* PROG_LOAD, MAP_CREATE; 6.9 */
enum { ABI_ANY = 0, ABI_NOEXIST = 1, ABI_EXIST = 2 }; /* MAP_UPDATE_ELEM */
enum { ABI_F_MMAPABLE = 1u << 10 };                   /* MAP_CREATE, of arrays; 5.5 */
enum { ABI_F_RB_OVERWRITE = 1u << 19 };               /* MAP_CREATE, of ring buffers; 6.19 */
enum { ABI_RINGBUF_BUSY = 1u << 31, ABI_RINGBUF_DISCARD = 1u << 30, ABI_RINGBUF_HEADER = 8 };
enum { ABI_OBJ_NAME_LEN = 16, ABI_TAG_SIZE = 8 };

enum { ABI_TRACE_ITER = 28, ABI_STRUCT_OPS = 44, ABI_NETFILTER = 45 }; /* attach types */

/* Attach, link, program and map types have their numbers in names.c: the index is the number. */
enum {
    ABI_LINK_TYPE_RAW_TRACEPOINT = 1,
    ABI_LINK_TYPE_TRACING = 2,
    ABI_LINK_TYPE_CGROUP = 3,
    ABI_LINK_TYPE_ITER = 4,
    ABI_LINK_TYPE_NETNS = 5,
    ABI_LINK_TYPE_XDP = 6,
    ABI_LINK_TYPE_PERF_EVENT = 7,
    ABI_LINK_TYPE_KPROBE_MULTI = 8,
    ABI_LINK_TYPE_STRUCT_OPS = 9,
    ABI_LINK_TYPE_NETFILTER = 10,
    ABI_LINK_TYPE_TCX = 11,
    ABI_LINK_TYPE_UPROBE_MULTI = 12,
    ABI_LINK_TYPE_NETKIT = 13,
    ABI_LINK_TYPE_SOCKMAP = 14,
    ABI_LINK_TYPE_TRACING_MULTI = 15,
    ABI_PROG_TYPE_XDP = 6,
    ABI_PROG_TYPE_EXT = 28,
    ABI_MAP_TYPE_HASH = 1,
    ABI_MAP_TYPE_ARRAY = 2,
    ABI_MAP_TYPE_PROG_ARRAY = 3,
    ABI_MAP_TYPE_PERF_EVENT_ARRAY = 4,
    ABI_MAP_TYPE_PERCPU_HASH = 5,
    ABI_MAP_TYPE_PERCPU_ARRAY = 6,
    ABI_MAP_TYPE_STACK_TRACE = 7,
    ABI_MAP_TYPE_CGROUP_ARRAY = 8,
    ABI_MAP_TYPE_LRU_HASH = 9,
    ABI_MAP_TYPE_LRU_PERCPU_HASH = 10,
    ABI_MAP_TYPE_LPM_TRIE = 11,
    ABI_MAP_TYPE_ARRAY_OF_MAPS = 12,
    ABI_MAP_TYPE_HASH_OF_MAPS = 13,
    ABI_MAP_TYPE_DEVMAP = 14,
    ABI_MAP_TYPE_SOCKMAP = 15,
    ABI_MAP_TYPE_CPUMAP = 16,
    ABI_MAP_TYPE_XSKMAP = 17,
    ABI_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
    ABI_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21,
    ABI_MAP_TYPE_QUEUE = 22,
    ABI_MAP_TYPE_STACK = 23,
    ABI_MAP_TYPE_DEVMAP_HASH = 25,
    ABI_MAP_TYPE_STRUCT_OPS = 26,
    ABI_MAP_TYPE_BLOOM_FILTER = 30,
    ABI_MAP_TYPE_CGRP_STORAGE = 32,
};

struct abi_map_create {
    uint32_t map_type;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t map_flags;
    uint32_t inner_map_fd;
    uint32_t numa_node;
    char map_name[ABI_OBJ_NAME_LEN];
    uint32_t map_ifindex;
    uint32_t btf_fd;
    uint32_t btf_key_type_id;
    uint32_t btf_value_type_id;
    uint32_t btf_vmlinux_value_type_id;
    uint64_t map_extra;
    int32_t value_type_btf_obj_fd;
    int32_t map_token_fd; /* with ABI_F_TOKEN_FD */
};

struct abi_btf_load {
    uint64_t btf;
    uint64_t btf_log_buf;
    uint32_t btf_size;
    uint32_t btf_log_size;
    uint32_t btf_log_level;
    uint32_t btf_log_true_size;
    uint32_t btf_flags;
    int32_t btf_token_fd; /* with ABI_F_TOKEN_FD; 6.9 */
};

struct abi_map_elem {
    uint32_t map_fd;
    uint32_t pad;
    uint64_t key;
    uint64_t value; /* or next_key */
    uint64_t flags;
};

struct abi_map_freeze {
    uint32_t map_fd;
};

struct abi_map_batch {
    uint64_t in_batch; /* 0: from the first */
    uint64_t out_batch;
    uint64_t keys;
    uint64_t values;
    uint32_t count; /* in: room, or how many are given; out: how many were done */
    uint32_t map_fd;
    uint64_t elem_flags;
    uint64_t flags;
};

struct abi_prog_load {
    uint32_t prog_type;
    uint32_t insn_cnt;
    uint64_t insns;
    uint64_t license;
    uint32_t log_level;
    uint32_t log_size;
    uint64_t log_buf;
    uint32_t kern_version;
    uint32_t prog_flags;
    char prog_name[ABI_OBJ_NAME_LEN];
    uint32_t prog_ifindex;
    uint32_t expected_attach_type;
    uint32_t prog_btf_fd;
    uint32_t func_info_rec_size;
    uint64_t func_info;
    uint32_t func_info_cnt;
    uint32_t line_info_rec_size;
    uint64_t line_info;
    uint32_t line_info_cnt;
    uint32_t attach_btf_id;
    uint32_t attach_prog_fd; /* or attach_btf_obj_fd */
    uint32_t core_relo_cnt;
    uint64_t fd_array;
    uint64_t core_relos;
    uint32_t core_relo_rec_size;
    uint32_t log_true_size;
    int32_t prog_token_fd; /* with ABI_F_TOKEN_FD */
    uint32_t fd_array_cnt;
};

struct abi_obj {
    uint64_t pathname;
    uint32_t bpf_fd;
    uint32_t file_flags;
    int32_t path_fd; /* with ABI_F_PATH_FD */
    uint32_t pad;
};

struct abi_prog_attach { /* PROG_ATTACH and PROG_DETACH */
    uint32_t target;     /* target_fd or target_ifindex */
    uint32_t attach_bpf_fd;
    uint32_t attach_type;
    uint32_t attach_flags;
    uint32_t replace_bpf_fd;
    uint32_t relative; /* relative_fd, or relative_id with ABI_F_ID */
    uint64_t expected_revision;
};

struct abi_prog_query {
    uint32_t target;
    uint32_t attach_type;
    uint32_t query_flags;
    uint32_t attach_flags;
    uint64_t prog_ids;
    uint32_t count;
    uint32_t pad;
    uint64_t prog_attach_flags;
    uint64_t link_ids;
    uint64_t link_attach_flags;
    uint64_t revision;
};

struct abi_link_create {
    uint32_t prog_fd;
    uint32_t target;
    uint32_t attach_type;
    uint32_t flags;
    union {
        struct {
            uint32_t relative; /* the tcx, netkit and cgroup arms are alike */
            uint32_t pad;
            uint64_t expected_revision;
        };
        uint32_t target_btf_id;
        struct {
            uint64_t iter_info; /* struct abi_iter_info */
            uint32_t iter_info_len;
        };
        struct {
            uint32_t pf;
            uint32_t hooknum;
            int32_t priority;
            uint32_t netfilter_flags;
        };
    };
};

struct abi_iter_info { /* bpf_iter_link_info: what an iterator goes over, by its target */
    union {
        uint32_t map_fd;
        struct {
            uint32_t order; /* 6.1 */
            uint32_t cgroup_fd;
            uint64_t cgroup_id;
        };
        struct {
            uint32_t tid; /* 6.1 */
            uint32_t pid;
            uint32_t pid_fd;
        };
    };
};

struct abi_link_update {
    uint32_t link_fd;
    uint32_t new_prog_fd;
    uint32_t flags;
    uint32_t old_prog_fd;
};

struct abi_link_detach {
    uint32_t link_fd;
};

struct abi_token_create {
    uint32_t flags;
    uint32_t bpffs_fd;
};

struct abi_iter_create {
    uint32_t link_fd;
    uint32_t flags;
};

struct abi_get_id { /* *_GET_NEXT_ID and *_GET_FD_BY_ID */
    uint32_t id;    /* or start_id */
    uint32_t next_id;
    uint32_t open_flags;
    uint32_t token_fd;
};

struct abi_info {
    uint32_t bpf_fd;
    uint32_t info_len;
    uint64_t info;
};

struct abi_map_info {
    uint32_t type;
    uint32_t id;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t map_flags;
    char name[ABI_OBJ_NAME_LEN];
    uint32_t ifindex;
    uint32_t btf_vmlinux_value_type_id;
    uint64_t netns_dev;
    uint64_t netns_ino;
    uint32_t btf_id;
    uint32_t btf_key_type_id;
    uint32_t btf_value_type_id;
    uint32_t pad;
    uint64_t map_extra;
};

struct abi_btf_info {
    uint64_t btf; /* where the kernel writes it */
    uint32_t btf_size;
    uint32_t id;
    uint64_t name;
    uint32_t name_len;
    uint32_t kernel_btf;
};

struct abi_prog_info {
    uint32_t type;
    uint32_t id;
    uint8_t tag[ABI_TAG_SIZE];
    uint32_t jited_prog_len;
    uint32_t xlated_prog_len;
    uint64_t jited_prog_insns;
    uint64_t xlated_prog_insns;
    uint64_t load_time;
    uint32_t created_by_uid;
    uint32_t nr_map_ids;
    uint64_t map_ids;
    char name[ABI_OBJ_NAME_LEN];
    uint32_t ifindex;
    uint32_t gpl_compatible; /* bit 0 */
    uint64_t netns_dev;
    uint64_t netns_ino;
    uint32_t nr_jited_ksyms;
    uint32_t nr_jited_func_lens;
    uint64_t jited_ksyms;
    uint64_t jited_func_lens;
    uint32_t btf_id;
    uint32_t func_info_rec_size;
    uint64_t func_info;
    uint32_t nr_func_info;
    uint32_t nr_line_info;
    uint64_t line_info;
    uint64_t jited_line_info;
    uint32_t nr_jited_line_info;
    uint32_t line_info_rec_size;
    uint32_t jited_line_info_rec_size;
    uint32_t nr_prog_tags;
    uint64_t prog_tags;
    uint64_t run_time_ns;
    uint64_t run_cnt;
    uint64_t recursion_misses;
    uint32_t verified_insns;
    uint32_t attach_btf_obj_id;
    uint32_t attach_btf_id;
    uint32_t pad;
};

struct abi_token_info { /* a bit a command, map, program or attach type */
    uint64_t allowed_cmds;
    uint64_t allowed_maps;
    uint64_t allowed_progs;
    uint64_t allowed_attachs;
};

/* The arms by link type start at 16 and are read by offset: see link_info.c. */
struct abi_link_info {
    uint32_t type;
    uint32_t id;
    uint32_t prog_id;
    uint32_t pad;
    uint8_t arm[48];
};

#endif
