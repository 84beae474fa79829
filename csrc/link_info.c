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
struct field {
    const char *name;
    uint8_t offset; /* from the start of bpf_link_info */
    uint8_t format;
    const char *when;
    const char *kernel;
};

/* Texts and arrays: where the address of their room is given, and where its size (bytes, or `width` bytes an item). */
struct room {
    const char *name;
    uint8_t offset, size_offset;
    uint8_t width; /* 0: text */
    const char *when;
    const char *kernel, *kernel_size;
};

static const struct field raw_tracepoint_fields[] = {
    {"cookie", 32, U64, NULL, NULL},
};

static const struct field tracing_fields[] = {
    {"attach_type", 16, ATTACH_TYPE, NULL, NULL},
    {"target_obj_id", 20, U32, NULL, NULL},
    {"target_btf_id", 24, U32, NULL, NULL},
    {"cookie", 32, U64, NULL, NULL},
};

static const struct field cgroup_fields[] = {
    {"cgroup_id", 16, U64, NULL, NULL},
    {"attach_type", 24, ATTACH_TYPE, NULL, NULL},
};

static const struct field iter_fields[] = {
    {"map_id", 28, U32, " bpf_map_elem bpf_sk_storage_map ", "map.map_id"},
    {"cgroup_id", 32, U64, " cgroup ", "cgroup.cgroup_id"},
    {"order", 40, U32, " cgroup ", "cgroup.order"},
    {"tid", 32, U32, " task task_file task_vma ", "task.tid"},
    {"pid", 36, U32, " task task_file task_vma ", "task.pid"},
};

static const struct field netns_fields[] = {
    {"netns_ino", 16, U32, NULL, NULL},
    {"attach_type", 20, ATTACH_TYPE, NULL, NULL},
};

static const struct field xdp_fields[] = {
    {"ifindex", 16, U32, NULL, NULL},
};

static const struct field perf_event_fields[] = {
    {"offset", 36, U32, " uprobe uretprobe ", "uprobe.offset"},
    {"cookie", 40, U64, " uprobe uretprobe ", "uprobe.cookie"},
    {"ref_ctr_offset", 48, U64, " uprobe uretprobe ", "uprobe.ref_ctr_offset"},
    {"offset", 36, U32, " kprobe kretprobe ", "kprobe.offset"},
    {"addr", 40, U64, " kprobe kretprobe ", "kprobe.addr"},
    {"missed", 48, U64, " kprobe kretprobe ", "kprobe.missed"},
    {"cookie", 56, U64, " kprobe kretprobe ", "kprobe.cookie"},
    {"cookie", 40, U64, " tracepoint ", "tracepoint.cookie"},
    {"config", 24, U64, " event ", "event.config"},
    {"event_type", 32, U32, " event ", "event.type"},
    {"cookie", 40, U64, " event ", "event.cookie"},
};

static const struct field kprobe_multi_fields[] = {
    {"count", 24, U32, NULL, NULL},
    {"flags", 28, U32, NULL, NULL},
    {"missed", 32, U64, NULL, NULL},
};

static const struct field struct_ops_fields[] = {
    {"map_id", 16, U32, NULL, NULL},
};

static const struct field netfilter_fields[] = {
    {"pf", 16, U32, NULL, NULL},
    {"hooknum", 20, U32, NULL, NULL},
    {"priority", 24, S32, NULL, NULL},
    {"flags", 28, U32, NULL, NULL},
};

static const struct field tcx_fields[] = {
    {"ifindex", 16, U32, NULL, NULL},
    {"attach_type", 20, ATTACH_TYPE, NULL, NULL},
};

static const struct field uprobe_multi_fields[] = {
    {"count", 52, U32, NULL, NULL},
    {"flags", 56, U32, NULL, NULL},
    {"pid", 60, U32, NULL, NULL},
};

static const struct field netkit_fields[] = {
    {"ifindex", 16, U32, NULL, NULL},
    {"attach_type", 20, ATTACH_TYPE, NULL, NULL},
};

static const struct field sockmap_fields[] = {
    {"map_id", 16, U32, NULL, NULL},
    {"attach_type", 20, ATTACH_TYPE, NULL, NULL},
};

static const struct field tracing_multi_fields[] = {
    {"attach_type", 16, ATTACH_TYPE, NULL, NULL},
    {"count", 20, U32, NULL, NULL},
    {"btf_obj_id", 24, U32, NULL, NULL},
};

static const struct room raw_tracepoint_rooms[] = {
    {"tp_name", 16, 24, 0, NULL, "tp_name", "tp_name_len"},
};

static const struct room iter_rooms[] = {
    {"target_name", 16, 24, 0, NULL, "target_name", "target_name_len"},
};

static const struct room perf_event_rooms[] = {
    {"file_name", 24, 32, 0, " uprobe uretprobe ", "uprobe.file_name", "uprobe.name_len"},
    {"func_name", 24, 32, 0, " kprobe kretprobe ", "kprobe.func_name", "kprobe.name_len"},
    {"tp_name", 24, 32, 0, " tracepoint ", "tracepoint.tp_name", "tracepoint.name_len"},
};

static const struct room kprobe_multi_rooms[] = {
    {"addrs", 16, 24, 8, NULL, "addrs", "count"},
};

static const struct room uprobe_multi_rooms[] = {
    {"path", 16, 48, 0, NULL, "path", "path_size"},
    {"offsets", 24, 52, 8, NULL, "offsets", "count"},
};

#define ROWS(rows) rows, sizeof(rows) / sizeof(*(rows))
#define NONE NULL, 0

static const struct arm {
    const struct field *fields;
    size_t field_count;
    const struct room *rooms;
    size_t room_count;
} arms[] = {
    [ABI_LINK_TYPE_RAW_TRACEPOINT] = {ROWS(raw_tracepoint_fields), ROWS(raw_tracepoint_rooms)},
    [ABI_LINK_TYPE_TRACING] = {ROWS(tracing_fields), NONE},
    [ABI_LINK_TYPE_CGROUP] = {ROWS(cgroup_fields), NONE},
    [ABI_LINK_TYPE_ITER] = {ROWS(iter_fields), ROWS(iter_rooms)},
    [ABI_LINK_TYPE_NETNS] = {ROWS(netns_fields), NONE},
    [ABI_LINK_TYPE_XDP] = {ROWS(xdp_fields), NONE},
    [ABI_LINK_TYPE_PERF_EVENT] = {ROWS(perf_event_fields), ROWS(perf_event_rooms)},
    [ABI_LINK_TYPE_KPROBE_MULTI] = {ROWS(kprobe_multi_fields), ROWS(kprobe_multi_rooms)},
    [ABI_LINK_TYPE_STRUCT_OPS] = {ROWS(struct_ops_fields), NONE},
    [ABI_LINK_TYPE_NETFILTER] = {ROWS(netfilter_fields), NONE},
    [ABI_LINK_TYPE_TCX] = {ROWS(tcx_fields), NONE},
    [ABI_LINK_TYPE_UPROBE_MULTI] = {ROWS(uprobe_multi_fields), ROWS(uprobe_multi_rooms)},
    [ABI_LINK_TYPE_NETKIT] = {ROWS(netkit_fields), NONE},
    [ABI_LINK_TYPE_SOCKMAP] = {ROWS(sockmap_fields), NONE},
    [ABI_LINK_TYPE_TRACING_MULTI] = {ROWS(tracing_multi_fields), NONE},
};

enum { ARMS = sizeof(arms) / sizeof(*arms) };

static const char *const perf_events[] = {
    NULL, "uprobe", "uretprobe", "kprobe", "kretprobe", "tracepoint", "event",
};

enum { PERF_EVENTS = sizeof(perf_events) / sizeof(*perf_events) };

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
    for (uint32_t number = 0; number < ARMS; number++) {
        const char *type = ebpf_name(EBPF_LINK_TYPE, number);
        const struct arm *arm = &arms[number];

        for (const struct field *field = arm->fields; field < arm->fields + arm->field_count; field++) {
            push_row(L, type, field->kernel ? field->kernel : field->name, field->offset, field->format == U64 ? 8 : 4);
            lua_rawseti(L, -2, ++count);
        }
        for (const struct room *room = arm->rooms; room < arm->rooms + arm->room_count; room++) {
            push_row(L, type, room->kernel, room->offset, 8);
            lua_rawseti(L, -2, ++count);
            push_row(L, type, room->kernel_size, room->size_offset, 4);
            lua_rawseti(L, -2, ++count);
        }
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
static const char *discriminator(lua_State *L, const struct abi_link_info *info)
{
    const char *word = NULL;

    if (info->type == ABI_LINK_TYPE_ITER) {
        lua_getfield(L, -1, "target_name");
        word = lua_tostring(L, -1);
        lua_pop(L, 1); /* the table holds it */
    } else if (info->type == ABI_LINK_TYPE_PERF_EVENT && word_at(info, 16) < PERF_EVENTS) {
        word = perf_events[word_at(info, 16)];
    }
    return word;
}

static void set_rooms(lua_State *L, int fd, const struct abi_link_info *info, const struct arm *arm)
{
    const char *word = info->type == ABI_LINK_TYPE_ITER ? NULL : discriminator(L, info);

    for (const struct room *room = arm->rooms; room < arm->rooms + arm->room_count; room++)
        if (chosen(room->when, word))
            set_room(L, fd, info, room);
}

static void set_fields(lua_State *L, const struct abi_link_info *info, const struct arm *arm)
{
    const char *word = discriminator(L, info);

    if (word && info->type == ABI_LINK_TYPE_PERF_EVENT) {
        lua_pushstring(L, word);
        lua_setfield(L, -2, "event");
    }
    for (const struct field *field = arm->fields; field < arm->fields + arm->field_count; field++)
        if (chosen(field->when, word)) {
            push_field(L, info, field);
            lua_setfield(L, -2, field->name);
        }
}

void ebpf_push_link_info(lua_State *L, int fd, const void *data)
{
    const struct abi_link_info *info = data;

    lua_createtable(L, 0, 8);
    ebpf_push_name(L, EBPF_LINK_TYPE, info->type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)info->id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, (lua_Integer)info->prog_id);
    lua_setfield(L, -2, "program_id");
    if (info->type >= ARMS)
        return;
    if (fd >= 0)
        set_rooms(L, fd, info, &arms[info->type]);
    set_fields(L, info, &arms[info->type]);
}
