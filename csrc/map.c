/* Map: a key-value store shared with programs. Keys and values of 1, 2, 4 and 8 bytes are integers, others byte strings.
 * Commands: MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_GET_NEXT_KEY, OBJ_GET_INFO_BY_FD.
 * The handle owns the map's descriptor, and of a struct_ops a share in the Object's memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "names.h"
#include "numbers.h"
#include "object.h"
#include "modules.h"

static struct ebpf_map *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_map_class);
}

bool ebpf_map_per_cpu(uint32_t type)
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
    map->btf_id = info.btf_id;
    map->key_type = info.btf_key_type_id;
    map->value_type = info.btf_value_type_id;
    map->prefixes = info.type == ABI_MAP_TYPE_LPM_TRIE && (info.key_size == 8 || info.key_size == 20);
    map->types_known = info.btf_id == 0;
    map->cpus = ebpf_map_per_cpu(info.type) ? possible_cpus() : 1;
    map->stride = ebpf_map_per_cpu(info.type) ? (info.value_size + 7) / 8 * 8 : info.value_size;
    if (map->cpus == 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return 0;
}

/* create(type, key_size, value_size, max_entries, name, flags, token) -> map */
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
    int token = ebpf_opt_token(L, 7);
    struct ebpf_handle *handle;
    int fd;

    luaL_argcheck(L, length < ABI_OBJ_NAME_LEN, 5, "a map's name has at most 15 bytes");
    memcpy(attr.map_name, name, length);
    attr.map_flags = ebpf_opt_u32(L, 6, 0);
    if (token >= 0) {
        attr.map_flags |= ABI_F_TOKEN_FD;
        attr.map_token_fd = token;
    }
    handle = ebpf_handle_new(L, &ebpf_map_class, 0);
    fd = bpf_cmd_map_create(&attr);
    if (fd < 0 && errno == EPERM && token >= 0)
        return ebpf_fail_why(L, EPERM, ebpf_token_refuses, "map create", "%s", name);
    if (fd < 0)
        return ebpf_fail(L, errno, "map create", "%s", name);
    ebpf_handle_own(handle, fd);
    if (ebpf_map_learn(handle) == 0)
        return 1;
    fd = errno;
    ebpf_handle_close(handle);
    return ebpf_fail(L, fd, "map create", "%s", name);
}

static int fail_on(lua_State *L, const struct ebpf_element *element, const char *operation)
{
    return ebpf_fail(L, errno, operation, "%u", element->map.handle.id);
}

/* get(key) -> value; nothing but nil when there is no such key */
static int map_get(lua_State *L)
{
    struct ebpf_element element;

    lua_settop(L, 2);
    ebpf_element_begin(L, 1, &element);
    ebpf_element_check_key(L, 2, &element);
    if (bpf_cmd_map_lookup(element.map.handle.fd, ebpf_element_key(&element), element.value) == 0) {
        ebpf_element_push_value(L, &element);
        return 1;
    }
    if (errno != ENOENT)
        return fail_on(L, &element, "map get");
    lua_pushnil(L);
    return 1;
}

/* set(key, value, "any" | "noexist" | "exist") -> true */
static int map_set(lua_State *L)
{
    static const char *const names[] = {"any", "noexist", "exist", NULL};
    struct ebpf_element element;
    int flags;

    lua_settop(L, 4);
    flags = luaL_checkoption(L, 4, "any", names);
    ebpf_element_begin(L, 1, &element);
    ebpf_element_check_key(L, 2, &element);
    ebpf_element_check_value(L, 3, &element);
    if (bpf_cmd_map_update(element.map.handle.fd, ebpf_element_key(&element), element.value, (uint64_t)flags) < 0)
        return fail_on(L, &element, "map set");
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

/* next_key(map, key | nil) -> key; nil at the end */
static int map_next_key(lua_State *L)
{
    struct ebpf_element element;
    bool first = lua_isnoneornil(L, 2);

    lua_settop(L, 2);
    ebpf_element_begin(L, 1, &element);
    if (!first)
        ebpf_element_check_key(L, 2, &element);
    if (bpf_cmd_map_next_key(element.map.handle.fd, first ? NULL : element.key, element.key) == 0) {
        ebpf_element_push_key(L, &element);
        return 1;
    }
    if (errno != ENOENT)
        return fail_on(L, &element, "map each");
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
        return ebpf_fail(L, errno, "map info", "%u", map->handle.id);
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
    {"get", map_get}, {"set", map_set},          {"delete", map_delete}, {"info", map_info},
    {"id", map_id},   {"codec", ebpf_map_codec}, {NULL, NULL},
};

static void map_release(struct ebpf_handle *handle)
{
    struct ebpf_map *map = (struct ebpf_map *)handle;

    ebpf_map_close_raw(handle);
    ebpf_elf_drop(map->elf);
    map->elf = NULL;
    map->table = NULL;
}

/* A method, or the field `raw`. */
static int map_index(lua_State *L)
{
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (!lua_isnil(L, -1) || lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "raw") != 0)
        return 1;
    return ebpf_map_raw(L);
}

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
    luaL_getmetatable(L, ebpf_map_class.name);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, map_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_setfield(L, -2, "methods");
    return 1;
}
