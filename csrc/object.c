/* Object: an ELF file with BPF programs and maps, opened, relocated and loaded by libbpf.
 * No bpf(2) command of ours: libbpf makes them.
 * The handle owns the bpf_object, with what else must keep it: see object.h. What is taken from it: object_things.c. */
#include <bpf/libbpf.h>
#include <bpf/libbpf_version.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "log.h"
#include "modules.h"
#include "object.h"
#include "object_things.h"
#include "section.h"
#include "things.h"

static struct ebpf_object *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_object_class);
}

static const char no_token[] = "tokens need libbpf 1.5, and this was built with an older one";

/* libbpf gets a token of its own, from the bpffs that ours is from. */
static bool set_token(struct bpf_object_open_opts *options, const char *path)
{
#if LIBBPF_MAJOR_VERSION > 1 || (LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION >= 5)
    options->bpf_token_path = path;
    return true;
#else
    (void)options;
    (void)path;
    return false;
#endif
}

static int keep_target(struct ebpf_object *object, int fd)
{
    int *targets = realloc(object->targets, sizeof(*targets) * (size_t)(object->target_count + 1));
    int target = targets ? bpf_cmd_dup(fd) : -1;

    if (targets)
        object->targets = targets;
    if (target >= 0)
        targets[object->target_count++] = target;
    return target;
}

static void drop_targets(struct ebpf_object *object)
{
    for (int i = 0; i < object->target_count; i++)
        close(object->targets[i]);
    free(object->targets);
    object->targets = NULL;
    object->target_count = 0;
}

struct ebpf_elf *ebpf_elf_keep(struct ebpf_elf *elf)
{
    elf->users++;
    return elf;
}

void ebpf_elf_drop(struct ebpf_elf *elf)
{
    if (!elf || --elf->users > 0)
        return;
    bpf_object__close(elf->object);
    free(elf);
}

/* open(path | nil, bytes | nil, name | nil, pin_root | nil) -> object */
static int object_open(lua_State *L)
{
    const char *token_path = luaL_optstring(L, 5, NULL);
    const char *path = luaL_optstring(L, 1, NULL);
    size_t size = 0;
    const char *bytes = lua_isnoneornil(L, 2) ? NULL : luaL_checklstring(L, 2, &size);
    const char *name = luaL_optstring(L, 3, NULL);
    const char *shown = path ? path : name ? name : "object";
    struct ebpf_object *object = ebpf_handle_new(L, &ebpf_object_class, strlen(shown) + 1);
    struct ebpf_log log = {0};
    struct bpf_object_open_opts options = {
        .sz = sizeof(options),
        .object_name = name,
        .pin_root_path = luaL_optstring(L, 4, NULL),
    };

    strcpy(object->name, shown);
    if (token_path && !set_token(&options, token_path))
        return ebpf_fail_why(L, ENOTSUP, no_token, "object open", "%s", shown);
    object->elf = calloc(1, sizeof(*object->elf));
    if (!object->elf)
        return ebpf_fail(L, ENOMEM, "object open", "%s", shown);
    ebpf_log_begin(&log);
    object->object = bytes ? bpf_object__open_mem(bytes, size, &options) : bpf_object__open_file(path, &options);
    ebpf_log_end();
    if (!object->object) {
        int error = errno;

        free(object->elf);
        object->elf = NULL;
        return ebpf_log_fail(L, error, &log, "object open", shown);
    }
    object->elf->object = object->object;
    ebpf_elf_keep(object->elf);
    ebpf_handle_own(object, -1);
    free(log.text);
    return 1;
}

/* What the file says of its maps' types. libbpf forgets it as it loads, of types of maps that the kernel takes no BTF for:
 * queues, stacks, sockmaps, maps of maps … False: memory is out. */
static bool note_types(struct ebpf_object *object)
{
    const struct bpf_map *map;
    size_t count = 0;

    bpf_object__for_each_map(map, object->object) count++;
    if (!object->map_types)
        object->map_types = calloc(count + 1, 2 * sizeof(*object->map_types));
    if (!object->map_types)
        return false;
    count = 0;
    bpf_object__for_each_map(map, object->object)
    {
        object->map_types[count++] = bpf_map__btf_key_type_id(map);
        object->map_types[count++] = bpf_map__btf_value_type_id(map);
    }
    return true;
}

/* load() -> true; a second time too */
static int object_load(lua_State *L)
{
    struct ebpf_object *object = check(L);
    struct ebpf_log log = {0};
    int result = 0;

    if (object->elf->failed)
        return ebpf_fail_why(L, EINVAL, "it could not be loaded before, and is tried once: open it anew", "object load",
                             "%s", object->name);
    if (!object->loaded) {
        if (!note_types(object))
            return ebpf_fail(L, ENOMEM, "object load", "%s", object->name);
        ebpf_log_begin(&log);
        result = bpf_object__load(object->object);
        ebpf_log_end();
    }
    object->elf->failed = result < 0;
    if (result < 0)
        return ebpf_log_fail(L, -result, &log, "object load", object->name);
    free(log.text);
    object->loaded = true;
    drop_targets(object);
    ebpf_section_settle(L, 1);
    lua_pushboolean(L, 1);
    return 1;
}

/* set_target(object, name, target, function) -> true; before load: what the named program will extend */
static int object_set_target(lua_State *L)
{
    struct ebpf_object *object = check(L);
    const char *name = luaL_checkstring(L, 2);
    struct ebpf_handle *target = ebpf_handle_check(L, 3, &ebpf_program_class);
    const char *function = luaL_checkstring(L, 4);
    struct bpf_program *program = bpf_object__find_program_by_name(object->object, name);
    struct ebpf_log log = {0};
    int fd, result;

    if (!program)
        return ebpf_fail_why(L, ENOENT, "there is no program of this name", "object", "%s: %s", object->name, name);
    fd = keep_target(object, target->fd);
    if (fd < 0)
        return ebpf_fail(L, errno, "object", "%s: %s", object->name, name);
    ebpf_log_begin(&log);
    result = bpf_program__set_attach_target(program, fd, function);
    ebpf_log_end();
    if (result < 0)
        return ebpf_log_fail(L, -result, &log, "object target", function);
    free(log.text);
    lua_pushboolean(L, 1);
    return 1;
}

static void object_release(struct ebpf_handle *handle)
{
    struct ebpf_object *object = (struct ebpf_object *)handle;

    drop_targets(object);
    free(object->map_types);
    ebpf_elf_drop(object->elf);
    object->map_types = NULL;
    object->elf = NULL;
    object->object = NULL;
}

static void object_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct ebpf_object *)handle)->name);
}

static const luaL_Reg methods[] = {
    {"load", object_load}, {"program", ebpf_object_program}, {"map", ebpf_object_map}, {"section", ebpf_object_section},
    {NULL, NULL},
};

/* A method, or the Section of variables of that name. */
static int object_index(lua_State *L)
{
    static const char *const names[] = {".bss", ".data", ".rodata", ".kconfig"};

    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (!lua_isnil(L, -1) || lua_type(L, 2) != LUA_TSTRING)
        return 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(lua_tostring(L, 2), names[i] + 1) != 0)
            continue;
        check(L);
        ebpf_section_push(L, 1, names[i]);
        return 1;
    }
    return 1;
}

const struct ebpf_class ebpf_object_class = {
    .name = "ebpf.object",
    .size = sizeof(struct ebpf_object),
    .methods = methods,
    .release = object_release,
    .describe = object_tostring,
};

static const luaL_Reg functions[] = {
    {"open", object_open},
    {"program_names", ebpf_object_program_names},
    {"map_names", ebpf_object_map_names},
    {"set_target", object_set_target},
    {NULL, NULL},
};

int ebpf_open_object(lua_State *L)
{
    ebpf_log_hook();
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ebpf_object_class);
    luaL_getmetatable(L, ebpf_object_class.name);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, object_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_setfield(L, -2, "methods");
    return 1;
}
