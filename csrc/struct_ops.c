/* struct_ops: a table of functions that the kernel calls, filled in with programs; to libbpf and bpf(2) a map of one element.
 * Commands: LINK_CREATE, with a map for the program.
 * The Link owns its descriptor. What goes into the table only libbpf knows, so a Map of one keeps its Object's: see map.h. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "log.h"
#include "map.h"
#include "object.h"
#include "modules.h"

/* Has libbpf write the table into the kernel's map, once. Its link then is the map itself, up to libbpf 1.1, or one of the
 * kernel's: from 1.2 on both is done at once. NULL with errno, which is EBUSY where the kernel has the table already. */
static struct bpf_link *fill(const struct ebpf_map *map, struct ebpf_log *log)
{
    struct bpf_link *link;

    if (!map->table) {
        errno = EBUSY; /* not from an Object: filled by whoever made it, or not at all */
        return NULL;
    }
    ebpf_log_begin(log);
    link = bpf_map__attach_struct_ops(map->table);
    ebpf_log_end();
    return link;
}

static bool is_map(const struct bpf_link *link, const struct ebpf_map *map)
{
    return bpf_link__fd(link) == bpf_map__fd(map->table);
}

/* Destroying it would take the element out again. */
static void forget(struct bpf_link *link)
{
    bpf_link__disconnect(link);
    bpf_link__destroy(link);
}

void ebpf_struct_ops_fill(const struct ebpf_map *map)
{
    struct ebpf_log log = {0};
    struct bpf_link *link = fill(map, &log);

    if (link && is_map(link, map))
        forget(link);
    else
        bpf_link__destroy(link);
    free(log.text);
}

static int attach(const struct ebpf_map *map, struct ebpf_log *log)
{
    struct bpf_link *link = fill(map, log);
    int fd, error;

    if (!link && errno != EBUSY)
        return -1;
    if (link && !is_map(link, map)) {
        fd = bpf_cmd_dup(bpf_link__fd(link));
        error = errno;
        bpf_link__destroy(link);
        errno = error;
        return fd;
    }
    if (link)
        forget(link);
    return bpf_cmd_link_create(map->handle.fd, 0, ABI_STRUCT_OPS, &(struct bpf_cmd_position){0});
}

/* link(subject, map) -> link */
static int struct_ops_link(lua_State *L)
{
    const char *subject = luaL_checkstring(L, 1);
    struct ebpf_map *map = ebpf_handle_check(L, 2, &ebpf_map_class);
    struct ebpf_link *link = ebpf_handle_new(L, &ebpf_link_class, 0);
    struct ebpf_log log = {0};
    int fd;

    fd = attach(map, &log);
    if (fd < 0)
        return ebpf_log_fail(L, errno, &log, "link struct_ops", subject);
    ebpf_handle_own(link, fd);
    free(log.text);
    link->created = true;
    return 1;
}

static int each_table(struct bpf_object *object, uint32_t flags)
{
    struct bpf_map *map;
    int count = 0;

    bpf_object__for_each_map(map, object)
    {
        if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
            continue;
        if (flags)
            bpf_map__set_map_flags(map, bpf_map__map_flags(map) | flags);
        count++;
    }
    return count;
}

/* count(object) -> number of its struct_ops maps */
static int struct_ops_count(lua_State *L)
{
    struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);

    lua_pushinteger(L, each_table(object->object, 0));
    return 1;
}

/* want_links(object): before load, so that its struct_ops maps can have links */
static int struct_ops_want_links(lua_State *L)
{
    struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);

    if (!object->loaded)
        each_table(object->object, ABI_F_LINK);
    return 0;
}

static const luaL_Reg functions[] = {
    {"link", struct_ops_link},
    {"count", struct_ops_count},
    {"want_links", struct_ops_want_links},
    {NULL, NULL},
};

int ebpf_open_struct_ops(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
