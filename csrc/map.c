/* Map: a store shared with programs; what is in it is in map_access.c, map_each.c and map_batch.c.
 * Commands: MAP_CREATE, MAP_FREEZE, OBJ_GET_INFO_BY_FD.
 * The handle owns the map's descriptor, and of a struct_ops a share in the Object's memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bpf_cmd.h"
#include "btf.h"
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
    map->cpus = ebpf_map_per_cpu(info.type) ? possible_cpus() : 1;
    map->stride = ebpf_map_per_cpu(info.type) ? (info.value_size + 7) / 8 * 8 : info.value_size;
    if (map->cpus == 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (!info.btf_id)
        ebpf_map_settle(map);
    return 0;
}

/* The types of the map on the top, from the Btf it was made with at index 10: to ask the kernel takes privileges. */
static void take_types(lua_State *L, struct ebpf_map *map)
{
    struct ebpf_codec *codecs[2];
    const struct ebpf_btf *btf;

    ebpf_map_new_codecs(L, lua_gettop(L), codecs);
    btf = ebpf_handle_check(L, 10, &ebpf_btf_class);
    ebpf_map_layout(codecs, btf->btf, map->key_type, map->value_type);
    ebpf_map_use_codecs(L, map, codecs);
}

/* create(type, key_size, value_size, max_entries, name, flags, token, inner, map_extra, btf, key type, value type) -> map */
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
    const struct ebpf_handle *inner = ebpf_handle_opt(L, 8, &ebpf_map_class);
    const struct ebpf_handle *btf = ebpf_handle_opt(L, 10, &ebpf_btf_class);
    struct ebpf_handle *handle;
    int fd;

    luaL_argcheck(L, length < ABI_OBJ_NAME_LEN, 5, "a map's name has at most 15 bytes");
    memcpy(attr.map_name, name, length);
    attr.map_flags = ebpf_opt_u32(L, 6, 0);
    attr.inner_map_fd = inner ? (uint32_t)inner->fd : 0;
    attr.map_extra = ebpf_opt_u32(L, 9, 0);
    attr.btf_fd = btf ? (uint32_t)btf->fd : 0;
    attr.btf_key_type_id = ebpf_opt_u32(L, 11, 0);
    attr.btf_value_type_id = ebpf_opt_u32(L, 12, 0);
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
    if (ebpf_map_learn(handle) == 0) {
        if (btf)
            take_types(L, (struct ebpf_map *)handle);
        return 1;
    }
    fd = errno;
    ebpf_handle_close(handle);
    return ebpf_fail(L, fd, "map create", "%s", name);
}

/* freeze() -> true: no writes from user space any more, by no descriptor */
static int map_freeze(lua_State *L)
{
    struct ebpf_map *map = check(L);

    if (bpf_cmd_map_freeze(map->handle.fd) < 0)
        return ebpf_fail(L, errno, "map freeze", "%u", map->handle.id);
    lua_pushboolean(L, 1);
    return 1;
}

static void set_u64(lua_State *L, const char *name, uint64_t value)
{
    ebpf_push_u64(L, value);
    lua_setfield(L, -2, name);
}

/* What bpf_map_info lacks stands in /proc/self/fdinfo, as text. Read before anything is pushed: an error would leave
 * the file open. */
struct fdinfo {
    bool has_memlock, has_frozen;
    uint64_t memlock;
    unsigned frozen;
};

static void read_fdinfo(int fd, struct fdinfo *found)
{
    char line[128];
    FILE *file;

    memset(found, 0, sizeof(*found));
    snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
    file = fopen(line, "re");
    while (file && fgets(line, sizeof(line), file)) {
        found->has_memlock |= sscanf(line, "memlock:%" SCNu64, &found->memlock) == 1;
        found->has_frozen |= sscanf(line, "frozen:%u", &found->frozen) == 1;
    }
    if (file)
        fclose(file);
}

/* info() -> {id=, type=, name=, key_size=, value_size=, max_entries=, flags=, …} */
static int map_info(lua_State *L)
{
    struct ebpf_map *map = check(L);
    struct abi_map_info info = {0};
    uint32_t length = sizeof(info);
    struct fdinfo fdinfo;

    if (bpf_cmd_info(map->handle.fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "map info", "%u", map->handle.id);
    read_fdinfo(map->handle.fd, &fdinfo);
    lua_createtable(L, 0, 16);
    ebpf_push_name(L, EBPF_MAP_TYPE, info.type);
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, info.name, strnlen(info.name, sizeof(info.name)));
    lua_setfield(L, -2, "name");
    set_u64(L, "id", info.id);
    set_u64(L, "key_size", info.key_size);
    set_u64(L, "value_size", info.value_size);
    set_u64(L, "max_entries", info.max_entries);
    set_u64(L, "flags", info.map_flags);
    set_u64(L, "map_extra", info.map_extra);
    set_u64(L, "ifindex", info.ifindex);
    set_u64(L, "btf_id", info.btf_id);
    set_u64(L, "btf_key_type_id", info.btf_key_type_id);
    set_u64(L, "btf_value_type_id", info.btf_value_type_id);
    set_u64(L, "btf_vmlinux_value_type_id", info.btf_vmlinux_value_type_id);
    if (fdinfo.has_memlock)
        set_u64(L, "memlock", fdinfo.memlock);
    if (fdinfo.has_frozen) {
        lua_pushboolean(L, fdinfo.frozen != 0);
        lua_setfield(L, -2, "frozen");
    }
    return 1;
}

static int map_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->handle.id);
    return 1;
}

static const luaL_Reg methods[] = {
    {"freeze", map_freeze}, {"info", map_info}, {"id", map_id}, {"codec", ebpf_map_codec}, {NULL, NULL},
};

static void map_release(struct ebpf_handle *handle)
{
    struct ebpf_map *map = (struct ebpf_map *)handle;

    ebpf_map_close_raw(handle);
    ebpf_elf_drop(map->elf);
    map->elf = NULL;
    map->table = NULL;
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
    compat_setfuncs(L, ebpf_map_walks);
    ebpf_things_functions(L, &ebpf_map_class);
    ebpf_class_open(L, &ebpf_map_class);
    compat_setfuncs(L, ebpf_map_access);
    compat_setfuncs(L, ebpf_map_batches);
    ebpf_map_index_open(L);
    lua_setfield(L, -2, "methods");
    return 1;
}
