/* Mapping: the elements of an array that was made with BPF_F_MMAPABLE, as memory of this process (Linux 5.5).
 * Commands: OBJ_GET_INFO_BY_FD; mmap(2).
 * The handle owns the mapping, which keeps the map; it has no descriptor. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "memory.h"
#include "modules.h"
#include "numbers.h"

struct mapping {
    struct ebpf_handle handle;
    char *data;
    size_t length;
    uint32_t count, stride; /* elements, and bytes from one to the next */
    struct ebpf_memory element;
    bool writable;
    uint32_t map_id;
};

static const struct ebpf_class mapping_class;

static struct mapping *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &mapping_class);
}

static int map_memory(struct mapping *mapping, int fd)
{
    void *data = mmap(NULL, mapping->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    mapping->writable = data != MAP_FAILED;
    if (data == MAP_FAILED && (errno == EPERM || errno == EACCES)) /* frozen, or pinned for reading alone */
        data = mmap(NULL, mapping->length, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return -1;
    mapping->data = data;
    ebpf_handle_own(mapping, -1);
    return 0;
}

static const char *refusal(const struct abi_map_info *info)
{
    if (info->type != ABI_MAP_TYPE_ARRAY)
        return "only arrays can be mapped";
    return info->map_flags & ABI_F_MMAPABLE ? NULL : "the array was made without BPF_F_MMAPABLE";
}

/* The values' Codec, kept by the userdata at index; NULL where the map has none. */
static const struct ebpf_codec *keep_codec(lua_State *L, int index)
{
    int top = lua_gettop(L);
    const struct ebpf_codec *codec = NULL;

    lua_pushcfunction(L, ebpf_map_codec);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 2);
    if (lua_isuserdata(L, -1)) {
        codec = ebpf_codec_at(L, -1);
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, -2);
        lua_rawseti(L, -2, 1);
        compat_keep(L, index);
    }
    lua_settop(L, top);
    return codec;
}

/* map:mmap() -> mapping */
static int mapping_open(lua_State *L)
{
    struct mapping *mapping;
    const struct ebpf_codec *codec;
    const struct ebpf_handle *map;
    struct abi_map_info info = {0};
    uint32_t length = sizeof(info);

    lua_settop(L, 1);
    ebpf_handle_check(L, 1, &ebpf_map_class);
    mapping = ebpf_handle_new(L, &mapping_class, 0);
    codec = keep_codec(L, 2);
    map = ebpf_handle_check(L, 1, &ebpf_map_class);
    if (bpf_cmd_info(map->fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "map mmap", "%u", map->id);
    if (refusal(&info))
        return ebpf_fail_why(L, ENOTSUP, refusal(&info), "map mmap", "%u", info.id);
    ebpf_memory_describe(&mapping->element, 0, info.value_size, codec);
    mapping->map_id = info.id;
    mapping->count = info.max_entries;
    mapping->stride = (info.value_size + 7) / 8 * 8;
    mapping->length = (size_t)mapping->stride * mapping->count;
    if (map_memory(mapping, map->fd) < 0)
        return ebpf_fail(L, errno, "map mmap", "%u", info.id);
    return 1;
}

/* False: there is no such element. */
static bool find(lua_State *L, const struct mapping *mapping, size_t *offset)
{
    lua_Number index = lua_tonumber(L, 2);

    luaL_argcheck(L, lua_type(L, 2) == LUA_TNUMBER && floor(index) == index, 2, "an index is an integer");
    if (!(index >= 0 && index < mapping->count))
        return false;
    *offset = (size_t)index * mapping->stride;
    return true;
}

/* get(index) -> value; nil beyond the end */
static int mapping_get(lua_State *L)
{
    const struct mapping *mapping = check(L);
    char local[EBPF_MEMORY_ROOM], *room;
    size_t offset;

    if (!find(L, mapping, &offset)) {
        lua_pushnil(L);
        return 1;
    }
    room = ebpf_memory_room(L, &mapping->element, local);
    mapping = check(L);
    ebpf_memory_push(L, &mapping->element, mapping->data + offset, room);
    return 1;
}

/* set(index, value) -> true */
static int mapping_set(lua_State *L)
{
    const struct mapping *mapping = check(L);
    char local[EBPF_MEMORY_ROOM], *room;
    size_t offset;

    lua_settop(L, 3);
    if (!find(L, mapping, &offset))
        return ebpf_fail(L, E2BIG, "map set", "%u", mapping->map_id);
    room = ebpf_memory_room(L, &mapping->element, local);
    ebpf_memory_check(L, 3, &mapping->element, "value", room);
    mapping = check(L);
    if (!mapping->writable)
        return ebpf_fail(L, EPERM, "map set", "%u", mapping->map_id);
    ebpf_memory_store(&mapping->element, mapping->data + offset, room);
    lua_pushboolean(L, 1);
    return 1;
}

/* length() -> elements, from 0 on */
static int mapping_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->count);
    return 1;
}

/* writable() -> boolean */
static int mapping_writable(lua_State *L)
{
    lua_pushboolean(L, check(L)->writable);
    return 1;
}

/* An element, or a method. */
static int mapping_index(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TNUMBER)
        return mapping_get(L);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

static int mapping_newindex(lua_State *L)
{
    if (mapping_set(L) != 1)
        return luaL_error(L, "%s", lua_tostring(L, -2));
    return 0;
}

static void mapping_release(struct ebpf_handle *handle)
{
    struct mapping *mapping = (struct mapping *)handle;

    if (mapping->data)
        munmap(mapping->data, mapping->length);
    mapping->data = NULL;
}

static void mapping_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    const struct mapping *mapping = (const struct mapping *)handle;

    lua_pushfstring(L, "map %d, %d elements", (int)mapping->map_id, (int)mapping->count);
}

static const luaL_Reg methods[] = {
    {"get", mapping_get},           {"set", mapping_set}, {"length", mapping_length},
    {"writable", mapping_writable}, {NULL, NULL},
};

static const struct ebpf_class mapping_class = {
    .name = "ebpf.mapping",
    .size = sizeof(struct mapping),
    .methods = methods,
    .release = mapping_release,
    .describe = mapping_tostring,
};

int ebpf_open_mapping(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, mapping_open);
    lua_setfield(L, -2, "open");
    ebpf_class_open(L, &mapping_class);
    luaL_getmetatable(L, mapping_class.name);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, mapping_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, mapping_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pop(L, 1);
    lua_setfield(L, -2, "methods");
    return 1;
}
