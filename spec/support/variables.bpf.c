/* For spec/variables_spec.lua: variables of every section and many types, which a packet changes. */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum mode { QUIET, LOUD };

struct stats {
    __u64 packets;
    __u32 bytes;
    char last[8];
};

const volatile __u32 limit = 5;
const volatile enum mode mode = LOUD;
const volatile struct stats initial = {.packets = 1, .bytes = 2, .last = "none"};

__u64 packets;
__s32 balance;
__u8 small;
__s16 negative;
bool flag;
struct stats stats;
__u32 list[4];
__u16 odd;

int threshold = -3;
char greeting[16] = "hello";
static volatile __u64 hidden = 77;

__u64 custom SEC(".data.custom") = 9;
__u32 scratch SEC(".bss.custom");
const volatile __u32 fixed SEC(".rodata.custom") = 12;

extern int LINUX_KERNEL_VERSION __kconfig; /* libbpf asks uname(2): a machine may not have its CONFIG_* */

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb)
{
    __sync_fetch_and_add(&packets, 1);
    balance -= limit;
    small += fixed;
    negative--;
    flag = mode == LOUD;
    stats.packets += initial.packets;
    stats.bytes += skb->len;
    __builtin_memcpy(stats.last, "egress", 7);
    list[packets & 3]++;
    odd += threshold + greeting[0];
    hidden++;
    custom += hidden;
    scratch = LINUX_KERNEL_VERSION;
    return 1;
}

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, struct stats);
} table SEC(".maps");

SEC("cgroup_skb/egress")
int count_in_table(struct __sk_buff *skb)
{
    __u32 key = 1;
    struct stats *element = bpf_map_lookup_elem(&table, &key);

    if (element) {
        element->packets++;
        element->bytes += skb->len;
    }
    return 1;
}

char terms[] SEC("license") = "GPL";
