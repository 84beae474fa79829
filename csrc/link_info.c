/* What the kernel tells about a link, as a Lua table.
 * Commands: OBJ_GET_INFO_BY_FD a second time, for strings and arrays, which need room of their own; the first is link.c's.
 * Fields by link type: one row each, offsets from the kernel's union. Nothing is owned.
 * @see include/uapi/linux/bpf.h, struct bpf_link_info */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bpf_abi.h"
#include "bpf_cmd.h"
#include "names.h"
#include "numbers.h"
#include "things.h"

enum format { U32, U64, S32, ATTACH_TYPE };

enum { TEXT_SIZE = 4096, ITEMS_MAX = 1 << 16 };

/* A link's arm may have arms in turn: by the kind of perf event, by what an iterator goes over. `when` lists the words
 * that choose this one, each between spaces; NULL: always. `kernel` is the field's name there, where it isn't ours. */
static const struct field {
    const char *type; /* of the link */
    const char *name;
    uint8_t offset; /* from the start of bpf_link_info */
    uint8_t format;
    const char *when;
    const char *kernel;
} fields[] = {
    {"raw_tracepoint", "cookie", 32, U64, NULL, NULL},
    {"tracing", "attach_type", 16, ATTACH_TYPE, NULL, NULL},
    {"tracing", "target_obj_id", 20, U32, NULL, NULL},
    {"tracing", "target_btf_id", 24, U32, NULL, NULL},
    {"tracing", "cookie", 32, U64, NULL, NULL},
    {"cgroup", "cgroup_id", 16, U64, NULL, NULL},
    {"cgroup", "attach_type", 24, ATTACH_TYPE, NULL, NULL},
    {"iter", "map_id", 28, U32, " bpf_map_elem bpf_sk_storage_map ", "map.map_id"},
    {"iter", "cgroup_id", 32, U64, " cgroup ", "cgroup.cgroup_id"},
    {"iter", "order", 40, U32, " cgroup ", "cgroup.order"},
    {"iter", "tid", 32, U32, " task task_file task_vma ", "task.tid"},
    {"iter", "pid", 36, U32, " task task_file task_vma ", "task.pid"},
    {"netns", "netns_ino", 16, U32, NULL, NULL},
    {"netns", "attach_type", 20, ATTACH_TYPE, NULL, NULL},
    {"xdp", "ifindex", 16, U32, NULL, NULL},
    {"perf_event", "offset", 36, U32, " uprobe uretprobe ", "uprobe.offset"},
    {"perf_event", "cookie", 40, U64, " uprobe uretprobe ", "uprobe.cookie"},
    {"perf_event", "ref_ctr_offset", 48, U64, " uprobe uretprobe ", "uprobe.ref_ctr_offset"},
    {"perf_event", "offset", 36, U32, " kprobe kretprobe ", "kprobe.offset"},
    {"perf_event", "addr", 40, U64, " kprobe kretprobe ", "kprobe.addr"},
    {"perf_event", "missed", 48, U64, " kprobe kretprobe ", "kprobe.missed"},
    {"perf_event", "cookie", 56, U64, " kprobe kretprobe ", "kprobe.cookie"},
    {"perf_event", "cookie", 40, U64, " tracepoint ", "tracepoint.cookie"},
    {"perf_event", "config", 24, U64, " event ", "event.config"},
    {"perf_event", "event_type", 32, U32, " event ", "event.type"},
    {"perf_event", "cookie", 40, U64, " event ", "event.cookie"},
    {"kprobe_multi", "count", 24, U32, NULL, NULL},
    {"kprobe_multi", "flags", 28, U32, NULL, NULL},
    {"kprobe_multi", "missed", 32, U64, NULL, NULL},
    {"struct_ops", "map_id", 16, U32, NULL, NULL},
    {"netfilter", "pf", 16, U32, NULL, NULL},
    {"netfilter", "hooknum", 20, U32, NULL, NULL},
    {"netfilter", "priority", 24, S32, NULL, NULL},
    {"netfilter", "flags", 28, U32, NULL, NULL},
    {"tcx", "ifindex", 16, U32, NULL, NULL},
    {"tcx", "attach_type", 20, ATTACH_TYPE, NULL, NULL},
    {"uprobe_multi", "count", 52, U32, NULL, NULL},
    {"uprobe_multi", "flags", 56, U32, NULL, NULL},
    {"uprobe_multi", "pid", 60, U32, NULL, NULL},
    {"netkit", "ifindex", 16, U32, NULL, NULL},
    {"netkit", "attach_type", 20, ATTACH_TYPE, NULL, NULL},
    {"sockmap", "map_id", 16, U32, NULL, NULL},
    {"sockmap", "attach_type", 20, ATTACH_TYPE, NULL, NULL},
    {"tracing_multi", "attach_type", 16, ATTACH_TYPE, NULL, NULL},
    {"tracing_multi", "count", 20, U32, NULL, NULL},
    {"tracing_multi", "btf_obj_id", 24, U32, NULL, NULL},
};

/* Texts and arrays: where the address of their room is given, and where its size (bytes, or `width` bytes an item). */
static const struct room {
    const char *type;
    const char *name;
    uint8_t offset, size_offset;
    uint8_t width; /* 0: text */
    const char *when;
    const char *kernel, *kernel_size;
} rooms[] = {
    {"raw_tracepoint", "tp_name", 16, 24, 0, NULL, "tp_name", "tp_name_len"},
    {"iter", "target_name", 16, 24, 0, NULL, "target_name", "target_name_len"},
    {"perf_event", "file_name", 24, 32, 0, " uprobe uretprobe ", "uprobe.file_name", "uprobe.name_len"},
    {"perf_event", "func_name", 24, 32, 0, " kprobe kretprobe ", "kprobe.func_name", "kprobe.name_len"},
    {"perf_event", "tp_name", 24, 32, 0, " tracepoint ", "tracepoint.tp_name", "tracepoint.name_len"},
    {"kprobe_multi", "addrs", 16, 24, 8, NULL, "addrs", "count"},
    {"uprobe_multi", "path", 16, 48, 0, NULL, "path", "path_size"},
    {"uprobe_multi", "offsets", 24, 52, 8, NULL, "offsets", "count"},
};

static const char *const perf_events[] = {
    NULL, "uprobe", "uretprobe", "kprobe", "kretprobe", "tracepoint", "event",
};

enum { PERF_EVENTS = sizeof(perf_events) / sizeof(*perf_events) };

/* Most rows are told apart by their first letter. */
static bool same(const char *text, const char *other)
{
    return *text == *other && strcmp(text, other) == 0;
}

static bool chosen(const char *when, const char *word)
{
    char padded[64];

    if (!when)
        return true;
    snprintf(padded, sizeof(padded), " %s ", word ? word : "");
    return strstr(when, padded) != NULL;
}

static uint32_t word_at(const struct abi_link_info *info, uint8_t offset)
{
    uint32_t word;

    memcpy(&word, (const char *)info + offset, sizeof(word));
    return word;
}

static void push_field(lua_State *L, const struct abi_link_info *info, const struct field *field)
{
    uint32_t word = word_at(info, field->offset);
    uint64_t wide;

    switch (field->format) {
    case U64:
        memcpy(&wide, (const char *)info + field->offset, sizeof(wide));
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

static void push_row(lua_State *L, const char *type, const char *kernel, int offset, int size)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, kernel);
    lua_setfield(L, -2, "field");
    lua_pushinteger(L, offset);
    lua_setfield(L, -2, "offset");
    lua_pushinteger(L, size);
    lua_setfield(L, -2, "size");
}

/* Pushes the rows, for spec/abi_spec.lua: {{type=, field=, offset=, size=}, …} */
void ebpf_push_link_info_fields(lua_State *L)
{
    int count = 0;

    lua_newtable(L);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        const struct field *field = &fields[i];

        push_row(L, field->type, field->kernel ? field->kernel : field->name, field->offset,
                 field->format == U64 ? 8 : 4);
        lua_rawseti(L, -2, ++count);
    }
    for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
        push_row(L, rooms[i].type, rooms[i].kernel, rooms[i].offset, 8);
        lua_rawseti(L, -2, ++count);
        push_row(L, rooms[i].type, rooms[i].kernel_size, rooms[i].size_offset, 4);
        lua_rawseti(L, -2, ++count);
    }
}

/* Asks again with room for this text or array, and sets it in the table on top; leaves it out if the kernel declines.
 * A text longer than its room is cut by the kernel, with ENOSPC. */
static void set_room(lua_State *L, int fd, const struct abi_link_info *known, const struct room *room)
{
    struct abi_link_info info = {0};
    uint32_t length = sizeof(info);
    uint32_t items = room->width ? word_at(known, room->size_offset) : TEXT_SIZE;
    size_t size = room->width ? (size_t)items * room->width : TEXT_SIZE;
    uint64_t address;
    char *bytes;

    if (items == 0 || (room->width && items > ITEMS_MAX))
        return;
    bytes = compat_newuserdata(L, size);
    memset(bytes, 0, size);
    address = (uint64_t)(uintptr_t)bytes;
    memcpy((char *)&info + room->offset, &address, sizeof(address));
    memcpy((char *)&info + room->size_offset, &items, sizeof(items));
    if (bpf_cmd_info(fd, &info, &length) < 0 && bytes[0] == '\0') {
        lua_pop(L, 1);
        return;
    }
    if (room->width) {
        lua_createtable(L, (int)items, 0);
        for (uint32_t i = 0; i < items; i++) {
            ebpf_push_integer(L, bytes + (size_t)i * room->width, room->width);
            lua_rawseti(L, -2, (int)i + 1);
        }
    } else {
        lua_pushlstring(L, bytes, strnlen(bytes, TEXT_SIZE));
    }
    lua_setfield(L, -3, room->name);
    lua_pop(L, 1);
}

/* The word that chooses among arms of an arm: of the table on top, or NULL (before 6.6 perf events told nothing). */
static const char *discriminator(lua_State *L, const struct abi_link_info *info, const char *type)
{
    const char *word = NULL;

    if (strcmp(type, "iter") == 0) {
        lua_getfield(L, -1, "target_name");
        word = lua_tostring(L, -1);
        lua_pop(L, 1); /* the table holds it */
    } else if (strcmp(type, "perf_event") == 0 && word_at(info, 16) < PERF_EVENTS) {
        word = perf_events[word_at(info, 16)];
    }
    return word;
}

static void set_rooms(lua_State *L, int fd, const struct abi_link_info *info, const char *type)
{
    const char *word = strcmp(type, "iter") == 0 ? NULL : discriminator(L, info, type);

    for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++)
        if (same(rooms[i].type, type) && chosen(rooms[i].when, word))
            set_room(L, fd, info, &rooms[i]);
}

static void set_fields(lua_State *L, const struct abi_link_info *info, const char *type)
{
    const char *word = discriminator(L, info, type);

    if (word && strcmp(type, "perf_event") == 0) {
        lua_pushstring(L, word);
        lua_setfield(L, -2, "event");
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if (!same(fields[i].type, type) || !chosen(fields[i].when, word))
            continue;
        push_field(L, info, &fields[i]);
        lua_setfield(L, -2, fields[i].name);
    }
}

void ebpf_push_link_info(lua_State *L, int fd, const void *data)
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
    if (!type)
        return;
    if (fd >= 0)
        set_rooms(L, fd, info, type);
    set_fields(L, info, type);
}
