/* A Lua module for the specs: makes the n-th allocation fail, and all after it, until it is told otherwise.
 * The allocator is the state's own, wrapped; nothing is owned. */
#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

static lua_Alloc real;
static long left = -1; /* allocations until none is granted; negative: no limit */

static void *allocate(void *data, void *block, size_t before, size_t after)
{
    if (left >= 0 && after > (block ? before : 0)) {
        if (left == 0)
            return NULL;
        left--;
    }
    return real(data, block, before, after);
}

/* limit(n | nil): n more allocations are granted, and none after them; nil: as many as are asked for */
static int limit(lua_State *L)
{
    left = lua_isnoneornil(L, 1) ? -1 : (long)luaL_checkinteger(L, 1);
    return 0;
}

int luaopen_scarce(lua_State *L)
{
    void *data;
    lua_Alloc current = lua_getallocf(L, &data);

    if (current != allocate) {
        real = current;
        lua_setallocf(L, allocate, data);
    }
    lua_pushcfunction(L, limit);
    return 1;
}
