/* Offsets and sizes of our attr structures, and the constants beside them, for spec/abi_spec.lua to compare.
 * No bpf(2) command; nothing is owned. */
#include "bpf_abi.h"

#include <stddef.h>

#include "compat.h"
#include "modules.h"
#include "things.h"

#define ROW(structure, field)                                                                                     \
    {                                                                                                             \
#structure, #field, offsetof(struct abi_##structure, field), sizeof(((struct abi_##structure *)0)->field) \
    }

static const struct {
    const char *structure, *field;
    int offset, size;
} rows[] = {
    ROW(map_create, map_type),
    ROW(map_create, key_size),
    ROW(map_create, value_size),
    ROW(map_create, max_entries),
    ROW(map_create, map_flags),
    ROW(map_create, inner_map_fd),
    ROW(map_create, numa_node),
    ROW(map_create, map_name),
    ROW(map_create, map_ifindex),
    ROW(map_create, btf_fd),
    ROW(map_create, btf_key_type_id),
    ROW(map_create, btf_value_type_id),
    ROW(map_create, btf_vmlinux_value_type_id),
    ROW(map_create, map_extra),
    ROW(map_create, value_type_btf_obj_fd),
    ROW(map_create, map_token_fd),
    ROW(map_elem, map_fd),
    ROW(map_elem, key),
    ROW(map_elem, value),
    ROW(map_elem, flags),
    ROW(prog_load, prog_type),
    ROW(prog_load, insn_cnt),
    ROW(prog_load, insns),
    ROW(prog_load, license),
    ROW(prog_load, log_level),
    ROW(prog_load, log_size),
    ROW(prog_load, log_buf),
    ROW(prog_load, kern_version),
    ROW(prog_load, prog_flags),
    ROW(prog_load, prog_name),
    ROW(prog_load, prog_ifindex),
    ROW(prog_load, expected_attach_type),
    ROW(prog_load, prog_btf_fd),
    ROW(prog_load, func_info_rec_size),
    ROW(prog_load, func_info),
    ROW(prog_load, func_info_cnt),
    ROW(prog_load, line_info_rec_size),
    ROW(prog_load, line_info),
    ROW(prog_load, line_info_cnt),
    ROW(prog_load, attach_btf_id),
    ROW(prog_load, attach_prog_fd),
    ROW(prog_load, core_relo_cnt),
    ROW(prog_load, fd_array),
    ROW(prog_load, core_relos),
    ROW(prog_load, core_relo_rec_size),
    ROW(prog_load, log_true_size),
    ROW(prog_load, prog_token_fd),
    ROW(prog_load, fd_array_cnt),
    ROW(obj, pathname),
    ROW(obj, bpf_fd),
    ROW(obj, file_flags),
    ROW(obj, path_fd),
    ROW(prog_attach, target),
    ROW(prog_attach, attach_bpf_fd),
    ROW(prog_attach, attach_type),
    ROW(prog_attach, attach_flags),
    ROW(prog_attach, replace_bpf_fd),
    ROW(prog_attach, relative),
    ROW(prog_attach, expected_revision),
    ROW(prog_query, target),
    ROW(prog_query, attach_type),
    ROW(prog_query, query_flags),
    ROW(prog_query, attach_flags),
    ROW(prog_query, prog_ids),
    ROW(prog_query, count),
    ROW(prog_query, prog_attach_flags),
    ROW(prog_query, link_ids),
    ROW(prog_query, link_attach_flags),
    ROW(prog_query, revision),
    ROW(link_create, prog_fd),
    ROW(link_create, target),
    ROW(link_create, attach_type),
    ROW(link_create, flags),
    ROW(link_create, relative),
    ROW(link_create, expected_revision),
    ROW(link_create, target_btf_id),
    ROW(link_create, iter_info),
    ROW(link_create, iter_info_len),
    ROW(link_create, pf),
    ROW(link_create, hooknum),
    ROW(link_create, priority),
    ROW(link_create, netfilter_flags),
    ROW(iter_info, map_fd),
    ROW(iter_info, order),
    ROW(iter_info, cgroup_fd),
    ROW(iter_info, cgroup_id),
    ROW(iter_info, tid),
    ROW(iter_info, pid),
    ROW(iter_info, pid_fd),
    ROW(link_update, link_fd),
    ROW(link_update, new_prog_fd),
    ROW(link_update, flags),
    ROW(link_update, old_prog_fd),
    ROW(link_detach, link_fd),
    ROW(token_create, flags),
    ROW(token_create, bpffs_fd),
    ROW(iter_create, link_fd),
    ROW(iter_create, flags),
    ROW(get_id, id),
    ROW(get_id, next_id),
    ROW(get_id, open_flags),
    ROW(get_id, token_fd),
    ROW(info, bpf_fd),
    ROW(info, info_len),
    ROW(info, info),
    ROW(btf_info, btf),
    ROW(btf_info, btf_size),
    ROW(btf_info, id),
    ROW(btf_info, name),
    ROW(btf_info, name_len),
    ROW(btf_info, kernel_btf),
    ROW(map_info, type),
    ROW(map_info, id),
    ROW(map_info, key_size),
    ROW(map_info, value_size),
    ROW(map_info, max_entries),
    ROW(map_info, map_flags),
    ROW(map_info, name),
    ROW(map_info, ifindex),
    ROW(map_info, btf_vmlinux_value_type_id),
    ROW(map_info, netns_dev),
    ROW(map_info, netns_ino),
    ROW(map_info, btf_id),
    ROW(map_info, btf_key_type_id),
    ROW(map_info, btf_value_type_id),
    ROW(map_info, map_extra),
    ROW(prog_info, type),
    ROW(prog_info, id),
    ROW(prog_info, tag),
    ROW(prog_info, jited_prog_len),
    ROW(prog_info, xlated_prog_len),
    ROW(prog_info, jited_prog_insns),
    ROW(prog_info, xlated_prog_insns),
    ROW(prog_info, load_time),
    ROW(prog_info, created_by_uid),
    ROW(prog_info, nr_map_ids),
    ROW(prog_info, map_ids),
    ROW(prog_info, name),
    ROW(prog_info, ifindex),
    ROW(prog_info, gpl_compatible),
    ROW(prog_info, netns_dev),
    ROW(prog_info, netns_ino),
    ROW(prog_info, nr_jited_ksyms),
    ROW(prog_info, nr_jited_func_lens),
    ROW(prog_info, jited_ksyms),
    ROW(prog_info, jited_func_lens),
    ROW(prog_info, btf_id),
    ROW(prog_info, func_info_rec_size),
    ROW(prog_info, func_info),
    ROW(prog_info, nr_func_info),
    ROW(prog_info, nr_line_info),
    ROW(prog_info, line_info),
    ROW(prog_info, jited_line_info),
    ROW(prog_info, nr_jited_line_info),
    ROW(prog_info, line_info_rec_size),
    ROW(prog_info, jited_line_info_rec_size),
    ROW(prog_info, nr_prog_tags),
    ROW(prog_info, prog_tags),
    ROW(prog_info, run_time_ns),
    ROW(prog_info, run_cnt),
    ROW(prog_info, recursion_misses),
    ROW(prog_info, verified_insns),
    ROW(prog_info, attach_btf_obj_id),
    ROW(prog_info, attach_btf_id),
    ROW(token_info, allowed_cmds),
    ROW(token_info, allowed_maps),
    ROW(token_info, allowed_progs),
    ROW(token_info, allowed_attachs),
    ROW(link_info, type),
    ROW(link_info, id),
    ROW(link_info, prog_id),
};

#define CONSTANT(name)    \
    {                     \
#name, ABI_##name \
    }

static const struct {
    const char *name;
    int value;
} constants[] = {
    CONSTANT(MAP_CREATE),
    CONSTANT(MAP_LOOKUP_ELEM),
    CONSTANT(MAP_UPDATE_ELEM),
    CONSTANT(MAP_DELETE_ELEM),
    CONSTANT(MAP_GET_NEXT_KEY),
    CONSTANT(PROG_LOAD),
    CONSTANT(OBJ_PIN),
    CONSTANT(OBJ_GET),
    CONSTANT(PROG_ATTACH),
    CONSTANT(PROG_DETACH),
    CONSTANT(PROG_GET_NEXT_ID),
    CONSTANT(MAP_GET_NEXT_ID),
    CONSTANT(PROG_GET_FD_BY_ID),
    CONSTANT(MAP_GET_FD_BY_ID),
    CONSTANT(OBJ_GET_INFO_BY_FD),
    CONSTANT(PROG_QUERY),
    CONSTANT(BTF_GET_FD_BY_ID),
    CONSTANT(LINK_CREATE),
    CONSTANT(LINK_UPDATE),
    CONSTANT(LINK_GET_FD_BY_ID),
    CONSTANT(LINK_GET_NEXT_ID),
    CONSTANT(ITER_CREATE),
    CONSTANT(LINK_DETACH),
    CONSTANT(TOKEN_CREATE),
    CONSTANT(F_ALLOW_OVERRIDE),
    CONSTANT(F_ALLOW_MULTI),
    CONSTANT(F_REPLACE),
    CONSTANT(F_BEFORE),
    CONSTANT(F_AFTER),
    CONSTANT(F_ID),
    CONSTANT(F_PREORDER),
    CONSTANT(F_LINK),
    CONSTANT(XDP_SKB_MODE),
    CONSTANT(XDP_DRV_MODE),
    CONSTANT(XDP_HW_MODE),
    CONSTANT(TRACE_ITER),
    CONSTANT(STRUCT_OPS),
    CONSTANT(NETFILTER),
    CONSTANT(NETFILTER_IP_DEFRAG),
    CONSTANT(F_QUERY_EFFECTIVE),
    CONSTANT(F_PATH_FD),
    CONSTANT(F_TOKEN_FD),
    CONSTANT(ANY),
    CONSTANT(NOEXIST),
    CONSTANT(EXIST),
    CONSTANT(OBJ_NAME_LEN),
    CONSTANT(TAG_SIZE),
    CONSTANT(LINK_TYPE_CGROUP),
    CONSTANT(PROG_TYPE_XDP),
    CONSTANT(PROG_TYPE_EXT),
    CONSTANT(MAP_TYPE_PERCPU_HASH),
    CONSTANT(MAP_TYPE_PERCPU_ARRAY),
    CONSTANT(MAP_TYPE_LRU_PERCPU_HASH),
    CONSTANT(MAP_TYPE_LPM_TRIE),
    CONSTANT(MAP_TYPE_PERCPU_CGROUP_STORAGE),
    CONSTANT(MAP_TYPE_STRUCT_OPS),
};

int ebpf_open_abi(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        lua_pushfstring(L, "%s.%s", rows[i].structure, rows[i].field);
        lua_createtable(L, 2, 0);
        lua_pushinteger(L, rows[i].offset);
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, rows[i].size);
        lua_rawseti(L, -2, 2);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "fields");
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
        lua_pushinteger(L, constants[i].value);
        lua_setfield(L, -2, constants[i].name);
    }
    lua_setfield(L, -2, "constants");
    ebpf_push_link_info_fields(L);
    lua_setfield(L, -2, "link_info");
    return 1;
}
