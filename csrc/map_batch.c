/* Many elements of a map written or deleted at a time.
 * Commands: MAP_UPDATE_BATCH, MAP_DELETE_BATCH, MAP_LOOKUP_AND_DELETE_BATCH; where the type has no batches,
 * MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_GET_NEXT_KEY, MAP_LOOKUP_AND_DELETE_ELEM.
 * Nothing is owned: buffers are userdata on the call's stack. */
#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map_walk.h"
#include "numbers.h"

enum { ENOTSUPP = 524 };

static bool no_batches(int error)
{
    return error == ENOTSUPP || error == EOPNOTSUPP;
}

static int fail_on(lua_State *L, const struct ebpf_map *map, const char *operation)
{
    return ebpf_fail(L, errno, operation, "%u", map->handle.id);
}

/* What is written or deleted: elements in two buffers, and how many of all so far are done. */
struct writing {
    struct ebpf_element element; /* a view */
    const struct ebpf_map *map;  /* the handle at 1, which a finalizer may close */
    char *keys, *values;
    uint32_t room, count;
    uint64_t done;
    uint64_t flags;
};

static char *key_at(const struct writing *writing, uint32_t index)
{
    return writing->keys + (size_t)index * writing->element.map.key_size;
}

static char *value_at(const struct writing *writing, uint32_t index)
{
    return writing->values + (size_t)index * ebpf_element_value_size(&writing->element);
}

/* Pushes the buffers. Their bytes are zero, which is what pads the values of a per-CPU map. */
static void begin_writing(lua_State *L, struct writing *writing, bool values, uint32_t room)
{
    size_t value_size, size;

    memset(writing, 0, sizeof(*writing));
    ebpf_element_view(L, 1, &writing->element);
    value_size = values ? ebpf_element_value_size(&writing->element) : 0;
    size = room * (writing->element.map.key_size + value_size);
    writing->values = compat_newuserdata(L, size + 1);
    memset(writing->values, 0, size);
    writing->keys = writing->values + room * value_size;
    writing->room = room;
    writing->map = ebpf_handle_check(L, 1, &ebpf_map_class);
}

/* One batch of what is buffered from there on. Where the kernel doesn't come as far as the elements, it leaves count. */
static int call_batch(struct writing *writing, enum abi_cmd command, uint32_t from, uint32_t *done)
{
    struct abi_map_batch attr = {
        .keys = (uint64_t)(uintptr_t)key_at(writing, from),
        .values = command == ABI_MAP_UPDATE_BATCH ? (uint64_t)(uintptr_t)value_at(writing, from) : 0,
        .count = writing->count - from,
        .map_fd = (uint32_t)writing->map->handle.fd,
    };
    int result = bpf_cmd_map_batch(command, &attr);

    *done = result == 0 || attr.count < writing->count - from ? attr.count : 0;
    return result;
}

static int set_one_by_one(struct writing *writing)
{
    for (uint32_t i = 0; i < writing->count; i++) {
        if (bpf_cmd_map_update(writing->map->handle.fd, key_at(writing, i), value_at(writing, i), writing->flags) < 0)
            return -1;
        writing->done++;
    }
    return 0;
}

/* Batches take neither BPF_NOEXIST nor BPF_EXIST (generic_map_update_batch). */
static int flush_set(struct writing *writing)
{
    uint32_t done = 0;
    int result = -1;

    errno = EOPNOTSUPP;
    if (writing->flags == ABI_ANY)
        result = call_batch(writing, ABI_MAP_UPDATE_BATCH, 0, &done);
    writing->done += done;
    return result < 0 && no_batches(errno) ? set_one_by_one(writing) : result;
}

static int delete_one_by_one(struct writing *writing)
{
    for (uint32_t i = 0; i < writing->count; i++) {
        int result = bpf_cmd_map_delete(writing->map->handle.fd, key_at(writing, i));

        if (result < 0 && errno != ENOENT)
            return -1;
        writing->done += result == 0;
    }
    return 0;
}

/* The kernel stops at a key that isn't there: it is passed over. */
static int flush_delete(struct writing *writing)
{
    uint32_t from = 0;

    while (from < writing->count) {
        uint32_t done;
        int result = call_batch(writing, ABI_MAP_DELETE_BATCH, from, &done);

        writing->done += done;
        from += done;
        if (result == 0)
            continue;
        if (no_batches(errno))
            return delete_one_by_one(writing);
        if (errno != ENOENT)
            return -1;
        from++;
    }
    return 0;
}

/* nil, message, errno, how many were done before it failed */
static int fail_after(lua_State *L, const struct writing *writing, const char *operation)
{
    fail_on(L, writing->map, operation);
    ebpf_push_u64(L, writing->done);
    return 4;
}

static int report(lua_State *L, const struct writing *writing)
{
    ebpf_push_u64(L, writing->done);
    return 1;
}

/* The key and the value at 2 and 3 into the buffers: where an error would name them. */
static void add_pair(lua_State *L, struct writing *writing)
{
    ebpf_element_check_key_at(L, 2, &writing->element, key_at(writing, writing->count));
    ebpf_element_check_value_at(L, 3, &writing->element, value_at(writing, writing->count));
    writing->count++;
}

enum { KEYS = 5, VALUES }; /* where the lists are while their items are at 2 and 3 */

static void add_lists(lua_State *L, struct writing *writing)
{
    while (writing->count < writing->room) {
        lua_rawgeti(L, KEYS, (int)writing->count + 1);
        lua_replace(L, 2);
        lua_rawgeti(L, VALUES, (int)writing->count + 1);
        lua_replace(L, 3);
        add_pair(L, writing);
    }
}

static void add_table(lua_State *L, struct writing *writing)
{
    for (lua_pushnil(L); lua_next(L, KEYS);) {
        lua_replace(L, 3);
        lua_pushvalue(L, -1);
        lua_replace(L, 2);
        add_pair(L, writing);
    }
}

static uint32_t count_of(lua_State *L, int index, bool list)
{
    size_t count = list ? compat_rawlen(L, index) : 0;

    if (!list)
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
            count++;
    if (count > INT32_MAX)
        luaL_argerror(L, index, "too many elements");
    return (uint32_t)count;
}

/* batch_set(map, keys, values, when) or batch_set(map, {[key] = value}, nil, when) -> number
 * Everything is looked at before the first is written. */
static int map_batch_set(lua_State *L)
{
    static const char *const names[] = {"any", "noexist", "exist", NULL};
    struct writing writing;
    bool lists;

    lua_settop(L, 4);
    ebpf_handle_check(L, 1, &ebpf_map_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    lists = !lua_isnil(L, 3);
    if (lists)
        luaL_checktype(L, 3, LUA_TTABLE);
    if (lists && compat_rawlen(L, 2) != compat_rawlen(L, 3))
        return luaL_argerror(L, 3, "as many values as keys expected");
    luaL_checkoption(L, 4, "any", names);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    begin_writing(L, &writing, true, count_of(L, KEYS, lists));
    writing.flags = (uint64_t)luaL_checkoption(L, 4, "any", names);
    if (lists)
        add_lists(L, &writing);
    else
        add_table(L, &writing);
    if (flush_set(&writing) < 0)
        return fail_after(L, &writing, "map batch_set");
    return report(L, &writing);
}

/* batch_delete(map, keys) -> how many there were */
static int map_batch_delete(lua_State *L)
{
    struct writing writing;

    lua_settop(L, 4);
    ebpf_handle_check(L, 1, &ebpf_map_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushvalue(L, 2);
    begin_writing(L, &writing, false, count_of(L, KEYS, true));
    while (writing.count < writing.room) {
        lua_rawgeti(L, KEYS, (int)writing.count + 1);
        lua_replace(L, 2);
        ebpf_element_check_key_at(L, 2, &writing.element, key_at(&writing, writing.count));
        writing.count++;
    }
    if (flush_delete(&writing) < 0)
        return fail_after(L, &writing, "map batch_delete");
    return report(L, &writing);
}

/* Elements of an array can't be deleted: they become what they were at first. */
static int clear_array(lua_State *L, const struct ebpf_map *map)
{
    size_t value_size = (size_t)map->stride * map->cpus;
    struct writing writing;
    int result = 0;

    begin_writing(L, &writing, true, (uint32_t)(EBPF_WALK_BYTES / (value_size ? value_size : 1)) + 1);
    for (uint32_t i = 0; i < map->max_entries && result == 0; i++) {
        memcpy(key_at(&writing, writing.count++), &i, sizeof(i));
        if (writing.count < writing.room && i + 1 < map->max_entries)
            continue;
        result = flush_set(&writing);
        writing.count = 0;
    }
    return result;
}

/* An empty place is ENOENT or, of a sockmap, EINVAL. */
static int clear_indices(const struct ebpf_map *map)
{
    for (uint32_t i = 0; i < map->max_entries; i++)
        if (bpf_cmd_map_delete(map->handle.fd, &i) < 0 && errno != ENOENT && errno != EINVAL)
            return -1;
    return 0;
}

static int clear_queue(lua_State *L)
{
    struct ebpf_element element;

    ebpf_element_begin(L, 1, &element);
    for (uint32_t i = 0; i < element.map.max_entries; i++)
        if (bpf_cmd_map_lookup_and_delete(element.map.handle.fd, NULL, element.value) < 0)
            return errno == ENOENT ? 0 : -1;
    return 0;
}

static int clear_buckets(lua_State *L)
{
    struct ebpf_walk *walk = compat_newuserdata(L, sizeof(*walk));

    ebpf_walk_begin(L, 1, walk, ABI_MAP_LOOKUP_AND_DELETE_BATCH, 0);
    do {
        if (ebpf_walk_fetch(L, walk) < 0)
            return -1;
    } while (!walk->ended);
    return 0;
}

/* The next key is asked for before its forerunner goes. Where that was gone already, the kernel starts from the first,
 * which here does no harm. */
static int clear_keys(lua_State *L)
{
    const struct ebpf_map *map = ebpf_handle_any(L, 1, &ebpf_map_class);
    char *key = compat_newuserdata(L, 2 * (size_t)map->key_size + 1), *next = key + map->key_size;
    uint64_t steps = 2 * (uint64_t)map->max_entries;
    bool more = true;

    if (bpf_cmd_map_next_key(map->handle.fd, NULL, key) < 0)
        return errno == ENOENT ? 0 : -1;
    while (more && steps-- > 0) {
        more = bpf_cmd_map_next_key(map->handle.fd, key, next) == 0;
        if (!more && errno != ENOENT)
            return -1;
        if (bpf_cmd_map_delete(map->handle.fd, key) < 0 && errno != ENOENT)
            return -1;
        memcpy(key, next, map->key_size);
    }
    return 0;
}

static int clear(lua_State *L, const struct ebpf_map *map)
{
    int result;

    switch (map->type) {
    case ABI_MAP_TYPE_ARRAY:
    case ABI_MAP_TYPE_PERCPU_ARRAY:
        return clear_array(L, map);
    case ABI_MAP_TYPE_QUEUE:
    case ABI_MAP_TYPE_STACK:
        return clear_queue(L);
    case ABI_MAP_TYPE_STRUCT_OPS: /* a deletion would unregister it */
        errno = EOPNOTSUPP;
        return -1;
    default:
        if (ebpf_map_has_indices(map->type))
            return clear_indices(map);
        result = clear_buckets(L);
        return result < 0 && no_batches(errno) ? clear_keys(L) : result;
    }
}

/* clear(map) -> true */
static int map_clear(lua_State *L)
{
    const struct ebpf_map *map = ebpf_handle_check(L, 1, &ebpf_map_class);

    lua_settop(L, 1);
    if (clear(L, map) < 0)
        return fail_on(L, map, "map clear");
    lua_pushboolean(L, 1);
    return 1;
}

const luaL_Reg ebpf_map_batches[] = {
    {"batch_set", map_batch_set},
    {"batch_delete", map_batch_delete},
    {"clear", map_clear},
    {NULL, NULL},
};
