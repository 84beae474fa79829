/* Map: a key-value store shared with programs. Keys and values of 1, 2, 4 and 8 bytes are integers, others byte strings.
 * Commands: MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_GET_NEXT_KEY, OBJ_GET_INFO_BY_FD.
 * The handle owns the map's descriptor and the memory that keys and values pass through. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "names.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

struct ebpf_map {
    struct ebpf_handle handle;
    uint32_t type, key_size, value_size, max_entries;
    uint32_t cpus;     /* values in one element: 1, or one a possible CPU */
    uint32_t stride;   /* bytes from one of them to the next */
    char *key, *value; /* scratch; one allocation, at key */
};

static struct ebpf_map *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_map_class);
}

static bool per_cpu(uint32_t type)
{
    return type == ABI_MAP_TYPE_PERCPU_HASH || type == ABI_MAP_TYPE_PERCPU_ARRAY ||
           type == ABI_MAP_TYPE_LRU_PERCPU_HASH || type == ABI_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

/* What the kernel copies for a per-CPU element is one value a *possible* CPU; the file reads "0-7" or "0,2-3". */
static uint32_t possible_cpus(void)
{
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    unsigned first, last, count = 0;
    int fields;

    if (!file)
        return 0;
    while ((fields = fscanf(file, "%u-%u", &first, &last)) > 0) {
        count += fields == 2 ? last - first + 1 : 1;
        if (fgetc(file) != ',')
            break;
    }
    fclose(file);
    return count;
}

int ebpf_map_learn(struct ebpf_handle *handle)
{
    struct ebpf_map *map = (struct ebpf_map *)handle;
    struct abi_map_info info = {0};
    uint32_t length = sizeof(info);

    if (bpf_cmd_info(handle->fd, &info, &length) < 0)
        return -1;
    handle->id = info.id;
    map->type = info.type;
    map->key_size = info.key_size;
    map->value_size = info.value_size;
    map->max_entries = info.max_entries;
    map->cpus = per_cpu(info.type) ? possible_cpus() : 1;
    map->stride = per_cpu(info.type) ? (info.value_size + 7) / 8 * 8 : info.value_size;
    if (map->cpus == 0) {
        errno = ENOENT;
        return -1;
    }
    map->key = calloc(1, (size_t)info.key_size + 1 + (size_t)map->stride * map->cpus);
    map->value = map->key ? map->key + info.key_size : NULL;
    return map->key ? 0 : -1;
}

static void map_release(struct ebpf_handle *handle)
{
    struct ebpf_map *map = (struct ebpf_map *)handle;

    free(map->key);
    map->key = map->value = NULL;
}

/* create(type, key_size, value_size, max_entries, name, flags) -> map */
static int map_create(lua_State *L)
{
    struct abi_map_create attr = {
        .map_type = ebpf_check_u32(L, 1),
        .key_size = ebpf_check_u32(L, 2),
        .value_size = ebpf_check_u32(L, 3),
        .max_entries = ebpf_check_u32(L, 4),
    };
    size_t length;
    const char *name = luaL_checklstring(L, 5, &length);
    struct ebpf_handle *handle;
    int fd;

    luaL_argcheck(L, length < ABI_OBJ_NAME_LEN, 5, "a map's name has at most 15 bytes");
    memcpy(attr.map_name, name, length);
    attr.map_flags = ebpf_opt_u32(L, 6, 0);
    handle = ebpf_handle_new(L, &ebpf_map_class, 0);
    fd = bpf_cmd_map_create(&attr);
    if (fd < 0)
        return ebpf_fail(L, errno, "map create", "%s", name);
    ebpf_handle_own(handle, fd);
    if (ebpf_map_learn(handle) < 0)
        return ebpf_fail(L, errno, "map create", "%s", name);
    return 1;
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

static void push_value(lua_State *L, const struct ebpf_map *map)
{
    if (!per_cpu(map->type)) {
        push_bytes(L, map->value, map->value_size);
        return;
    }
    lua_createtable(L, (int)map->cpus, 0);
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        push_bytes(L, map->value + (size_t)cpu * map->stride, map->value_size);
        lua_rawseti(L, -2, (int)cpu + 1);
    }
}

static void check_value(lua_State *L, int index, const struct ebpf_map *map)
{
    if (!per_cpu(map->type)) {
        check_bytes(L, index, "value", map->value, map->value_size);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    if (compat_rawlen(L, index) != map->cpus)
        luaL_argerror(L, index, lua_pushfstring(L, "a list of %d values expected, one a CPU", (int)map->cpus));
    for (uint32_t cpu = 0; cpu < map->cpus; cpu++) {
        lua_rawgeti(L, index, (int)cpu + 1);
        check_bytes(L, lua_gettop(L), "value", map->value + (size_t)cpu * map->stride, map->value_size);
        lua_pop(L, 1);
    }
}

static int fail_on(lua_State *L, struct ebpf_map *map, const char *operation)
{
    int error = errno;

    return ebpf_fail(L, error, operation, "%u", ebpf_handle_id(&map->handle));
}

/* get(key) -> value; nothing but nil when there is no such key */
static int map_get(lua_State *L)
{
    struct ebpf_map *map = check(L);

    check_bytes(L, 2, "key", map->key, map->key_size);
    if (bpf_cmd_map_lookup(map->handle.fd, map->key, map->value) == 0) {
        push_value(L, map);
        return 1;
    }
    if (errno != ENOENT)
        return fail_on(L, map, "map get");
    lua_pushnil(L);
    return 1;
}

/* set(key, value, "any" | "noexist" | "exist") -> true */
static int map_set(lua_State *L)
{
    static const char *const names[] = {"any", "noexist", "exist", NULL};
    struct ebpf_map *map = check(L);
    int flags = luaL_checkoption(L, 4, "any", names);

    check_bytes(L, 2, "key", map->key, map->key_size);
    check_value(L, 3, map);
    if (bpf_cmd_map_update(map->handle.fd, map->key, map->value, (uint64_t)flags) < 0)
        return fail_on(L, map, "map set");
    lua_pushboolean(L, 1);
    return 1;
}

/* delete(key) -> true, or false when there was none */
static int map_delete(lua_State *L)
{
    struct ebpf_map *map = check(L);
    int result;

    check_bytes(L, 2, "key", map->key, map->key_size);
    result = bpf_cmd_map_delete(map->handle.fd, map->key);
    if (result < 0 && errno != ENOENT)
        return fail_on(L, map, "map delete");
    lua_pushboolean(L, result == 0);
    return 1;
}

/* next_key(map, key | nil) -> key; nil at the end */
static int map_next_key(lua_State *L)
{
    struct ebpf_map *map = check(L);
    bool first = lua_isnoneornil(L, 2);

    if (!first)
        check_bytes(L, 2, "key", map->key, map->key_size);
    if (bpf_cmd_map_next_key(map->handle.fd, first ? NULL : map->key, map->key) == 0) {
        push_bytes(L, map->key, map->key_size);
        return 1;
    }
    if (errno != ENOENT)
        return fail_on(L, map, "map each");
    lua_pushnil(L);
    return 1;
}

/* info() -> {id=, type=, name=, key_size=, value_size=, max_entries=, flags=, …} */
static int map_info(lua_State *L)
{
    struct ebpf_map *map = check(L);
    struct abi_map_info info = {0};
    uint32_t length = sizeof(info);

    if (bpf_cmd_info(map->handle.fd, &info, &length) < 0)
        return fail_on(L, map, "map info");
    lua_createtable(L, 0, 9);
    ebpf_push_name(L, EBPF_MAP_TYPE, info.type);
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, info.name, strnlen(info.name, sizeof(info.name)));
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, (lua_Integer)info.id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, (lua_Integer)info.key_size);
    lua_setfield(L, -2, "key_size");
    lua_pushinteger(L, (lua_Integer)info.value_size);
    lua_setfield(L, -2, "value_size");
    lua_pushinteger(L, (lua_Integer)info.max_entries);
    lua_setfield(L, -2, "max_entries");
    lua_pushinteger(L, (lua_Integer)info.map_flags);
    lua_setfield(L, -2, "flags");
    lua_pushinteger(L, (lua_Integer)info.btf_id);
    lua_setfield(L, -2, "btf_id");
    return 1;
}

static int map_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->handle.id);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", map_get}, {"set", map_set}, {"delete", map_delete}, {"info", map_info}, {"id", map_id}, {NULL, NULL},
};

const struct ebpf_class ebpf_map_class = {
    .name = "ebpf.map",
    .size = sizeof(struct ebpf_map),
    .methods = methods,
    .release = map_release,
};

int ebpf_open_map(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, map_create);
    lua_setfield(L, -2, "create");
    lua_pushcfunction(L, map_next_key);
    lua_setfield(L, -2, "next_key");
    ebpf_things_functions(L, &ebpf_map_class);
    ebpf_class_open(L, &ebpf_map_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
