/* What differs between Lua 5.1 … 5.5 and LuaJIT, as static functions.
 * Names are ours (compat_*), so that nothing can clash with what an interpreter's lauxlib has. */
#ifndef EBPF_COMPAT_H
#define EBPF_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if LUA_VERSION_NUM >= 502
#define compat_setfuncs(L, functions) luaL_setfuncs(L, functions, 0)
#define compat_rawlen(L, index) lua_rawlen(L, index)
#else
static inline void compat_setfuncs(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushcfunction(L, functions->func);
        lua_setfield(L, -2, functions->name);
    }
}
#define compat_rawlen(L, index) lua_objlen(L, index)
#endif

#if LUA_VERSION_NUM >= 504
#define compat_newuserdata(L, size) lua_newuserdatauv(L, size, 0)
#else
#define compat_newuserdata(L, size) lua_newuserdata(L, size)
#endif

/* A userdata with room for one table that it keeps; before compat_keep it has none that may be asked for. */
#if LUA_VERSION_NUM >= 504
#define compat_newkeeper(L, size) lua_newuserdatauv(L, size, 1)
#define compat_keep(L, index) lua_setiuservalue(L, index, 1)
#define compat_kept(L, index) lua_getiuservalue(L, index, 1)
#elif LUA_VERSION_NUM >= 502
#define compat_newkeeper(L, size) lua_newuserdata(L, size)
#define compat_keep(L, index) lua_setuservalue(L, index)
#define compat_kept(L, index) lua_getuservalue(L, index)
#else
#define compat_newkeeper(L, size) lua_newuserdata(L, size)
#define compat_keep(L, index) lua_setfenv(L, index)
#define compat_kept(L, index) lua_getfenv(L, index)
#endif

/* luaL_testudata, which Lua 5.1 lacks */
static inline void *compat_testudata(lua_State *L, int index, const char *name)
{
    void *data = lua_touserdata(L, index);

    if (!data || !lua_getmetatable(L, index))
        return NULL;
    luaL_getmetatable(L, name);
    if (!lua_rawequal(L, -1, -2))
        data = NULL;
    lua_pop(L, 2);
    return data;
}

#endif
