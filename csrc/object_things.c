/* Object: the programs, maps and sections of variables that are taken from it, by name.
 * No bpf(2) command.
 * Programs and maps own duplicates of libbpf's descriptors and outlive the Object. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "object.h"
#include "object_things.h"
#include "section.h"

static struct ebpf_object *check_loaded(lua_State *L)
{
    struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);

    if (!object->loaded)
        luaL_error(L, "object is not loaded: call load() first");
    return object;
}

/* A duplicate of fd as a handle; libbpf goes on owning fd. */
static int push_thing(lua_State *L, const struct ebpf_object *object, int fd, const char *name)
{
    struct ebpf_handle *guard;

    if (fd < 0)
        return ebpf_fail_why(L, ENOENT, "the file says not to load it by itself", "object", "%s: %s", object->name,
                             name);
    guard = ebpf_thing_guard(L);
    if (!ebpf_thing_take(L, guard, bpf_cmd_dup(fd)))
        return ebpf_fail(L, errno, "object", "%s: %s", object->name, name);
    return 1;
}

static const char *check_name(lua_State *L, int index)
{
    size_t length;
    const char *name = luaL_checklstring(L, index, &length);

    luaL_argcheck(L, strlen(name) == length, index, "a name has no NUL byte");
    return name;
}

/* program(name) -> program */
int ebpf_object_program(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    const char *name = check_name(L, 2);
    struct bpf_program *program = bpf_object__find_program_by_name(object->object, name);

    if (!program)
        return ebpf_fail_why(L, ENOENT, "there is no program of this name", "object", "%s: %s", object->name, name);
    return push_thing(L, object, bpf_program__fd(program), name);
}

static const uint32_t *types_of(const struct ebpf_object *object, const struct bpf_map *wanted)
{
    const uint32_t *types = object->map_types;
    const struct bpf_map *map;

    bpf_object__for_each_map(map, object->object)
    {
        if (map == wanted)
            break;
        types += 2;
    }
    return types;
}

/* The types of the map on the top, from the file: it knows some that libbpf does not give the kernel. */
static void take_types(lua_State *L, const struct bpf_map *source)
{
    struct ebpf_map *map = lua_touserdata(L, -1);
    struct ebpf_codec *codecs[2];
    const struct ebpf_object *object;
    const uint32_t *types;

    ebpf_map_new_codecs(L, lua_gettop(L), codecs);
    object = check_loaded(L);
    types = types_of(object, source);
    ebpf_map_layout(codecs, bpf_object__btf(object->object), types[0], types[1]);
    ebpf_map_use_codecs(L, map, codecs);
}

/* map(name) -> map */
int ebpf_object_map(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    const char *name = check_name(L, 2);
    struct bpf_map *map = bpf_object__find_map_by_name(object->object, name);

    if (!map)
        return ebpf_fail_why(L, ENOENT, "there is no map of this name", "object", "%s: %s", object->name, name);
    if (push_thing(L, object, bpf_map__fd(map), name) != 1)
        return 3;
    take_types(L, map);
    object = check_loaded(L);
    if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) {
        struct ebpf_map *handle = ebpf_handle_check(L, -1, &ebpf_map_class);

        handle->elf = ebpf_elf_keep(object->elf);
        handle->table = map;
    }
    return 1;
}

/* program_names() -> {name, …}, in the file's order: of those that are loaded */
int ebpf_object_program_names(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    struct bpf_program *program;
    int count = 0;

    lua_newtable(L);
    bpf_object__for_each_program(program, object->object)
    {
        if (bpf_program__fd(program) < 0)
            continue;
        lua_pushstring(L, bpf_program__name(program));
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* map_names() -> {name, …}, in the file's order: of those that are made */
int ebpf_object_map_names(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    struct bpf_map *map;
    int count = 0;

    lua_newtable(L);
    bpf_object__for_each_map(map, object->object)
    {
        if (bpf_map__fd(map) < 0)
            continue;
        lua_pushstring(L, bpf_map__name(map));
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* section(name) -> section, or nil */
int ebpf_object_section(lua_State *L)
{
    const char *name = check_name(L, 2);

    ebpf_handle_check(L, 1, &ebpf_object_class);
    ebpf_section_push(L, 1, name);
    return 1;
}
