/* One element of a map: read, written, deleted, taken; queues, stacks and Bloom filters have no keys.
 * Commands: MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_LOOKUP_AND_DELETE_ELEM.
 * Nothing is owned. */
#include <endian.h>
#include <errno.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "names.h"
#include "numbers.h"

static int fail_on(lua_State *L, const struct ebpf_element *element, const char *operation)
{
    return ebpf_fail(L, errno, operation, "%u", element->map.handle.id);
}

/* The value that a call has put into the element, nil alone if there was none, or the failure. */
static int answer(lua_State *L, const struct ebpf_element *element, int result, const char *operation, bool sum)
{
    if (result < 0 && errno != ENOENT)
        return fail_on(L, element, operation);
    if (result < 0)
        lua_pushnil(L);
    else if (sum)
        ebpf_element_push_sum_at(L, element, element->value);
    else
        ebpf_element_push_value(L, element);
    return 1;
}

/* Maps of numbers are what is read and written most often, and the way of all others takes longer than the kernel's part.
 * Their elements are in the first bytes of a word; `unused` is what it has beside, where the most significant come first. */
static inline unsigned unused(uint32_t size)
{
    return BYTE_ORDER == BIG_ENDIAN ? 64 - 8 * size : 0;
}

/* A whole number that is the same in bytes of either sign. All else goes the long way, which also knows what to say. */
static inline bool take_number(lua_State *L, int index, uint64_t *word, uint32_t size)
{
    uint64_t number;

    if (lua_type(L, index) != LUA_TNUMBER || !ebpf_whole_number(L, index, &number) || number >> (size * 8 - 1))
        return false;
    *word = number << unused(size);
    return true;
}

static int get_any(lua_State *L)
{
    struct ebpf_element element;
    bool sum;

    lua_settop(L, 3);
    sum = ebpf_opt_sum(L, 3);
    ebpf_element_begin(L, 1, &element);
    if (sum)
        ebpf_element_check_sum(L, &element);
    ebpf_element_check_key(L, 2, &element);
    return answer(L, &element, bpf_cmd_map_lookup(element.map.handle.fd, ebpf_element_key(&element), element.value),
                  "map get", sum);
}

/* get(key, {sum = boolean}) -> value; nothing but nil when there is no such key */
static int map_get(lua_State *L)
{
    const struct ebpf_map *map = ebpf_handle_check(L, 1, &ebpf_map_class);
    uint64_t key, value = 0;

    if (!map->numbers || lua_gettop(L) != 2 || !take_number(L, 2, &key, map->key_size))
        return get_any(L);
    if (bpf_cmd_map_lookup(map->handle.fd, &key, &value) == 0)
        ebpf_push_u64(L, value >> unused(map->value_size));
    else if (errno == ENOENT)
        lua_pushnil(L);
    else
        return ebpf_fail(L, errno, "map get", "%u", map->handle.id);
    return 1;
}

static int set_any(lua_State *L)
{
    static const char *const names[] = {"any", "noexist", "exist", NULL};
    struct ebpf_element element;
    int flags;

    lua_settop(L, 4);
    flags = lua_isnil(L, 4) ? 0 : luaL_checkoption(L, 4, NULL, names);
    ebpf_element_begin(L, 1, &element);
    ebpf_element_check_key(L, 2, &element);
    ebpf_element_check_value(L, 3, &element);
    if (bpf_cmd_map_update(element.map.handle.fd, ebpf_element_key(&element), element.value, (uint64_t)flags) < 0)
        return fail_on(L, &element, "map set");
    lua_pushboolean(L, 1);
    return 1;
}

/* set(key, value, "any" | "noexist" | "exist") -> true */
static int map_set(lua_State *L)
{
    const struct ebpf_map *map = ebpf_handle_check(L, 1, &ebpf_map_class);
    uint64_t key, value;

    if (!map->numbers || lua_gettop(L) != 3 || !take_number(L, 2, &key, map->key_size) ||
        !take_number(L, 3, &value, map->value_size))
        return set_any(L);
    if (bpf_cmd_map_update(map->handle.fd, &key, &value, ABI_ANY) < 0)
        return ebpf_fail(L, errno, "map set", "%u", map->handle.id);
    lua_pushboolean(L, 1);
    return 1;
}

/* delete(key) -> true, or false when there was none */
static int map_delete(lua_State *L)
{
    struct ebpf_element element;
    int result;

    lua_settop(L, 2);
    ebpf_element_begin(L, 1, &element);
    ebpf_element_check_key(L, 2, &element);
    result = bpf_cmd_map_delete(element.map.handle.fd, ebpf_element_key(&element));
    if (result < 0 && errno != ENOENT)
        return fail_on(L, &element, "map delete");
    lua_pushboolean(L, result == 0);
    return 1;
}

/* get_and_delete(key, {sum = boolean}) -> value; nothing but nil when there is no such key */
static int map_get_and_delete(lua_State *L)
{
    struct ebpf_element element;
    bool sum;

    lua_settop(L, 3);
    sum = ebpf_opt_sum(L, 3);
    ebpf_element_begin(L, 1, &element);
    if (sum)
        ebpf_element_check_sum(L, &element);
    ebpf_element_check_key(L, 2, &element);
    return answer(L, &element,
                  bpf_cmd_map_lookup_and_delete(element.map.handle.fd, ebpf_element_key(&element), element.value),
                  "map get_and_delete", sum);
}

/* The kernel's own errno for such calls means anything and nothing: EINVAL, ENOTSUPP, EFAULT. */
static void begin_keyless(lua_State *L, struct ebpf_element *element, const char *method, bool queue, bool bloom)
{
    const char *name;
    uint32_t type;

    ebpf_element_begin(L, 1, element);
    type = element->map.type;
    if ((queue && (type == ABI_MAP_TYPE_QUEUE || type == ABI_MAP_TYPE_STACK)) ||
        (bloom && type == ABI_MAP_TYPE_BLOOM_FILTER))
        return;
    name = ebpf_name(EBPF_MAP_TYPE, type);
    luaL_error(L, "%s is for maps of type %s, and this one is of type %s", method,
               !bloom  ? "queue and stack"
               : queue ? "queue, stack and bloom_filter"
                       : "bloom_filter",
               name ? name : "unknown");
}

/* push(value, "any" | "exist") -> true; with "exist" a full queue or stack loses its oldest */
static int map_push(lua_State *L)
{
    static const char *const names[] = {"any", "exist", NULL};
    struct ebpf_element element;
    int when;

    lua_settop(L, 3);
    when = luaL_checkoption(L, 3, "any", names);
    begin_keyless(L, &element, "push", true, true);
    ebpf_element_check_value(L, 2, &element);
    if (bpf_cmd_map_update(element.map.handle.fd, NULL, element.value, when ? ABI_EXIST : ABI_ANY) < 0)
        return fail_on(L, &element, "map push");
    lua_pushboolean(L, 1);
    return 1;
}

/* pop() -> value; nothing but nil when it is empty */
static int map_pop(lua_State *L)
{
    struct ebpf_element element;

    begin_keyless(L, &element, "pop", true, false);
    return answer(L, &element, bpf_cmd_map_lookup_and_delete(element.map.handle.fd, NULL, element.value), "map pop",
                  false);
}

/* peek() -> value that pop would give; nothing but nil when it is empty */
static int map_peek(lua_State *L)
{
    struct ebpf_element element;

    begin_keyless(L, &element, "peek", true, false);
    return answer(L, &element, bpf_cmd_map_lookup(element.map.handle.fd, NULL, element.value), "map peek", false);
}

/* has(value) -> boolean: a Bloom filter's false is certain */
static int map_has(lua_State *L)
{
    struct ebpf_element element;
    int result;

    lua_settop(L, 2);
    begin_keyless(L, &element, "has", false, true);
    ebpf_element_check_value(L, 2, &element);
    result = bpf_cmd_map_lookup(element.map.handle.fd, NULL, element.value);
    if (result < 0 && errno != ENOENT)
        return fail_on(L, &element, "map has");
    lua_pushboolean(L, result == 0);
    return 1;
}

const luaL_Reg ebpf_map_access[] = {
    {"get", map_get},   {"set", map_set}, {"delete", map_delete}, {"get_and_delete", map_get_and_delete},
    {"push", map_push}, {"pop", map_pop}, {"peek", map_peek},     {"has", map_has},
    {NULL, NULL},
};
