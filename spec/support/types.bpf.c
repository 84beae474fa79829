/* For spec/codec_spec.lua and spec/map_types_spec.lua: values of every kind of type, and maps of them. */
#include <linux/bpf.h>
#include <linux/in6.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum verdict { DROP, PASS, STRANGE = -7 };

typedef struct {
    __u64 packets;
    __u32 bytes;
} stat_t;

struct value {
    __u8 small;
    __s16 negative;
    __u64 big;
    enum verdict verdict;
    bool flag;
    char name[12];
    __u8 mac[6];
    stat_t stats[3];
    __be32 source;
    struct in6_addr source6;
    __be16 port;
    union {
        __u32 word;
        __u8 byte;
    } u;
    union {
        __u32 left;
        struct {
            __u16 low, high;
        };
    };
    unsigned a : 3, b : 7;
    int c : 5;
    double ratio;
    float half;
    const volatile int *pointer;
    int matrix[2][2];
};

struct key {
    __u32 cpu;
    __s8 port;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, struct key);
    __type(value, struct value);
} structs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __s32);
    __type(value, __s64);
} integers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, stat_t);
} percpu SEC(".maps");

struct prefix4 {
    __u32 prefixlen;
    __be32 address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 16);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct prefix4);
    __type(value, __u32);
} prefixes SEC(".maps");

/* as in the kernel's own headers: the length is in a struct */
struct prefix6 {
    struct bpf_lpm_trie_key key;
    __u8 address[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 16);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct prefix6);
    __type(value, __u32);
} prefixes6 SEC(".maps");

struct record {
    __u32 size;
    __u32 : 32;
    struct {
        __u16 a, b;
    } items[];
};

struct locked {
    struct bpf_spin_lock lock;
    __u32 count;
};

struct header {
    __u32 length;
    __u8 data[0];
};

struct headed {
    struct header first;
    struct header list[2];
    struct header last;
};

struct verdicts {
    enum verdict narrow : 4, wide : 20;
    enum { EVEN, ODD = 3 } parity : 2;
};

/* of no map */
struct verdicts *verdicts;
struct headed *headed;
struct record *record;
struct locked *locked;

__u32 counter;
stat_t totals;
