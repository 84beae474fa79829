/* Object: an ELF file with BPF programs and maps, opened, relocated and loaded by libbpf.
 * No bpf(2) command of ours: libbpf makes them.
 * The handle owns the bpf_object, with what else must keep it: see object.h. Programs and maps taken from it own duplicates
 * of its descriptors and outlive it. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <bpf/libbpf_version.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "numbers.h"
#include "object.h"
#include "section.h"
#include "modules.h"

static __thread struct ebpf_log *current_log;
static libbpf_print_fn_t print_before; /* whoever had the hook: gets what isn't ours */

static void log_grow(struct ebpf_log *log, size_t more)
{
    size_t size = log->size ? log->size : 4096;
    char *text;

    while (size < log->length + more + 1)
        size *= 2;
    if (size == log->size)
        return;
    text = realloc(log->text, size);
    if (!text)
        return;
    log->text = text;
    log->size = size;
}

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
    struct ebpf_log *log = current_log;
    va_list again;
    int length;

    if (!log)
        return print_before ? print_before(level, format, arguments) : 0;
    if (level == LIBBPF_DEBUG || level == LIBBPF_INFO)
        return 0;
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length <= 0)
        return 0;
    log_grow(log, (size_t)length);
    if (log->size < log->length + (size_t)length + 1)
        return 0;
    vsnprintf(log->text + log->length, (size_t)length + 1, format, arguments);
    log->length += (size_t)length;
    return length;
}

void ebpf_log_begin(struct ebpf_log *log)
{
    current_log = log;
}

void ebpf_log_end(void)
{
    current_log = NULL;
}

static struct ebpf_object *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_object_class);
}

static struct ebpf_object *check_loaded(lua_State *L)
{
    struct ebpf_object *object = check(L);

    if (!object->loaded)
        luaL_error(L, "object is not loaded: call load() first");
    return object;
}

/* A log goes to people's terminals. */
static void make_printable(char *text)
{
    char shown[256];

    for (int i = 0; i < 256; i++)
        shown[i] = (i >= ' ' && i < 127) || i == '\n' || i == '\t' ? (char)i : '?';
    for (; *text; text++)
        *text = shown[(unsigned char)*text];
}

int ebpf_log_fail(lua_State *L, int error, struct ebpf_log *log, const char *operation, const char *subject)
{
    int results;

    if (log->text)
        make_printable(log->text);
    lua_pushstring(L, log->text);
    free(log->text);
    results = ebpf_fail_log(L, error, lua_tostring(L, -1), operation, "%s", subject);
    return results;
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
    object->handle.open = true;
    free(log.text);
    return 1;
}

/* load() -> true; a second time too */
static int object_load(lua_State *L)
{
    struct ebpf_object *object = check(L);
    struct ebpf_log log = {0};
    int result = 0;

    if (!object->loaded) {
        ebpf_log_begin(&log);
        result = bpf_object__load(object->object);
        ebpf_log_end();
    }
    if (result < 0)
        return ebpf_log_fail(L, -result, &log, "object load", object->name);
    free(log.text);
    object->loaded = true;
    drop_targets(object);
    ebpf_section_settle(L, 1);
    lua_pushboolean(L, 1);
    return 1;
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
static int object_program(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    const char *name = check_name(L, 2);
    struct bpf_program *program = bpf_object__find_program_by_name(object->object, name);

    if (!program)
        return ebpf_fail_why(L, ENOENT, "there is no program of this name", "object", "%s: %s", object->name, name);
    return push_thing(L, object, bpf_program__fd(program), name);
}

/* The types of the map on the top, from the file: it knows some that libbpf does not give the kernel. */
static void take_types(lua_State *L, const char *name)
{
    struct ebpf_map *map = lua_touserdata(L, -1);
    struct ebpf_codec *codecs[2];
    const struct ebpf_object *object;
    const struct bpf_map *source;

    ebpf_map_new_codecs(L, lua_gettop(L), codecs);
    object = check_loaded(L);
    source = bpf_object__find_map_by_name(object->object, name);
    ebpf_map_layout(codecs, bpf_object__btf(object->object), bpf_map__btf_key_type_id(source),
                    bpf_map__btf_value_type_id(source));
    ebpf_map_use_codecs(L, map, codecs);
}

/* map(name) -> map */
static int object_map(lua_State *L)
{
    struct ebpf_object *object = check_loaded(L);
    const char *name = check_name(L, 2);
    struct bpf_map *map = bpf_object__find_map_by_name(object->object, name);

    if (!map)
        return ebpf_fail_why(L, ENOENT, "there is no map of this name", "object", "%s: %s", object->name, name);
    if (push_thing(L, object, bpf_map__fd(map), name) != 1)
        return 3;
    take_types(L, name);
    object = check_loaded(L);
    if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) {
        struct ebpf_map *handle = ebpf_handle_check(L, -1, &ebpf_map_class);

        handle->elf = ebpf_elf_keep(object->elf);
        handle->table = map;
    }
    return 1;
}

/* program_names() -> {name, …}, in the file's order: of those that are loaded */
static int object_program_names(lua_State *L)
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
static int object_map_names(lua_State *L)
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
static int object_section(lua_State *L)
{
    const char *name = check_name(L, 2);

    check(L);
    ebpf_section_push(L, 1, name);
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
    ebpf_elf_drop(object->elf);
    object->elf = NULL;
    object->object = NULL;
}

static void object_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct ebpf_object *)handle)->name);
}

static const luaL_Reg methods[] = {
    {"load", object_load}, {"program", object_program}, {"map", object_map}, {"section", object_section}, {NULL, NULL},
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
    {"program_names", object_program_names},
    {"map_names", object_map_names},
    {"set_target", object_set_target},
    {NULL, NULL},
};

static atomic_int hooked;

/* The print hook is the process's: set at the first opening, passing on to the former one what other users of libbpf in
 * this process say. */
static void hook_print(void)
{
    if (!atomic_exchange(&hooked, 1))
        print_before = libbpf_set_print(print);
}

/* Where the library is unmapped with its last Lua state (LuaRocks links it without -z nodelete), libbpf must not call it. */
__attribute__((destructor)) static void unhook_print(void)
{
    libbpf_print_fn_t current = atomic_load(&hooked) ? libbpf_set_print(print_before) : NULL;

    if (current && current != print)
        libbpf_set_print(current); /* somebody came after us */
}

int ebpf_open_object(lua_State *L)
{
    hook_print();
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
