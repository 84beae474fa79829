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

const char *ebpf_element_key(const struct ebpf_element *element)
{
    return element->map.key_size ? element->key : NULL;
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
    uint64_t value;

    if (text && compat_rawlen(L, index) == size) {
        memcpy(bytes, lua_tostring(L, index), size);
        return;
    }
    if (!ebpf_integer_size(size) || !ebpf_test_u64(L, index, &value)) {
        if (text)
            lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)compat_rawlen(L, index));
        else
            lua_pushfstring(L, "%s of %d bytes expected, got %s", what, (int)size, luaL_typename(L, index));
        luaL_argerror(L, index, lua_tostring(L, -1));
    }
    if (!ebpf_store_integer(bytes, value, size))
        luaL_argerror(L, index, lua_pushfstring(L, "%s does not fit %d bytes", what, (int)size));
}

void ebpf_element_push_value(lua_State *L, const struct ebpf_element *element)
{
    const struct ebpf_map *map = &element->map;

    if (!ebpf_map_per_cpu(map->type)) {
        push_bytes(L, map->value_codec, element->value, map->value_size);
        return;
    }
    lua_createtable(L, (int)map->cpus, 0);
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        push_bytes(L, map->value_codec, element->value + (size_t)cpu * map->stride, map->value_size);
        lua_rawseti(L, -2, (int)cpu + 1);
    }
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

void ebpf_element_check_value(lua_State *L, int index, const struct ebpf_element *element)
{
    const struct ebpf_map *map = &element->map;
    char what[32] = "value";

    if (!ebpf_map_per_cpu(map->type)) {
        check_one(L, index, element, what, element->value, index);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    if (compat_rawlen(L, index) != map->cpus)
        luaL_argerror(L, index, lua_pushfstring(L, "a list of %d values expected, one a CPU", (int)map->cpus));
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        snprintf(what, sizeof(what), "value[%u]", (unsigned)cpu + 1);
        lua_rawgeti(L, index, (int)cpu + 1);
        check_one(L, lua_gettop(L), element, what, element->value + (size_t)cpu * map->stride, index);
        lua_pop(L, 1);
    }
}

/* The text of an address or a prefix into an LPM trie's key. Its bytes can't be taken for such a text: the prefix length
 * comes first, and half of it at least is zero. */
static bool check_prefix(lua_State *L, int index, const struct ebpf_element *element)
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
    memcpy(element->key, &prefix.length, sizeof(prefix.length));
    memcpy(element->key + sizeof(prefix.length), prefix.address, size);
    return true;
}

void ebpf_element_check_key(lua_State *L, int index, const struct ebpf_element *element)
{
    const struct ebpf_map *map = &element->map;

    if (map->prefixes && lua_type(L, index) == LUA_TSTRING && check_prefix(L, index, element))
        return;
    if (map->key_codec)
        ebpf_codec_check(L, index, map->key_codec, element->key, element->mask, "key", index);
    else if (map->key_size)
        check_bytes(L, index, "key", element->key, map->key_size);
}

/* What no trie of addresses holds is left as bytes. */
static bool push_prefix(lua_State *L, const struct ebpf_element *element)
{
    struct ebpf_prefix prefix = {.size = element->map.key_size - sizeof(prefix.length)};

    memcpy(&prefix.length, element->key, sizeof(prefix.length));
    memcpy(prefix.address, element->key + sizeof(prefix.length), prefix.size);
    if (prefix.length > prefix.size * 8)
        return false;
    ebpf_prefix_push(L, &prefix);
    return true;
}

void ebpf_element_push_key(lua_State *L, const struct ebpf_element *element)
{
    const struct ebpf_map *map = &element->map;

    if (!map->prefixes || !push_prefix(L, element))
        push_bytes(L, map->key_codec, element->key, map->key_size);
}
