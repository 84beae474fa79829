/* The kernel's names of attach, link, program and map types and of commands, spelled as libbpf spells them.
 * No bpf(2) command: the index is the number (enum bpf_attach_type and its sisters, Linux 7.2).
 * A number that is newer than these tables stays a number. */
#include "names.h"
#include "modules.h"

#include <string.h>

/* clang-format off */
static const char *const attach_types[] = {
    "cgroup_inet_ingress", "cgroup_inet_egress", "cgroup_inet_sock_create", "cgroup_sock_ops",
    "sk_skb_stream_parser", "sk_skb_stream_verdict", "cgroup_device", "sk_msg_verdict", "cgroup_inet4_bind",
    "cgroup_inet6_bind", "cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_inet4_post_bind",
    "cgroup_inet6_post_bind", "cgroup_udp4_sendmsg", "cgroup_udp6_sendmsg", "lirc_mode2", "flow_dissector",
    "cgroup_sysctl", "cgroup_udp4_recvmsg", "cgroup_udp6_recvmsg", "cgroup_getsockopt", "cgroup_setsockopt",
    "trace_raw_tp", "trace_fentry", "trace_fexit", "modify_return", "lsm_mac", "trace_iter",
    "cgroup_inet4_getpeername", "cgroup_inet6_getpeername", "cgroup_inet4_getsockname",
    "cgroup_inet6_getsockname", "xdp_devmap", "cgroup_inet_sock_release", "xdp_cpumap", "sk_lookup", "xdp",
    "sk_skb_verdict", "sk_reuseport_select", "sk_reuseport_select_or_migrate", "perf_event",
    "trace_kprobe_multi", "lsm_cgroup", "struct_ops", "netfilter", "tcx_ingress", "tcx_egress",
    "trace_uprobe_multi", "cgroup_unix_connect", "cgroup_unix_sendmsg", "cgroup_unix_recvmsg",
    "cgroup_unix_getpeername", "cgroup_unix_getsockname", "netkit_primary", "netkit_peer",
    "trace_kprobe_session", "trace_uprobe_session", "trace_fsession", "trace_fentry_multi",
    "trace_fexit_multi", "trace_fsession_multi",
};

static const char *const link_types[] = {
    "unspec", "raw_tracepoint", "tracing", "cgroup", "iter", "netns", "xdp", "perf_event", "kprobe_multi",
    "struct_ops", "netfilter", "tcx", "uprobe_multi", "netkit", "sockmap", "tracing_multi",
};

static const char *const program_types[] = {
    "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event",
    "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device",
    "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport",
    "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops",
    "ext", "lsm", "sk_lookup", "syscall", "netfilter",
};

static const char *const map_types[] = {
    "unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array",
    "stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps",
    "hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage",
    "reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack", "sk_storage", "devmap_hash",
    "struct_ops", "ringbuf", "inode_storage", "task_storage", "bloom_filter", "user_ringbuf",
    "cgrp_storage", "arena", "insn_array",
};

static const char *const commands[] = {
    "map_create", "map_lookup_elem", "map_update_elem", "map_delete_elem", "map_get_next_key",
    "prog_load", "obj_pin", "obj_get", "prog_attach", "prog_detach", "prog_run", "prog_get_next_id",
    "map_get_next_id", "prog_get_fd_by_id", "map_get_fd_by_id", "obj_get_info_by_fd", "prog_query",
    "raw_tracepoint_open", "btf_load", "btf_get_fd_by_id", "task_fd_query", "map_lookup_and_delete_elem",
    "map_freeze", "btf_get_next_id", "map_lookup_batch", "map_lookup_and_delete_batch",
    "map_update_batch", "map_delete_batch", "link_create", "link_update", "link_get_fd_by_id",
    "link_get_next_id", "enable_stats", "iter_create", "link_detach", "prog_bind_map", "token_create",
    "prog_stream_read_by_fd", "prog_assoc_struct_ops",
};
/* clang-format on */

#define TABLE(names)                          \
    {                                         \
        names, sizeof(names) / sizeof(*names) \
    }

static const struct {
    const char *const *names;
    unsigned count;
} tables[] = {
    [EBPF_ATTACH_TYPE] = TABLE(attach_types),   [EBPF_LINK_TYPE] = TABLE(link_types),
    [EBPF_PROGRAM_TYPE] = TABLE(program_types), [EBPF_MAP_TYPE] = TABLE(map_types),
    [EBPF_COMMAND] = TABLE(commands),
};

const char *ebpf_name(enum ebpf_names which, uint32_t number)
{
    return number < tables[which].count ? tables[which].names[number] : NULL;
}

void ebpf_push_name(lua_State *L, enum ebpf_names which, uint32_t number)
{
    const char *name = ebpf_name(which, number);

    if (name)
        lua_pushstring(L, name);
    else
        lua_pushinteger(L, (lua_Integer)number);
}

static void push_table(lua_State *L, enum ebpf_names which)
{
    lua_createtable(L, (int)tables[which].count, (int)tables[which].count);
    for (unsigned number = 0; number < tables[which].count; number++) {
        lua_pushinteger(L, (lua_Integer)number);
        lua_setfield(L, -2, tables[which].names[number]);
        lua_pushstring(L, tables[which].names[number]);
        lua_rawseti(L, -2, (int)number);
    }
}

int ebpf_open_names(lua_State *L)
{
    lua_newtable(L);
    push_table(L, EBPF_ATTACH_TYPE);
    lua_setfield(L, -2, "attach_type");
    push_table(L, EBPF_LINK_TYPE);
    lua_setfield(L, -2, "link_type");
    push_table(L, EBPF_PROGRAM_TYPE);
    lua_setfield(L, -2, "program_type");
    push_table(L, EBPF_MAP_TYPE);
    lua_setfield(L, -2, "map_type");
    push_table(L, EBPF_COMMAND);
    lua_setfield(L, -2, "command");
    return 1;
}
