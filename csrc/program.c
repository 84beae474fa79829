/* Program: a loaded BPF program.
 * Commands: PROG_LOAD (raw instructions), OBJ_GET_INFO_BY_FD.
 * The handle owns the program's descriptor; what it is attached to holds its own reference. */
#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "names.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

enum { INSN_SIZE = 8, LOG_SIZE = 1 << 16, LOG_SIZE_MAX = 1 << 24 };

/* Loads again with a log that is large enough, for the verifier's words. A collected userdata holds it. */
static int load_with_log(lua_State *L, struct abi_prog_load *attr, const char **log)
{
    int fd = -1, error = errno;

    for (uint32_t size = LOG_SIZE; size <= LOG_SIZE_MAX; size *= 4) {
        char *buffer = compat_newuserdata(L, size);

        memset(buffer, 0, size);
        attr->log_level = 1;
        attr->log_size = size;
        attr->log_buf = (uint64_t)(uintptr_t)buffer;
        fd = bpf_cmd_prog_load(attr);
        *log = buffer;
        if (fd >= 0 || errno != ENOSPC)
            return fd;
    }
    errno = error; /* the log is larger than any of ours: say why it was asked for */
    return fd;
}

int ebpf_program_load(lua_State *L, struct abi_prog_load *attr, const char **log)
{
    int fd = bpf_cmd_prog_load(attr);

    return fd < 0 && errno != EPERM ? load_with_log(L, attr, log) : fd;
}

/* load(type, insns, name, license, attach_type, flags, attach_btf_id, attach_prog_fd, token) -> program */
static int program_load(lua_State *L)
{
    size_t size, name_length;
    struct abi_prog_load attr = {.prog_type = ebpf_check_u32(L, 1)};
    const char *insns = luaL_checklstring(L, 2, &size);
    const char *name = luaL_checklstring(L, 3, &name_length);
    const char *log = NULL;
    struct ebpf_handle *handle;
    int token = ebpf_opt_token(L, 9);
    int fd;

    lua_settop(L, 9);
    luaL_argcheck(L, size > 0 && size % INSN_SIZE == 0, 2, "instructions are 8 bytes each");
    luaL_argcheck(L, name_length < ABI_OBJ_NAME_LEN, 3, "a program's name has at most 15 bytes");
    attr.insn_cnt = (uint32_t)(size / INSN_SIZE);
    attr.insns = (uint64_t)(uintptr_t)insns;
    memcpy(attr.prog_name, name, name_length);
    attr.license = (uint64_t)(uintptr_t)luaL_checkstring(L, 4);
    attr.expected_attach_type = ebpf_check_u32(L, 5);
    attr.prog_flags = ebpf_opt_u32(L, 6, 0);
    attr.attach_btf_id = ebpf_opt_u32(L, 7, 0);
    attr.attach_prog_fd = ebpf_opt_u32(L, 8, 0);
    if (token >= 0) {
        attr.prog_flags |= ABI_F_TOKEN_FD;
        attr.prog_token_fd = token;
    }
    handle = ebpf_handle_new(L, &ebpf_program_class, 0);
    fd = ebpf_program_load(L, &attr, &log);
    if (fd < 0 && errno == EPERM && token >= 0)
        return ebpf_fail_why(L, EPERM, ebpf_token_refuses, "program load", "%s", name);
    if (fd < 0)
        return ebpf_fail_log(L, errno, log, "program load", "%s", name);
    ebpf_handle_own(handle, fd);
    lua_pushvalue(L, 10);
    return 1;
}

static void set_u64(lua_State *L, const char *name, uint64_t value)
{
    ebpf_push_u64(L, value);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value, size_t size)
{
    lua_pushlstring(L, value, strnlen(value, size));
    lua_setfield(L, -2, name);
}

static void push_tag(lua_State *L, const uint8_t *tag)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * ABI_TAG_SIZE];

    for (int i = 0; i < ABI_TAG_SIZE; i++) {
        text[2 * i] = digits[tag[i] >> 4];
        text[2 * i + 1] = digits[tag[i] & 15];
    }
    lua_pushlstring(L, text, sizeof(text));
}

/* The second call is for the ids, which need room of their own. */
static void set_map_ids(lua_State *L, int fd, uint32_t count)
{
    struct abi_prog_info info = {.nr_map_ids = count};
    uint32_t length = sizeof(info);
    uint32_t *ids = compat_newuserdata(L, (count ? count : 1) * sizeof(*ids));

    memset(ids, 0, (count ? count : 1) * sizeof(*ids));
    info.map_ids = (uint64_t)(uintptr_t)ids;
    if (count && bpf_cmd_info(fd, &info, &length) < 0)
        count = 0;
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count && i < info.nr_map_ids; i++) {
        lua_pushinteger(L, ids[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -3, "map_ids");
    lua_pop(L, 1);
}

/* info() -> {id=, type=, name=, tag=, …} */
static int program_info(lua_State *L)
{
    struct ebpf_handle *handle = ebpf_handle_check(L, 1, &ebpf_program_class);
    struct abi_prog_info info = {0};
    uint32_t length = sizeof(info);

    if (bpf_cmd_info(handle->fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "program info", "fd %d", handle->fd);
    handle->id = info.id;
    lua_createtable(L, 0, 20);
    ebpf_push_name(L, EBPF_PROGRAM_TYPE, info.type);
    lua_setfield(L, -2, "type");
    push_tag(L, info.tag);
    lua_setfield(L, -2, "tag");
    set_string(L, "name", info.name, sizeof(info.name));
    lua_pushboolean(L, info.gpl_compatible & 1);
    lua_setfield(L, -2, "gpl_compatible");
    set_u64(L, "id", info.id);
    set_u64(L, "load_time", info.load_time);
    set_u64(L, "created_by_uid", info.created_by_uid);
    set_u64(L, "ifindex", info.ifindex);
    set_u64(L, "btf_id", info.btf_id);
    set_u64(L, "xlated_size", info.xlated_prog_len);
    set_u64(L, "jited_size", info.jited_prog_len);
    set_u64(L, "run_time_ns", info.run_time_ns);
    set_u64(L, "run_count", info.run_cnt);
    set_u64(L, "recursion_misses", info.recursion_misses);
    set_u64(L, "verified_insns", info.verified_insns);
    set_u64(L, "attach_btf_obj_id", info.attach_btf_obj_id);
    set_u64(L, "attach_btf_id", info.attach_btf_id);
    set_map_ids(L, handle->fd, info.nr_map_ids);
    return 1;
}

static int program_id(lua_State *L)
{
    struct ebpf_handle *handle = ebpf_handle_check(L, 1, &ebpf_program_class);
    uint32_t id = ebpf_handle_id(handle);

    if (!id)
        return ebpf_fail(L, errno, "program id", "fd %d", handle->fd);
    lua_pushinteger(L, id);
    return 1;
}

static const luaL_Reg methods[] = {
    {"info", program_info},
    {"id", program_id},
    {NULL, NULL},
};

const struct ebpf_class ebpf_program_class = {
    .name = "ebpf.program",
    .size = sizeof(struct ebpf_handle),
    .methods = methods,
};

int ebpf_open_program(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, program_load);
    lua_setfield(L, -2, "load");
    ebpf_things_functions(L, &ebpf_program_class);
    ebpf_class_open(L, &ebpf_program_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
