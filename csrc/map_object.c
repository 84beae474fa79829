/* Objects in elements: where a map's type says that a value, or a key, is the descriptor of a program, map or cgroup,
 * such an object is taken for it; and devices and CPUs may come with a program.
 * No bpf(2) command.
 * Nothing is owned: the kernel keeps what it was given until the element goes. */
#include <string.h>

#include "bpf_abi.h"
#include "map.h"
#include "numbers.h"

/* What a type holds. Reading gives ids where the kernel lets one read: a number is refused then, since it would be
 * taken for a descriptor. */
static const struct {
    uint32_t type;
    const struct ebpf_class *class;
    bool gives_ids;
} values[] = {
    {ABI_MAP_TYPE_PROG_ARRAY, &ebpf_program_class, true},
    {ABI_MAP_TYPE_ARRAY_OF_MAPS, &ebpf_map_class, true},
    {ABI_MAP_TYPE_HASH_OF_MAPS, &ebpf_map_class, true},
    {ABI_MAP_TYPE_CGROUP_ARRAY, &ebpf_cgroup_class, false},
};

/* struct bpf_devmap_val and bpf_cpumap_val: a number, and a program (its descriptor in, its id out) */
static const struct {
    uint32_t type;
    const char *number;
} targets[] = {
    {ABI_MAP_TYPE_DEVMAP, "ifindex"},
    {ABI_MAP_TYPE_DEVMAP_HASH, "ifindex"},
    {ABI_MAP_TYPE_CPUMAP, "queue_size"},
};

enum { VALUES = sizeof(values) / sizeof(*values), TARGETS = sizeof(targets) / sizeof(*targets), TARGET_SIZE = 8 };

/* The view without types gives and takes the numbers as they are. */
static bool is_raw(const struct ebpf_map *map)
{
    return map->handle.borrowed;
}

static const char *target_number(const struct ebpf_map *map)
{
    for (int i = 0; i < TARGETS && !is_raw(map); i++)
        if (targets[i].type == map->type && map->value_size == TARGET_SIZE)
            return targets[i].number;
    return NULL;
}

static void store(char *bytes, int fd)
{
    memcpy(bytes, &fd, sizeof(fd));
}

/* A number, or {ifindex = number, program = Program}. */
static void check_target(lua_State *L, int index, const char *name, char *bytes)
{
    uint64_t number = 0;
    const struct ebpf_handle *program = NULL;
    bool given = ebpf_test_u64(L, index, &number);

    if (!given)
        luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); !given && lua_next(L, index); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

        if (strcmp(key, "program") == 0)
            program = ebpf_handle_test(L, -1, &ebpf_program_class);
        if (strcmp(key, "program") == 0 ? !program : strcmp(key, name) != 0 || !ebpf_test_u64(L, -1, &number))
            luaL_argerror(L, index, lua_pushfstring(L, "{%s = number, program = Program} expected", name));
    }
    if (number > UINT32_MAX)
        luaL_argerror(L, index, lua_pushfstring(L, "%s does not fit 4 bytes", name));
    store(bytes, (int)(uint32_t)number);
    store(bytes + 4, program ? program->fd : 0);
}

bool ebpf_element_check_object(lua_State *L, int index, const struct ebpf_map *map, char *bytes)
{
    const char *target = target_number(map);

    if (target && lua_type(L, index) != LUA_TSTRING) {
        check_target(L, index, target, bytes);
        return true;
    }
    for (int i = 0; i < VALUES && !is_raw(map); i++) {
        if (values[i].type != map->type)
            continue;
        if (lua_isuserdata(L, index)) {
            store(bytes, ((struct ebpf_handle *)ebpf_handle_check(L, index, values[i].class))->fd);
            return true;
        }
        if (values[i].gives_ids && lua_type(L, index) == LUA_TNUMBER)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "%s expected, got number: what is read is an id, open it first",
                                          ebpf_class_word(values[i].class)));
    }
    return false;
}

bool ebpf_element_check_object_key(lua_State *L, int index, const struct ebpf_map *map, char *bytes)
{
    if (is_raw(map) || map->type != ABI_MAP_TYPE_CGRP_STORAGE || !lua_isuserdata(L, index))
        return false;
    store(bytes, ((struct ebpf_handle *)ebpf_handle_check(L, index, &ebpf_cgroup_class))->fd);
    return true;
}

bool ebpf_element_push_object(lua_State *L, const struct ebpf_map *map, const char *bytes)
{
    const char *target = target_number(map);

    if (!target)
        return false;
    lua_createtable(L, 0, 2);
    ebpf_push_integer(L, bytes, 4);
    lua_setfield(L, -2, target);
    if (ebpf_load_integer(bytes + 4, 4) != 0) {
        ebpf_push_integer(L, bytes + 4, 4);
        lua_setfield(L, -2, "program_id");
    }
    return true;
}
