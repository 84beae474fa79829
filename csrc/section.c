/* Section: the variables of an Object, by their names: .data, .bss, .rodata and such. Before load they are what programs will
 * begin with, in libbpf's memory; then the memory of the map that they are in.
 * No bpf(2) command: mmap(2).
 * The handle owns its list and, of a loaded Object, its own mapping, which outlives that; before, a share in libbpf's. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fail.h"
#include "memory.h"
#include "modules.h"
#include "object.h"
#include "section.h"

struct section {
    struct ebpf_handle handle;
    struct ebpf_elf *elf; /* until it has a mapping */
    struct bpf_map *map;
    char *data;
    size_t length;
    int error; /* why it has none */
    uint32_t count;
    struct ebpf_memory *variables; /* by the number that the table that it keeps has for the name */
    char name[];
};

static const struct ebpf_class section_class;

static struct section *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &section_class);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The map behind a section; libbpf names such maps "<object><section>", or those of other names than the usual as they are. */
static struct bpf_map *section_map(struct bpf_object *object, const char *name)
{
    struct bpf_map *map;

    bpf_object__for_each_map(map, object)
    {
        const char *full = bpf_map__name(map);
        size_t length = strlen(full), tail = strlen(name);

        if (bpf_map__is_internal(map) && length >= tail && strcmp(full + length - tail, name) == 0)
            return map;
    }
    return NULL;
}

static const struct btf_type *section_type(const struct btf *btf, const char *name)
{
    int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_DATASEC) : -1;

    return id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
}

/* The variable at place i, on the table at the top: its name and its Codec. A type that has no layout leaves its bytes.
 * What the file says of a place that isn't there is passed over. */
static void add_variable(lua_State *L, struct section *section, const struct btf *btf,
                         const struct btf_var_secinfo *place, uint32_t i)
{
    const struct btf_type *variable = btf__type_by_id(btf, place->type);
    struct ebpf_codec *codec;
    const char *why;

    if (!variable || !btf_is_var(variable) || (uint64_t)place->offset + place->size > bpf_map__value_size(section->map))
        return;
    codec = ebpf_codec_new(L);
    if (ebpf_layout(codec, btf, variable->type, &why) == 0)
        ebpf_codec_make_names(L, codec);
    ebpf_memory_describe(&section->variables[i], place->offset, place->size, codec);
    lua_rawseti(L, -2, (int)i + 1);
    lua_pushstring(L, btf__name_by_offset(btf, variable->name_off));
    lua_pushinteger(L, (lua_Integer)i);
    lua_rawset(L, -3);
}

/* Fills the section at the top. What libbpf has stays, since the section has its share in it. */
static void add_variables(lua_State *L, struct section *section, const struct btf *btf, const struct btf_type *type)
{
    const struct btf_var_secinfo *places = btf_var_secinfos(type);
    uint32_t count = (uint32_t)btf_vlen(type);

    lua_createtable(L, (int)count, (int)count);
    for (uint32_t i = 0; i < count; i++)
        add_variable(L, section, btf, &places[i], i);
    compat_keep(L, -2);
    section->count = count;
}

/* Of a loaded object: memory of our own, to outlive it. Constants and the kernel's configuration can't be written. */
static void settle(struct section *section)
{
    size_t size = 0;
    bool constant = starts_with(section->name, ".rodata") || starts_with(section->name, ".kconfig");
    void *data;

    bpf_map__initial_value(section->map, &size);
    size = size ? size : bpf_map__value_size(section->map);
    data = mmap(NULL, size, constant ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(section->map), 0);
    section->error = data == MAP_FAILED ? errno : 0;
    if (data != MAP_FAILED) {
        section->data = data;
        section->length = size;
    }
    ebpf_elf_drop(section->elf);
    section->elf = NULL;
    section->map = NULL;
}

/* The Section, on the top, is complete; nil in its place where memory is out. */
static void open_section(lua_State *L, const struct ebpf_object *object, struct bpf_map *map, const char *name,
                         const struct btf *btf, const struct btf_type *type)
{
    struct section *section = ebpf_handle_new(L, &section_class, strlen(name) + 1);

    strcpy(section->name, name);
    section->elf = ebpf_elf_keep(object->elf);
    section->map = map;
    ebpf_handle_own(section, -1);
    section->variables = calloc((size_t)btf_vlen(type) + 1, sizeof(*section->variables));
    if (!section->variables)
        luaL_error(L, "not enough memory");
    add_variables(L, section, btf, type);
    if (object->loaded)
        settle(section);
}

/* Pushes the table that the Object keeps: its Sections by name. */
static void push_sections(lua_State *L, int index)
{
    struct ebpf_object *object = lua_touserdata(L, index);

    if (object->keeps) {
        compat_kept(L, index);
        return;
    }
    lua_newtable(L);
    lua_pushvalue(L, -1);
    compat_keep(L, index);
    object->keeps = true;
}

void ebpf_section_push(lua_State *L, int index, const char *name)
{
    const struct ebpf_object *object;
    const struct btf_type *type;
    struct bpf_map *map;

    luaL_checkstack(L, LUA_MINSTACK, NULL);
    push_sections(L, index);
    lua_getfield(L, -1, name);
    if (lua_isnil(L, -1)) {
        object = ebpf_handle_check(L, index, &ebpf_object_class);
        map = section_map(object->object, name);
        type = section_type(bpf_object__btf(object->object), name);
        if (map && type) {
            lua_pop(L, 1);
            open_section(L, object, map, name, bpf_object__btf(object->object), type);
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, name);
        }
    }
    lua_remove(L, -2);
}

void ebpf_section_settle(lua_State *L, int index)
{
    push_sections(L, index);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        struct section *section = lua_touserdata(L, -1);

        if (section->handle.open && section->elf)
            settle(section);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Where its bytes are now. */
static char *memory_of(lua_State *L, const struct section *section)
{
    bool kernels = starts_with(section->name, ".kconfig"); /* which libbpf looks up when it loads */
    const void *first;
    size_t size;

    if (section->data)
        return section->data;
    if (section->error)
        luaL_error(L, "%s: it could not be mapped: %s", section->name, strerror(section->error));
    first = kernels ? NULL : bpf_map__initial_value(section->map, &size);
    if (!first)
        luaL_error(L, "%s has its values once the object is loaded", section->name);
    return (char *)first;
}

/* The variable whose name is at index 2; an error if there is none. */
static const struct ebpf_memory *find(lua_State *L, const struct section *section)
{
    uint32_t i;

    luaL_checktype(L, 2, LUA_TSTRING);
    compat_kept(L, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1))
        luaL_error(L, "there is no variable '%s' in %s", lua_tostring(L, 2), section->name);
    i = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return &section->variables[i];
}

static int section_index(lua_State *L)
{
    const struct section *section = check(L);
    const struct ebpf_memory *variable = find(L, section);
    char local[EBPF_MEMORY_ROOM], *room = ebpf_memory_room(L, variable, local);

    section = check(L);
    ebpf_memory_push(L, variable, memory_of(L, section) + variable->offset, room);
    return 1;
}

static int section_newindex(lua_State *L)
{
    const struct section *section = check(L);
    const struct ebpf_memory *variable = find(L, section);
    char local[EBPF_MEMORY_ROOM], *room = ebpf_memory_room(L, variable, local);

    ebpf_memory_check(L, 3, variable, lua_tostring(L, 2), room);
    section = check(L);
    if (starts_with(section->name, ".kconfig"))
        luaL_error(L, ".kconfig is the kernel's to say");
    if (section->data && starts_with(section->name, ".rodata"))
        luaL_error(L, "%s: constants can't be written once the object is loaded", section->name);
    if (section->elf && section->elf->failed)
        luaL_error(L, "%s: the object could not be loaded: open it anew", section->name);
    ebpf_memory_store(variable, memory_of(L, section) + variable->offset, room);
    return 0;
}

/* names(section) -> {name, …}, by their places */
static int section_names(lua_State *L)
{
    const struct section *section = check(L);
    uint32_t count = section->count;

    lua_settop(L, 1);
    compat_kept(L, 1);
    lua_createtable(L, (int)count, 0);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            lua_rawseti(L, 3, (int)lua_tointeger(L, -2) + 1);
        }
        lua_pop(L, 1);
    }
    return 1;
}

/* of(object, name) -> section, or nil */
static int section_of(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);

    ebpf_handle_check(L, 1, &ebpf_object_class);
    ebpf_section_push(L, 1, name);
    return 1;
}

static void section_release(struct ebpf_handle *handle)
{
    struct section *section = (struct section *)handle;

    if (section->data)
        munmap(section->data, section->length);
    ebpf_elf_drop(section->elf);
    free(section->variables);
    section->data = NULL;
    section->elf = NULL;
    section->map = NULL;
    section->variables = NULL;
}

static void section_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct section *)handle)->name);
}

static const luaL_Reg methods[] = {
    {NULL, NULL},
};

static const struct ebpf_class section_class = {
    .name = "ebpf.section",
    .size = sizeof(struct section),
    .methods = methods,
    .release = section_release,
    .describe = section_tostring,
};

static const luaL_Reg functions[] = {
    {"of", section_of},
    {"names", section_names},
    {NULL, NULL},
};

/* Its fields are variables: it has no methods, not even close. */
int ebpf_open_section(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &section_class);
    lua_pop(L, 1);
    luaL_getmetatable(L, section_class.name);
    lua_pushcfunction(L, section_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, section_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pop(L, 1);
    return 1;
}
