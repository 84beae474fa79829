/* Btf: the types of an object, a program, a map or the kernel. libbpf reads it; a type of it becomes a Codec.
 * Commands: BTF_LOAD, BTF_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD.
 * The handle owns libbpf's struct btf and, once it is loaded into the kernel, the descriptor of that. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "btf.h"
#include "codec.h"
#include "fail.h"
#include "log.h"
#include "numbers.h"
#include "object.h"
#include "things.h"
#include "modules.h"

/* The bytes of a BTF, to be freed; NULL with errno. Cleared first, so that valgrind takes them for written. */
static void *fetch(int fd, uint32_t *size)
{
    struct abi_btf_info info = {0};
    uint32_t length = sizeof(info);
    void *bytes;

    if (bpf_cmd_info(fd, &info, &length) < 0)
        return NULL;
    *size = info.btf_size;
    bytes = calloc(1, info.btf_size);
    if (!bytes)
        return NULL;
    memset(&info, 0, sizeof(info));
    info.btf = (uint64_t)(uintptr_t)bytes;
    info.btf_size = *size;
    length = sizeof(info);
    if (bpf_cmd_info(fd, &info, &length) == 0)
        return bytes;
    free(bytes);
    return NULL;
}

struct btf *ebpf_btf_load(uint32_t id)
{
    int fd = bpf_cmd_fd_by_id(ABI_BTF_GET_FD_BY_ID, id);
    uint32_t size = 0;
    struct btf *btf = NULL;
    void *bytes;
    int error;

    if (fd < 0)
        return NULL;
    bytes = fetch(fd, &size);
    if (bytes)
        btf = btf__new(bytes, size);
    error = errno;
    free(bytes);
    close(fd);
    errno = error;
    return btf;
}

static uint32_t id_of(int fd)
{
    struct abi_btf_info info = {0};
    uint32_t length = sizeof(info);

    return bpf_cmd_info(fd, &info, &length) == 0 ? info.id : 0;
}

/* function_id(program, name) -> BTF id, boolean whether it is global */
static int function_id(lua_State *L)
{
    struct ebpf_handle *program = ebpf_handle_check(L, 1, &ebpf_program_class);
    const char *name = luaL_checkstring(L, 2);
    struct abi_prog_info info = {0};
    uint32_t length = sizeof(info);
    const struct btf_type *type;
    struct btf *btf;
    int id;

    if (bpf_cmd_info(program->fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "program info", "fd %d", program->fd);
    if (!info.btf_id)
        return ebpf_fail_why(L, EINVAL, "the program was loaded without BTF", "function", "%s of program %u", name,
                             info.id);
    btf = ebpf_btf_load(info.btf_id);
    if (!btf)
        return ebpf_fail(L, errno, "function", "%s of program %u", name, info.id);
    id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
    type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    lua_pushinteger(L, id);
    lua_pushboolean(L, type && btf_vlen(type) == BTF_FUNC_GLOBAL);
    btf__free(btf);
    if (type)
        return 2;
    return ebpf_fail_why(L, ENOENT, "the program has no function of this name", "function", "%s of program %u", name,
                         info.id);
}

struct ebpf_btf *ebpf_btf_new(lua_State *L)
{
    return ebpf_handle_new(L, &ebpf_btf_class, 0);
}

void ebpf_btf_own(struct ebpf_btf *handle, struct btf *btf, uint32_t id)
{
    handle->btf = btf;
    handle->handle.id = id;
    ebpf_handle_own(handle, -1);
}

static const struct ebpf_btf *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_btf_class);
}

/* What load gave as a Btf in place of the handle on the top. */
static int finish(lua_State *L, struct ebpf_btf *handle, struct btf *btf, const char *operation, const char *subject)
{
    if (!btf)
        return ebpf_fail(L, errno, operation, "%s", subject);
    ebpf_btf_own(handle, btf, 0);
    return 1;
}

/* from_id(id) -> btf */
static int btf_from_id(lua_State *L)
{
    uint32_t id = ebpf_check_u32(L, 1);
    struct ebpf_btf *handle = ebpf_btf_new(L);
    struct btf *btf = ebpf_btf_load(id);

    if (!btf)
        return ebpf_fail(L, errno, "from_id", "btf %u", id);
    ebpf_btf_own(handle, btf, id);
    return 1;
}

/* parse(path | nil, bytes | nil) -> btf */
static int btf_parse(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    size_t size = 0;
    const char *bytes = lua_isnoneornil(L, 2) ? NULL : luaL_checklstring(L, 2, &size);
    struct ebpf_btf *handle = ebpf_btf_new(L);
    struct ebpf_log log = {0};
    struct btf *btf;

    ebpf_log_begin(&log);
    btf = path ? btf__parse(path, NULL) : btf__new(bytes, (uint32_t)size);
    ebpf_log_end();
    if (!btf)
        return ebpf_log_fail(L, errno, &log, "btf parse", path ? path : "bytes");
    free(log.text);
    ebpf_btf_own(handle, btf, 0);
    return 1;
}

/* kernel() -> btf */
static int btf_kernel(lua_State *L)
{
    struct ebpf_btf *handle = ebpf_btf_new(L);
    struct ebpf_log log = {0};
    struct btf *btf;

    ebpf_log_begin(&log);
    btf = btf__load_vmlinux_btf();
    ebpf_log_end();
    if (!btf)
        return ebpf_log_fail(L, errno, &log, "btf", "of the kernel");
    free(log.text);
    ebpf_btf_own(handle, btf, 0);
    return 1;
}

/* of_object(object) -> btf, a copy: the object may be closed */
static int btf_of_object(lua_State *L)
{
    const struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);
    const struct btf *theirs = bpf_object__btf(object->object);
    uint32_t size = 0;
    struct ebpf_btf *handle;
    const void *bytes;

    if (!theirs)
        return ebpf_fail_why(L, ENOENT, "the file has no BTF", "btf", "of %s", object->name);
    handle = ebpf_btf_new(L);
    object = ebpf_handle_check(L, 1, &ebpf_object_class);
    bytes = btf__raw_data(bpf_object__btf(object->object), &size);
    return finish(L, handle, bytes ? btf__new(bytes, size) : NULL, "btf", object->name);
}

static const struct word {
    const char *word;
    uint32_t kinds[2];
} words[] = {
    {"struct ", {BTF_KIND_STRUCT, BTF_KIND_STRUCT}},
    {"union ", {BTF_KIND_UNION, BTF_KIND_UNION}},
    {"enum ", {BTF_KIND_ENUM, BTF_KIND_ENUM64}},
};

static int find_kind(const struct btf *btf, const char *name, const uint32_t *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int id = btf__find_by_name_kind(btf, name, kinds[i]);

        if (id > 0)
            return id;
    }
    return 0;
}

/* "struct event", "union u", "enum e"; without the word whatever has the name. 0: nothing. */
static int find_type(const struct btf *btf, const char *name)
{
    static const uint32_t kinds[] = {BTF_KIND_TYPEDEF, BTF_KIND_STRUCT,  BTF_KIND_UNION,
                                     BTF_KIND_ENUM,    BTF_KIND_ENUM64,  BTF_KIND_INT,
                                     BTF_KIND_FLOAT,   BTF_KIND_DATASEC, BTF_KIND_VAR};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t length = strlen(words[i].word);

        if (strncmp(name, words[i].word, length) == 0)
            return find_kind(btf, name + length, words[i].kinds, 2);
    }
    return find_kind(btf, name, kinds, sizeof(kinds) / sizeof(*kinds));
}

/* Of a name or a number at index 2; 0: there is none. */
static int type_id(lua_State *L, const struct ebpf_btf *handle, const char *shown)
{
    return strspn(shown, "0123456789") == strlen(shown) ? (int)ebpf_check_u32(L, 2) : find_type(handle->btf, shown);
}

/* codec("struct event" | id) -> codec */
static int btf_codec(lua_State *L)
{
    const char *why, *shown = luaL_checkstring(L, 2);
    struct ebpf_codec *codec = ebpf_codec_new(L);
    const struct ebpf_btf *handle = check(L);
    int error, id = type_id(L, handle, shown);

    if (id <= 0)
        return ebpf_fail_why(L, ENOENT, "there is no such type", "btf codec", "%s", shown);
    error = ebpf_layout(codec, handle->btf, (uint32_t)id, &why);
    if (error)
        return ebpf_fail_why(L, error, why, "btf codec", "%s", shown);
    ebpf_codec_make_names(L, codec);
    return 1;
}

/* bytes() -> raw BTF, as parse{data = …} takes it */
static int btf_bytes(lua_State *L)
{
    const struct ebpf_btf *handle = check(L);
    uint32_t size = 0;
    const void *bytes = btf__raw_data(handle->btf, &size);

    if (!bytes)
        return ebpf_fail(L, errno, "btf bytes", "%d types", (int)btf__type_cnt(handle->btf) - 1);
    lua_pushlstring(L, bytes, size);
    return 1;
}

/* find("struct event" | id) -> id, size in bytes | nil */
static int btf_find(lua_State *L)
{
    const struct ebpf_btf *handle = check(L);
    const char *shown = luaL_checkstring(L, 2);
    int id = type_id(L, handle, shown);
    int64_t size = id > 0 ? btf__resolve_size(handle->btf, (uint32_t)id) : -1;

    if (id <= 0 || !btf__type_by_id(handle->btf, (uint32_t)id))
        return ebpf_fail_why(L, ENOENT, "there is no such type", "btf find", "%s", shown);
    lua_pushinteger(L, id);
    if (size < 0)
        return 1;
    lua_pushinteger(L, (lua_Integer)size);
    return 2;
}

enum { LOG = 64 * 1024 };

/* Loads once more, to hear why not. */
static int fail_load(lua_State *L, struct abi_btf_load *attr, int error)
{
    char *log = calloc(1, LOG);
    int results;

    if (log) {
        attr->btf_log_buf = (uint64_t)(uintptr_t)log;
        attr->btf_log_size = LOG;
        attr->btf_log_level = 1;
        close(bpf_cmd_btf_load(attr));
    }
    lua_pushstring(L, log && *log ? log : NULL);
    free(log);
    results = ebpf_fail_log(L, error, lua_tostring(L, -1), "btf load", "%u bytes", attr->btf_size);
    return results;
}

/* load(btf, token | nil) -> true; a second time too */
static int btf_load(lua_State *L)
{
    struct ebpf_btf *handle = ebpf_handle_check(L, 1, &ebpf_btf_class);
    int token = ebpf_opt_token(L, 2);
    struct abi_btf_load attr = {0};
    uint32_t size = 0;
    int fd;

    if (handle->handle.fd < 0) {
        attr.btf = (uint64_t)(uintptr_t)btf__raw_data(handle->btf, &size);
        attr.btf_size = size;
        if (token >= 0) {
            attr.btf_flags = ABI_F_TOKEN_FD;
            attr.btf_token_fd = token;
        }
        fd = attr.btf ? bpf_cmd_btf_load(&attr) : -1;
        if (fd < 0 && errno == EPERM && token >= 0)
            return ebpf_fail_why(L, EPERM, ebpf_token_refuses, "btf load", "%u bytes", size);
        if (fd < 0)
            return fail_load(L, &attr, errno);
        handle->handle.fd = fd;
        handle->handle.id = id_of(fd);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int btf_id(lua_State *L)
{
    const struct ebpf_btf *handle = check(L);

    if (!handle->handle.id)
        return 0;
    lua_pushinteger(L, (lua_Integer)handle->handle.id);
    return 1;
}

static void release(struct ebpf_handle *handle)
{
    struct ebpf_btf *btf = (struct ebpf_btf *)handle;

    btf__free(btf->btf);
    btf->btf = NULL;
}

static void describe(lua_State *L, const struct ebpf_handle *handle)
{
    const struct ebpf_btf *btf = (const struct ebpf_btf *)handle;

    lua_pushfstring(L, "%d types", (int)btf__type_cnt(btf->btf) - 1);
}

static const luaL_Reg methods[] = {
    {"bytes", btf_bytes},
    {"codec", btf_codec},
    {"id", btf_id},
    {NULL, NULL},
};

const struct ebpf_class ebpf_btf_class = {
    .name = "ebpf.btf",
    .size = sizeof(struct ebpf_btf),
    .methods = methods,
    .release = release,
    .describe = describe,
};

static const luaL_Reg functions[] = {
    {"from_id", btf_from_id},     {"parse", btf_parse}, {"kernel", btf_kernel}, {"of_object", btf_of_object},
    {"function_id", function_id}, {"find", btf_find},   {"load", btf_load},     {NULL, NULL},
};

int ebpf_open_btf(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ebpf_btf_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
