/* Codec: a C type by which bytes become Lua values and Lua values bytes. Immutable; from BTF (layout.c).
 * No bpf(2) command.
 * The userdata owns its tree, and a reference to a table of the names in it. */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"

const struct ebpf_codec *ebpf_codec_at(lua_State *L, int index)
{
    return luaL_checkudata(L, index, EBPF_CODEC_CLASS);
}

struct ebpf_codec *ebpf_codec_new(lua_State *L)
{
    struct ebpf_codec *codec = compat_newuserdata(L, sizeof(*codec));

    memset(codec, 0, sizeof(*codec));
    codec->names_ref = LUA_NOREF;
    luaL_getmetatable(L, EBPF_CODEC_CLASS);
    lua_setmetatable(L, -2);
    return codec;
}

/* Names become strings of Lua's once: a field's is then pushed without being hashed. */
void ebpf_codec_make_names(lua_State *L, struct ebpf_codec *codec)
{
    lua_createtable(L, (int)codec->name_count, 0);
    for (uint32_t i = 1; i < codec->name_count; i++) {
        lua_pushstring(L, ebpf_codec_name(codec, i));
        lua_rawseti(L, -2, (int)i);
    }
    codec->names_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int codec_gc(lua_State *L)
{
    struct ebpf_codec *codec = luaL_checkudata(L, 1, EBPF_CODEC_CLASS);

    luaL_unref(L, LUA_REGISTRYINDEX, codec->names_ref);
    free(codec->nodes);
    free(codec->constants);
    free(codec->by_name);
    free(codec->names);
    free(codec->text);
    memset(codec, 0, sizeof(*codec));
    codec->names_ref = LUA_NOREF;
    return 0;
}

static const struct ebpf_codec *check(lua_State *L)
{
    const struct ebpf_codec *codec = ebpf_codec_at(L, 1);

    ebpf_codec_expect(L, codec);
    return codec;
}

/* decode(bytes, into) -> value */
static int codec_decode(lua_State *L)
{
    const struct ebpf_codec *codec = check(L);
    size_t length;
    const char *bytes;

    luaL_checktype(L, 2, LUA_TSTRING);
    lua_settop(L, 3);
    bytes = lua_tolstring(L, 2, &length);
    if (length < codec->size)
        return luaL_argerror(L, 2, lua_pushfstring(L, "%d bytes expected, got %d", (int)codec->size, (int)length));
    if (lua_isnil(L, 3)) {
        ebpf_codec_push_all(L, codec, bytes, length);
        return 1;
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_argcheck(L, ebpf_codec_has_table(codec), 3, "values of this type are no tables");
    ebpf_codec_fill(L, codec, bytes, length);
    return 1;
}

/* encode(value) -> bytes */
static int codec_encode(lua_State *L)
{
    const struct ebpf_codec *codec = check(L);
    char room[512];
    size_t size = codec->unions ? (size_t)codec->size * 2 : codec->size;
    char *bytes = size <= sizeof(room) ? room : compat_newuserdata(L, size);

    memset(bytes, 0, codec->size);
    ebpf_codec_check(L, 2, codec, bytes, bytes + codec->size, "value", 2);
    lua_pushlstring(L, bytes, codec->size);
    return 1;
}

/* size() -> bytes */
static int codec_size(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->size);
    return 1;
}

static int codec_tostring(lua_State *L)
{
    const struct ebpf_codec *codec = ebpf_codec_at(L, 1);
    const struct ebpf_node *root = codec->nodes;
    const char *type = root ? codec->text + root->type : "";

    if (root && root->kind == EBPF_STRUCT && *type)
        type = lua_pushfstring(L, "struct %s", type);
    lua_pushfstring(L, "ebpf.codec: %s%s%d bytes", type, *type ? ", " : "", (int)codec->size);
    return 1;
}

static const luaL_Reg methods[] = {
    {"decode", codec_decode},
    {"encode", codec_encode},
    {"size", codec_size},
    {NULL, NULL},
};

int ebpf_open_codec(lua_State *L)
{
    /* the list of free references is there from now on: a finalizer that adds to it needs no memory */
    lua_pushboolean(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX));
    luaL_newmetatable(L, EBPF_CODEC_CLASS);
    lua_pushstring(L, EBPF_CODEC_CLASS);
    lua_setfield(L, -2, "__name");
    lua_pushcfunction(L, codec_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, codec_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_newtable(L);
    compat_setfuncs(L, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -2, "methods");
    lua_getfield(L, -1, "methods");
    lua_remove(L, -2);
    lua_newtable(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
