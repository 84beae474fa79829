/* All elements of a map, or many at a time: walked, read as one table or as lists.
 * Commands: those of a walk (map_walk.c).
 * Nothing is owned: buffers are userdata on the call's stack or in an iterator's upvalues. */
#include <errno.h>
#include <string.h>

#include "fail.h"
#include "map_walk.h"
#include "numbers.h"

static int fail_on(lua_State *L, const struct ebpf_map *map, const char *operation)
{
    return ebpf_fail(L, errno, operation, "%u", map->handle.id);
}

/* The same as an error, with the place in the caller's code. */
static int raise_on(lua_State *L, const struct ebpf_map *map, const char *operation)
{
    fail_on(L, map, operation);
    lua_pop(L, 1);
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
    return lua_error(L);
}

/* A walk of the map at 1, as a userdata on the stack, and its two slots above it. */
static struct ebpf_walk *begin(lua_State *L, enum abi_cmd command, uint32_t room, bool sum)
{
    struct ebpf_walk *walk;

    ebpf_handle_check(L, 1, &ebpf_map_class);
    walk = compat_newuserdata(L, sizeof(*walk));
    ebpf_walk_begin(L, 1, walk, command, room);
    if (sum)
        ebpf_element_check_sum(L, &walk->element);
    walk->sum = sum;
    return walk;
}

static void push_key(lua_State *L, const struct ebpf_walk *walk, uint32_t index)
{
    ebpf_element_push_key_at(L, &walk->element, ebpf_walk_key(walk, index));
}

static void push_value(lua_State *L, const struct ebpf_walk *walk, uint32_t index)
{
    if (walk->sum)
        ebpf_element_push_sum_at(L, &walk->element, ebpf_walk_value(walk, index));
    else
        ebpf_element_push_value_at(L, &walk->element, ebpf_walk_value(walk, index));
}

enum { UPVALUE_MAP = 1, UPVALUE_WALK, UPVALUE_BUFFER, UPVALUE_SEEN, UPVALUES = UPVALUE_SEEN };

/* What a generic for calls. While a key or value is made, a finalizer may call it too: it would change the buffers. */
static int each_step(lua_State *L)
{
    struct ebpf_walk *walk = lua_touserdata(L, lua_upvalueindex(UPVALUE_WALK));

    if (walk->busy)
        return luaL_error(L, "this iterator is in use");
    walk->busy = true;
    while (walk->at == walk->count) {
        if (walk->ended) {
            walk->busy = false;
            return 0;
        }
        if (ebpf_walk_fetch(L, walk) < 0) {
            walk->busy = false;
            return walk->map->handle.open ? raise_on(L, walk->map, "map each") : luaL_error(L, "map is closed");
        }
    }
    push_key(L, walk, walk->at);
    push_value(L, walk, walk->at++);
    walk->busy = false;
    return 2;
}

/* each(map, sum) -> iterator; the first elements are read already */
static int map_each(lua_State *L)
{
    struct ebpf_walk *walk = begin(L, ABI_MAP_LOOKUP_BATCH, 0, lua_toboolean(L, 2));

    if (ebpf_walk_fetch(L, walk) < 0)
        return fail_on(L, walk->map, "map each");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, walk->buffer_slot - 1);
    lua_pushvalue(L, walk->buffer_slot);
    lua_pushvalue(L, walk->seen_slot);
    walk->buffer_slot = lua_upvalueindex(UPVALUE_BUFFER);
    walk->seen_slot = lua_upvalueindex(UPVALUE_SEEN);
    lua_pushcclosure(L, each_step, UPVALUES);
    return 1;
}

/* What is in the buffers into the table at index: by key, or a list of pairs where keys are tables. */
static void add_entries(lua_State *L, int table, struct ebpf_walk *walk, int *listed)
{
    for (uint32_t i = 0; i < walk->count; i++) {
        push_key(L, walk, i);
        if (!lua_istable(L, -1)) {
            push_value(L, walk, i);
            lua_rawset(L, table);
            continue;
        }
        lua_createtable(L, 0, 2);
        lua_insert(L, -2);
        lua_setfield(L, -2, "key");
        push_value(L, walk, i);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, table, ++*listed);
    }
}

/* dump(map, sum) -> table */
static int map_dump(lua_State *L)
{
    struct ebpf_walk *walk = begin(L, ABI_MAP_LOOKUP_BATCH, 0, lua_toboolean(L, 2));
    int table = lua_gettop(L) + 1, listed = 0;

    lua_pushnil(L);
    do {
        if (ebpf_walk_fetch(L, walk) < 0)
            return fail_on(L, walk->map, "map dump");
        if (lua_isnil(L, table)) {
            lua_createtable(L, 0, (int)walk->count);
            lua_replace(L, table);
        }
        add_entries(L, table, walk, &listed);
    } while (!walk->ended);
    lua_settop(L, table);
    return 1;
}

/* batch_get(map, count, cursor | nil, take, sum) -> keys, values, cursor | nil */
static int map_batch_get(lua_State *L)
{
    uint32_t count = ebpf_check_u32(L, 2);
    bool take = lua_toboolean(L, 4);
    const char *operation = take ? "map batch_get_and_delete" : "map batch_get";
    struct ebpf_walk *walk =
        begin(L, take ? ABI_MAP_LOOKUP_AND_DELETE_BATCH : ABI_MAP_LOOKUP_BATCH, count, lua_toboolean(L, 5));
    uint32_t size = ebpf_walk_cursor_size(walk);

    walk->passes = 0; /* what came in former calls isn't known here */
    if (!lua_isnoneornil(L, 3)) {
        if (lua_type(L, 3) != LUA_TSTRING || compat_rawlen(L, 3) != size)
            return luaL_argerror(L, 3, "not a cursor of this map");
        memcpy(walk->cursor, lua_tostring(L, 3), size);
        walk->started = true;
    }
    do {
        if (ebpf_walk_fetch(L, walk) < 0)
            return fail_on(L, walk->map, operation);
    } while (walk->count == 0 && !walk->ended);
    lua_createtable(L, (int)walk->count, 0);
    lua_createtable(L, (int)walk->count, 0);
    for (uint32_t i = 0; i < walk->count; i++) {
        push_key(L, walk, i);
        lua_rawseti(L, -3, (int)i + 1);
        push_value(L, walk, i);
        lua_rawseti(L, -2, (int)i + 1);
    }
    if (walk->ended)
        return 2;
    lua_pushlstring(L, walk->cursor, ebpf_walk_cursor_size(walk));
    return 3;
}

const luaL_Reg ebpf_map_walks[] = {
    {"each", map_each},
    {"dump", map_dump},
    {"batch_get", map_batch_get},
    {NULL, NULL},
};
