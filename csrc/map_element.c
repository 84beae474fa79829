/* Elements of maps: keys and values between Lua and the bytes that the kernel copies.
 * No bpf(2) command.
 * Nothing is owned: the bytes are in the call's own frame, or in a userdata on its stack. */
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "map.h"
#include "numbers.h"

/* Where anything is allocated, finalizers may run: then the map is looked at again, and what they did to it is seen. */
void ebpf_element_begin(lua_State *L, int index, struct ebpf_element *element)
{
    const struct ebpf_map *map = ebpf_handle_check(L, index, &ebpf_map_class);
    size_t size;

    if (!map->types_known) {
        ebpf_map_ask_types(L, index);
        map = ebpf_handle_check(L, index, &ebpf_map_class);
    }
    size = (size_t)map->key_size + (size_t)map->stride * map->cpus;
    element->key = element->room;
    if (size + map->mask_size > sizeof(element->room)) {
        element->key = compat_newuserdata(L, size + map->mask_size);
        map = ebpf_handle_check(L, index, &ebpf_map_class);
    }
    memset(element->key, 0, size);
    element->value = element->key + map->key_size;
    element->mask = element->key + size;
    element->map = *map;
}

/* The mask is all that checking needs besides the caller's buffers. */
void ebpf_element_view(lua_State *L, int index, struct ebpf_element *element)
{
    const struct ebpf_map *map = ebpf_handle_check(L, index, &ebpf_map_class);

    if (!map->types_known) {
        ebpf_map_ask_types(L, index);
        map = ebpf_handle_check(L, index, &ebpf_map_class);
    }
    element->mask = element->room;
    if (map->mask_size > sizeof(element->room)) {
        element->mask = compat_newuserdata(L, map->mask_size);
        map = ebpf_handle_check(L, index, &ebpf_map_class);
    }
    element->key = element->value = NULL;
    element->map = *map;
}

const char *ebpf_element_key(const struct ebpf_element *element)
{
    return element->map.key_size ? element->key : NULL;
}

size_t ebpf_element_value_size(const struct ebpf_element *element)
{
    return (size_t)element->map.stride * element->map.cpus;
}

static void push_bytes(lua_State *L, const struct ebpf_codec *codec, const char *bytes, uint32_t size)
{
    if (codec)
        ebpf_codec_push(L, codec, bytes);
    else if (ebpf_integer_size(size))
        ebpf_push_integer(L, bytes, size);
    else
        lua_pushlstring(L, bytes, size);
}

/* A string of exactly `size` bytes, or an integer where the size is an integer's. A string of digits of another length
 * is an integer too: that is how 64-bit values come from Lua < 5.3. */
static void check_bytes(lua_State *L, int index, const char *what, char *bytes, uint32_t size)
{
    bool text = lua_type(L, index) == LUA_TSTRING;
    struct ebpf_integer integer;
    enum ebpf_read read;

    if (text && compat_rawlen(L, index) == size) {
        memcpy(bytes, lua_tostring(L, index), size);
        return;
    }
    read = ebpf_integer_size(size) ? ebpf_read_integer(L, index, &integer) : EBPF_NO_INTEGER;
    if (read == EBPF_NO_INTEGER) {
        if (text)
            lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)compat_rawlen(L, index));
        else
            lua_pushfstring(L, "%s of %d bytes expected, got %s", what, (int)size, luaL_typename(L, index));
        luaL_argerror(L, index, lua_tostring(L, -1));
    }
    if (read == EBPF_TOO_LARGE || !ebpf_store_integer(bytes, &integer, size))
        luaL_argerror(L, index, lua_pushfstring(L, "%s does not fit %d bytes", what, (int)size));
}

void ebpf_element_push_value_at(lua_State *L, const struct ebpf_element *element, const char *bytes)
{
    const struct ebpf_map *map = &element->map;

    if (!ebpf_map_per_cpu(map->type)) {
        if (!ebpf_element_push_object(L, map, bytes))
            push_bytes(L, map->value_codec, bytes, map->value_size);
        return;
    }
    lua_createtable(L, (int)map->cpus, 0);
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        push_bytes(L, map->value_codec, bytes + (size_t)cpu * map->stride, map->value_size);
        lua_rawseti(L, -2, (int)cpu + 1);
    }
}

void ebpf_element_push_value(lua_State *L, const struct ebpf_element *element)
{
    ebpf_element_push_value_at(L, element, element->value);
}

static void check_one(lua_State *L, int index, const struct ebpf_element *element, const char *what, char *bytes,
                      int argument)
{
    const struct ebpf_map *map = &element->map;

    if (map->value_codec)
        ebpf_codec_check(L, index, map->value_codec, bytes, element->mask, what, argument);
    else
        check_bytes(L, index, "value", bytes, map->value_size);
}

void ebpf_element_check_value_at(lua_State *L, int index, const struct ebpf_element *element, char *bytes)
{
    const struct ebpf_map *map = &element->map;
    char what[32] = "value";

    if (!ebpf_map_per_cpu(map->type)) {
        if (!ebpf_element_check_object(L, index, map, bytes))
            check_one(L, index, element, what, bytes, index);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    if (compat_rawlen(L, index) != map->cpus)
        luaL_argerror(L, index, lua_pushfstring(L, "a list of %d values expected, one a CPU", (int)map->cpus));
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        snprintf(what, sizeof(what), "value[%u]", (unsigned)cpu + 1);
        lua_rawgeti(L, index, (int)cpu + 1);
        check_one(L, lua_gettop(L), element, what, bytes + (size_t)cpu * map->stride, index);
        lua_pop(L, 1);
    }
}

void ebpf_element_check_value(lua_State *L, int index, const struct ebpf_element *element)
{
    ebpf_element_check_value_at(L, index, element, element->value);
}

/* The text of an address or a prefix into an LPM trie's key. Its bytes can't be taken for such a text: the prefix length
 * comes first, and half of it at least is zero. */
static bool check_prefix(lua_State *L, int index, const struct ebpf_element *element, char *bytes)
{
    struct ebpf_prefix prefix;
    size_t length;
    const char *text = lua_tolstring(L, index, &length), *why;
    uint32_t size = element->map.key_size - sizeof(prefix.length);

    if (length == element->map.key_size && memchr(text, '\0', length))
        return false;
    why = ebpf_prefix_parse(text, length, &prefix);
    if (!why && prefix.size != size)
        why = size == 4 ? "it is an IPv6 address, and this trie's are IPv4"
                        : "it is an IPv4 address, and this trie's are IPv6";
    if (why)
        luaL_argerror(L, index, lua_pushfstring(L, "key '%s': %s", text, why));
    memcpy(bytes, &prefix.length, sizeof(prefix.length));
    memcpy(bytes + sizeof(prefix.length), prefix.address, size);
    return true;
}

void ebpf_element_check_key_at(lua_State *L, int index, const struct ebpf_element *element, char *bytes)
{
    const struct ebpf_map *map = &element->map;

    if (map->prefixes && lua_type(L, index) == LUA_TSTRING && check_prefix(L, index, element, bytes))
        return;
    if (ebpf_element_check_object_key(L, index, map, bytes))
        return;
    if (map->key_codec)
        ebpf_codec_check(L, index, map->key_codec, bytes, element->mask, "key", index);
    else if (map->key_size)
        check_bytes(L, index, "key", bytes, map->key_size);
}

void ebpf_element_check_key(lua_State *L, int index, const struct ebpf_element *element)
{
    ebpf_element_check_key_at(L, index, element, element->key);
}

/* What no trie of addresses holds is left as bytes. */
static bool push_prefix(lua_State *L, const struct ebpf_element *element, const char *bytes)
{
    struct ebpf_prefix prefix = {.size = element->map.key_size - sizeof(prefix.length)};

    memcpy(&prefix.length, bytes, sizeof(prefix.length));
    memcpy(prefix.address, bytes + sizeof(prefix.length), prefix.size);
    if (prefix.length > prefix.size * 8)
        return false;
    ebpf_prefix_push(L, &prefix);
    return true;
}

void ebpf_element_push_key_at(lua_State *L, const struct ebpf_element *element, const char *bytes)
{
    const struct ebpf_map *map = &element->map;

    if (!map->prefixes || !push_prefix(L, element, bytes))
        push_bytes(L, map->key_codec, bytes, map->key_size);
}

void ebpf_element_push_key(lua_State *L, const struct ebpf_element *element)
{
    ebpf_element_push_key_at(L, element, element->key);
}

/* The integers that a sum is of; their codec, if there is one, says whether they are signed. */
static bool is_integer(lua_State *L, const struct ebpf_map *map, bool *negative)
{
    const struct ebpf_codec *codec = map->value_codec;

    *negative = false;
    if (!codec)
        return ebpf_integer_size(map->value_size);
    ebpf_codec_expect(L, codec);
    *negative = codec->nodes[0].flags & EBPF_SIGNED;
    return codec->nodes[0].kind == EBPF_INTEGER && !(codec->nodes[0].flags & EBPF_NETWORK) &&
           ebpf_integer_size(map->value_size);
}

void ebpf_element_check_sum(lua_State *L, const struct ebpf_element *element)
{
    bool negative;

    if (!ebpf_map_per_cpu(element->map.type))
        luaL_error(L, "sum is over CPUs, and the map has one value a key");
    if (!is_integer(L, &element->map, &negative))
        luaL_error(L, "sum is of integers, and the map's values are none: %d bytes", (int)element->map.value_size);
}

void ebpf_element_push_sum_at(lua_State *L, const struct ebpf_element *element, const char *bytes)
{
    uint32_t size = element->map.value_size;
    unsigned unused = 64 - 8 * size;
    uint64_t sum = 0;
    bool negative;

    is_integer(L, &element->map, &negative);
    for (uint32_t cpu = 0; cpu < element->map.cpus; cpu++) {
        uint64_t value = ebpf_load_integer(bytes + (size_t)cpu * element->map.stride, size) << unused;

        sum += negative ? (uint64_t)((int64_t)value >> unused) : value >> unused;
    }
    if (negative)
        ebpf_push_s64(L, (int64_t)sum);
    else
        ebpf_push_u64(L, sum);
}

bool ebpf_opt_sum(lua_State *L, int index)
{
    bool sum = false;

    if (lua_isnoneornil(L, index))
        return false;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "sum") != 0)
            luaL_argerror(L, index, "the only option is sum");
        if (!lua_isboolean(L, -1))
            luaL_argerror(L, index, "sum is a boolean");
        sum = lua_toboolean(L, -1);
    }
    return sum;
}
