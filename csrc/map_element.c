/* Elements of maps: keys and values between Lua and the bytes that the kernel copies.
 * No bpf(2) command.
 * Nothing is owned: the bytes are in the call's own frame, or in a userdata on its stack. */
#include <string.h>

#include "map.h"
#include "numbers.h"

/* The map is looked at after the last allocation: whatever a finalizer did to it is seen. */
void ebpf_element_begin(lua_State *L, int index, struct ebpf_element *element)
{
    const struct ebpf_map *map = ebpf_handle_check(L, index, &ebpf_map_class);
    size_t size = (size_t)map->key_size + (size_t)map->stride * map->cpus;

    element->key = size <= sizeof(element->room) ? element->room : compat_newuserdata(L, size);
    memset(element->key, 0, size);
    element->value = element->key + map->key_size;
    element->map = *(struct ebpf_map *)ebpf_handle_check(L, index, &ebpf_map_class);
}

const char *ebpf_element_key(const struct ebpf_element *element)
{
    return element->map.key_size ? element->key : NULL;
}

static void push_bytes(lua_State *L, const char *bytes, uint32_t size)
{
    if (ebpf_integer_size(size))
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
        push_bytes(L, element->value, map->value_size);
        return;
    }
    lua_createtable(L, (int)map->cpus, 0);
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        push_bytes(L, element->value + (size_t)cpu * map->stride, map->value_size);
        lua_rawseti(L, -2, (int)cpu + 1);
    }
}

void ebpf_element_check_value(lua_State *L, int index, const struct ebpf_element *element)
{
    const struct ebpf_map *map = &element->map;

    if (!ebpf_map_per_cpu(map->type)) {
        check_bytes(L, index, "value", element->value, map->value_size);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    if (compat_rawlen(L, index) != map->cpus)
        luaL_argerror(L, index, lua_pushfstring(L, "a list of %d values expected, one a CPU", (int)map->cpus));
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        lua_rawgeti(L, index, (int)cpu + 1);
        check_bytes(L, lua_gettop(L), "value", element->value + (size_t)cpu * map->stride, map->value_size);
        lua_pop(L, 1);
    }
}

void ebpf_element_check_key(lua_State *L, int index, const struct ebpf_element *element)
{
    if (element->map.key_size)
        check_bytes(L, index, "key", element->key, element->map.key_size);
}

void ebpf_element_push_key(lua_State *L, const struct ebpf_element *element)
{
    push_bytes(L, element->key, element->map.key_size);
}
