/* Types of a map's keys and values: Codecs, from its object's BTF or from the kernel's; and the view without them.
 * Commands: BTF_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD.
 * The map's userdata keeps its Codecs and its view; the view borrows the map's descriptor. */
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

#include "btf.h"
#include "fail.h"
#include "map.h"
#include "numbers.h"

static struct ebpf_map *check(lua_State *L, int index)
{
    return ebpf_handle_check(L, index, &ebpf_map_class);
}

/* Pushes the table that the userdata at index keeps. */
static void push_kept(lua_State *L, int index)
{
    struct ebpf_map *map = lua_touserdata(L, index);

    if (map->keeps) {
        compat_kept(L, index);
        return;
    }
    lua_createtable(L, EBPF_MAP_RAW, 0);
    lua_pushvalue(L, -1);
    compat_keep(L, index);
    map->keeps = true;
}

void ebpf_map_new_codecs(lua_State *L, int index, struct ebpf_codec *codecs[2])
{
    push_kept(L, index);
    for (int i = 0; i < 2; i++) {
        codecs[i] = ebpf_codec_new(L);
        lua_rawseti(L, -2, EBPF_MAP_KEY_CODEC + i);
    }
    lua_pop(L, 1);
}

void ebpf_map_layout(struct ebpf_codec *codecs[2], const struct btf *btf, uint32_t key_type, uint32_t value_type)
{
    const uint32_t types[2] = {key_type, value_type};
    const char *why;

    /* a type that has no layout leaves its side of the map as it would be without BTF */
    for (int i = 0; i < 2; i++)
        if (!btf || !types[i] || ebpf_layout(codecs[i], btf, types[i], &why) != 0)
            codecs[i]->size = UINT32_MAX;
}

/* An unsigned number, in the machine's byte order. */
static bool is_number(const struct ebpf_codec *codec, uint32_t size)
{
    const struct ebpf_node *root = codec ? codec->nodes : NULL;

    return ebpf_integer_size(size) &&
           (!root || (root->kind == EBPF_INTEGER && !root->bit_size && !(root->flags & (EBPF_SIGNED | EBPF_NETWORK))));
}

void ebpf_map_settle(struct ebpf_map *map)
{
    map->types_known = true;
    map->numbers =
        (map->type == ABI_MAP_TYPE_HASH || map->type == ABI_MAP_TYPE_ARRAY || map->type == ABI_MAP_TYPE_LRU_HASH) &&
        is_number(map->key_codec, map->key_size) && is_number(map->value_codec, map->value_size);
}

/* A number of 32 bits; or struct bpf_lpm_trie_key, in which it comes first and nothing else has a size. */
static bool is_length(const struct ebpf_codec *codec, const struct ebpf_node *node)
{
    while ((node->kind == EBPF_STRUCT || node->kind == EBPF_UNION) && node->size == 4 && node->count)
        node = codec->nodes + node->first;
    return node->kind == EBPF_INTEGER && node->size == 4 && !node->bit_size && node->offset == 0;
}

/* { a prefix length, an address in one field }, as an LPM trie of addresses has it */
static bool is_prefix(const struct ebpf_codec *codec)
{
    const struct ebpf_node *root = codec->nodes, *child = codec->nodes + root->first;

    return root->kind == EBPF_STRUCT && root->count == 2 && child[0].offset == 0 && is_length(codec, &child[0]) &&
           child[1].offset == 4 && child[1].size == root->size - 4 && !(child[1].flags & EBPF_NAMELESS) &&
           child[1].kind != EBPF_UNION;
}

void ebpf_map_use_codecs(lua_State *L, struct ebpf_map *map, struct ebpf_codec *codecs[2])
{
    const uint32_t sizes[2] = {map->key_size, map->value_size};
    bool used[2];

    for (int i = 0; i < 2; i++) {
        used[i] = sizes[i] && codecs[i]->size == sizes[i];
        if (used[i])
            ebpf_codec_make_names(L, codecs[i]);
        if (used[i] && codecs[i]->unions && sizes[i] > map->mask_size)
            map->mask_size = sizes[i];
    }
    map->key_codec = used[0] ? codecs[0] : NULL;
    map->value_codec = used[1] ? codecs[1] : NULL;
    map->prefixes = map->prefixes && (!used[0] || is_prefix(codecs[0]));
    ebpf_map_settle(map);
}

void ebpf_map_ask_types(lua_State *L, int index)
{
    struct ebpf_codec *codecs[2];
    struct ebpf_map *map;
    struct btf *btf;

    luaL_checkstack(L, LUA_MINSTACK, NULL);
    ebpf_map_new_codecs(L, index, codecs);
    map = check(L, index);
    btf = ebpf_btf_load(map->btf_id);
    map->types_error = btf ? 0 : errno;
    if (!btf && map->types_error != EPERM && map->types_error != EACCES) {
        ebpf_fail(L, map->types_error, "map types", "%u", map->handle.id);
        lua_pop(L, 1);
        luaL_error(L, "%s", lua_tostring(L, -1));
    }
    ebpf_map_layout(codecs, btf, map->key_type, map->value_type);
    btf__free(btf);
    ebpf_map_use_codecs(L, map, codecs);
}

static void push_codec(lua_State *L, const struct ebpf_codec *codec, int kept, int at)
{
    if (codec)
        lua_rawgeti(L, kept, at);
    else
        lua_pushboolean(L, 0);
}

/* codec() -> the Codec of keys, of values, each false where it has none */
int ebpf_map_codec(lua_State *L)
{
    struct ebpf_map *map = check(L, 1);

    lua_settop(L, 1);
    if (!map->types_known)
        ebpf_map_ask_types(L, 1);
    if (map->types_error)
        return ebpf_fail(L, map->types_error, "map types", "%u", map->handle.id);
    push_kept(L, 1);
    push_codec(L, map->key_codec, 2, EBPF_MAP_KEY_CODEC);
    push_codec(L, map->value_codec, 2, EBPF_MAP_VALUE_CODEC);
    return 2;
}

/* A handle of the same descriptor, without types. */
static void make_raw(lua_State *L)
{
    struct ebpf_map *view = ebpf_handle_new(L, &ebpf_map_class, 0);
    struct ebpf_map *map = check(L, 1);

    *view = *map;
    view->handle.open = NULL;
    view->handle.borrowed = true;
    view->key_codec = view->value_codec = NULL;
    view->prefixes = view->keeps = false;
    ebpf_map_settle(view);
    view->types_error = 0;
    view->mask_size = 0;
    view->raw = NULL;
    view->asked = 0;
    view->elf = NULL;
    view->table = NULL;
    push_kept(L, lua_gettop(L)); /* and keeps the map, whose descriptor it uses */
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, EBPF_MAP_RAW);
    lua_pop(L, 1);
    push_kept(L, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, EBPF_MAP_RAW);
    lua_pop(L, 1);
    map = check(L, 1);
    ebpf_handle_own(view, map->handle.fd);
    map->raw = view;
}

/* raw: the same one each time, while it is open; a view is its own */
int ebpf_map_raw(lua_State *L)
{
    struct ebpf_map *map = check(L, 1);

    lua_settop(L, 1);
    if (map->handle.borrowed)
        return 1;
    if (map->raw && map->raw->handle.open) {
        push_kept(L, 1);
        lua_rawgeti(L, -1, EBPF_MAP_RAW);
        return 1;
    }
    make_raw(L);
    return 1;
}

/* The view ends with the map. */
void ebpf_map_close_raw(struct ebpf_handle *handle)
{
    struct ebpf_map *map = (struct ebpf_map *)handle;

    if (map->raw && map->raw->handle.open) {
        map->raw->handle.open = NULL;
        map->raw->handle.fd = -1;
    }
}
