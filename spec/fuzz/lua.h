/* What the fuzzers have in common: a Lua state with the modules that they try, and a script run in it. */
#ifndef FUZZ_LUA_H
#define FUZZ_LUA_H

#include <stdio.h>
#include <stdlib.h>

#include "../../csrc/modules.h"

static void fuzz_die(lua_State *L, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, lua_tostring(L, -1));
    abort();
}

/* Leaves what the script returns: the function that each input is given to. */
static lua_State *fuzz_open(const char *script)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    lua_newtable(L);
    ebpf_open_address(L);
    lua_setfield(L, -2, "address");
    ebpf_open_codec(L);
    lua_setfield(L, -2, "codec");
    lua_setglobal(L, "core");
    if (luaL_loadfile(L, script) || lua_pcall(L, 0, 1, 0))
        fuzz_die(L, script);
    return L;
}

#endif
