/* What is asked of a Map by name: methods, and the field `raw`.
 * No bpf(2) command.
 * A field needs a function for __index, which takes as long as a tenth of a system call. So a Map that is asked again and
 * again gets a metatable of its own, whose __index is a table that remembers the methods and knows its Map. */
#include <string.h>

#include "map.h"

enum { OFTEN = 8 };

static const char owner; /* its address is where an index has its Map */

/* Upvalues: the methods, and the metatable of own indexes. */
static int give(lua_State *L, int map)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "raw") != 0)
        return 0;
    lua_pushvalue(L, map);
    lua_replace(L, 1);
    return ebpf_map_raw(L);
}

static int own_index(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE); /* whoever asks a Map for its metatable can call this */
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (lua_isnil(L, -1)) {
        compat_rawgetp(L, 1, &owner);
        return give(L, 4);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static void make_own(lua_State *L)
{
    lua_createtable(L, 1, 30);
    lua_getmetatable(L, 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -6);
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, 1);
    compat_rawsetp(L, -2, &owner);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, 1);
}

static int class_index(lua_State *L)
{
    struct ebpf_map *map = ebpf_handle_at(L, 1, &ebpf_map_class);

    lua_settop(L, 2);
    if (map && ++map->asked == OFTEN)
        make_own(L);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return lua_isnil(L, -1) ? give(L, 1) : 1;
}

void ebpf_map_index_open(lua_State *L)
{
    luaL_getmetatable(L, ebpf_map_class.name);
    lua_pushvalue(L, -2);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, own_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcclosure(L, class_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
