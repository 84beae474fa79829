/* bpf_link_info as a table, for every type of link that needs no buffer of its own.
 * Commands: none; link.c has read the structure. Fields by link type: one row each, offsets from kernel's union.
 * @see include/uapi/linux/bpf.h, struct bpf_link_info */
#include <stddef.h>
#include <string.h>

#include "bpf_abi.h"
#include "names.h"
#include "numbers.h"
#include "things.h"

enum format { U32, U64, S32, ATTACH_TYPE };

static const struct field {
    const char *type; /* of the link */
    const char *name;
    uint8_t offset; /* from the start of bpf_link_info */
    uint8_t format;
} fields[] = {
    {"raw_tracepoint", "cookie", 32, U64},
    {"tracing", "attach_type", 16, ATTACH_TYPE},
    {"tracing", "target_obj_id", 20, U32},
    {"tracing", "target_btf_id", 24, U32},
    {"tracing", "cookie", 32, U64},
    {"cgroup", "cgroup_id", 16, U64},
    {"cgroup", "attach_type", 24, ATTACH_TYPE},
    {"netns", "netns_ino", 16, U32},
    {"netns", "attach_type", 20, ATTACH_TYPE},
    {"xdp", "ifindex", 16, U32},
    {"struct_ops", "map_id", 16, U32},
    {"netfilter", "pf", 16, U32},
    {"netfilter", "hooknum", 20, U32},
    {"netfilter", "priority", 24, S32},
    {"netfilter", "flags", 28, U32},
    {"tcx", "ifindex", 16, U32},
    {"tcx", "attach_type", 20, ATTACH_TYPE},
    {"netkit", "ifindex", 16, U32},
    {"netkit", "attach_type", 20, ATTACH_TYPE},
    {"sockmap", "map_id", 16, U32},
    {"sockmap", "attach_type", 20, ATTACH_TYPE},
};

static void push_field(lua_State *L, const struct abi_link_info *info, const struct field *field)
{
    const char *bytes = (const char *)info + field->offset;
    uint64_t wide;
    uint32_t word;

    memcpy(&word, bytes, sizeof(word));
    switch (field->format) {
    case U64:
        memcpy(&wide, bytes, sizeof(wide));
        ebpf_push_u64(L, wide);
        break;
    case S32:
        lua_pushinteger(L, (int32_t)word);
        break;
    case ATTACH_TYPE:
        ebpf_push_name(L, EBPF_ATTACH_TYPE, word);
        break;
    default:
        lua_pushinteger(L, (lua_Integer)word);
    }
}

/* Pushes the rows, for spec/abi_spec.lua: {{type=, field=, offset=, size=}, …} */
void ebpf_push_link_info_fields(lua_State *L)
{
    int count = 0;

    lua_newtable(L);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, fields[i].type);
        lua_setfield(L, -2, "type");
        lua_pushstring(L, fields[i].name);
        lua_setfield(L, -2, "field");
        lua_pushinteger(L, fields[i].offset);
        lua_setfield(L, -2, "offset");
        lua_pushinteger(L, fields[i].format == U64 ? 8 : 4);
        lua_setfield(L, -2, "size");
        lua_rawseti(L, -2, ++count);
    }
}

void ebpf_push_link_info(lua_State *L, const void *data)
{
    const struct abi_link_info *info = data;
    const char *type = ebpf_name(EBPF_LINK_TYPE, info->type);

    lua_createtable(L, 0, 8);
    ebpf_push_name(L, EBPF_LINK_TYPE, info->type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)info->id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, (lua_Integer)info->prog_id);
    lua_setfield(L, -2, "program_id");
    for (size_t i = 0; type && i < sizeof(fields) / sizeof(*fields); i++) {
        if (strcmp(fields[i].type, type) != 0)
            continue;
        push_field(L, info, &fields[i]);
        lua_setfield(L, -2, fields[i].name);
    }
}
