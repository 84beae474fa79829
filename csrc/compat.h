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

/* lua_rawgetp and lua_rawsetp, which Lua 5.1 lacks; get gives the type of what it pushes, as from 5.3 on */
static inline int compat_rawgetp(lua_State *L, int index, const void *key)
{
#if LUA_VERSION_NUM >= 503
    return lua_rawgetp(L, index, key);
#elif LUA_VERSION_NUM >= 502
    lua_rawgetp(L, index, key);
    return lua_type(L, -1);
#else
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, index < 0 && index > LUA_REGISTRYINDEX ? index - 1 : index);
    return lua_type(L, -1);
#endif
}

static inline void compat_rawsetp(lua_State *L, int index, const void *key)
{
#if LUA_VERSION_NUM >= 502
    lua_rawsetp(L, index, key);
#else
    lua_pushlightuserdata(L, (void *)key);
    lua_insert(L, -2);
    lua_rawset(L, index < 0 && index > LUA_REGISTRYINDEX ? index - 1 : index);
#endif
}

#endif
