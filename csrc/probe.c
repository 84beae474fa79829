/* Probes: calls that can't succeed and change nothing; which errno they give tells what the kernel knows.
 * Commands: PROG_ATTACH, LINK_CREATE, LINK_DETACH, PROG_QUERY, OBJ_GET, TOKEN_CREATE, MAP_LOOKUP_BATCH, each with a
 * descriptor or index that is none; MAP_CREATE of a type that is none, and of an empty hash; PROG_LOAD of two
 * instructions where they want a program first, and of one that replaces nothing.
 * Nothing is owned. What an errno means is in lua/ebpf/features.lua. */
#include <errno.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "numbers.h"
#include "modules.h"

/* prog_attach(attach_type, flags) -> errno */
static int probe_prog_attach(lua_State *L)
{
    struct bpf_cmd_position position = {.flags = ebpf_check_u32(L, 2)};

    bpf_cmd_prog_attach((uint32_t)-1, -1, ebpf_check_u32(L, 1), -1, &position);
    lua_pushinteger(L, errno);
    return 1;
}

/* link_create(attach_type) -> errno */
static int probe_link_create(lua_State *L)
{
    struct bpf_cmd_position position = {0};

    bpf_cmd_link_create(-1, (uint32_t)-1, ebpf_check_u32(L, 1), &position);
    lua_pushinteger(L, errno);
    return 1;
}

/* link_detach() -> errno */
static int probe_link_detach(lua_State *L)
{
    bpf_cmd_link_detach(-1);
    lua_pushinteger(L, errno);
    return 1;
}

/* token() -> errno */
static int probe_token(lua_State *L)
{
    bpf_cmd_token_create(-1);
    lua_pushinteger(L, errno);
    return 1;
}

/* prog_query(attach_type, ifindex) -> errno */
static int probe_prog_query(lua_State *L)
{
    struct abi_prog_query attr = {.attach_type = ebpf_check_u32(L, 1), .target = ebpf_check_u32(L, 2)};

    errno = 0;
    bpf_cmd_prog_query(&attr);
    lua_pushinteger(L, errno);
    return 1;
}

/* A program of two instructions, for the calls that look at the rest only then. */
static int load_program(uint32_t type, uint32_t attach_type)
{
    static const uint64_t insns[] = {UINT64_C(0x00000001000000b7), 0x95}; /* r0 = 1; exit */
    struct abi_prog_load attr = {
        .prog_type = type,
        .expected_attach_type = attach_type,
        .insn_cnt = 2,
        .insns = (uint64_t)(uintptr_t)insns,
        .license = (uint64_t)(uintptr_t) "GPL",
    };

    return bpf_cmd_prog_load(&attr);
}

/* link_of(program_type, attach_type, target | nil, flags | nil) -> errno: of the load, or of LINK_CREATE; without a target,
 * on none */
static int probe_link_of(lua_State *L)
{
    uint32_t attach_type = ebpf_check_u32(L, 2), target = ebpf_opt_u32(L, 3, (uint32_t)-1);
    struct bpf_cmd_position position = {.flags = ebpf_opt_u32(L, 4, 0)};
    int fd = load_program(ebpf_check_u32(L, 1), attach_type);
    int error = errno;

    if (fd >= 0) {
        bpf_cmd_link_create(fd, target, attach_type, &position);
        error = errno;
        close(fd);
    }
    lua_pushinteger(L, error);
    return 1;
}

enum { NO_DESCRIPTOR = 0x7fffffff };

/* revision(program_type, attach_type, ifindex, first, last) -> revision | nil, errno
 * Which revision between first and last a device's list is at: a wrong one is ESTALE, which the kernel finds before an
 * anchor that is no descriptor, EBADF (kernel/bpf/mprog.c, bpf_mprog_attach). */
static int probe_revision(lua_State *L)
{
    uint32_t attach_type = ebpf_check_u32(L, 2), ifindex = ebpf_check_u32(L, 3);
    struct bpf_cmd_position position = {
        .flags = ABI_F_BEFORE, .relative = NO_DESCRIPTOR, .revision = ebpf_check_u64(L, 4)};
    uint64_t last = ebpf_check_u64(L, 5);
    int fd = load_program(ebpf_check_u32(L, 1), 0);
    int error = fd < 0 ? errno : ESTALE;

    for (; error == ESTALE && position.revision <= last; position.revision++) {
        bpf_cmd_prog_attach(ifindex, fd, attach_type, 0, &position);
        error = errno;
    }
    if (fd >= 0)
        close(fd);
    if (error == EBADF) {
        ebpf_push_u64(L, position.revision - 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushinteger(L, error);
    return 2;
}

/* map_batch() -> errno */
static int probe_map_batch(lua_State *L)
{
    struct abi_map_batch attr = {.map_fd = (uint32_t)-1, .count = 1};

    bpf_cmd_map_batch(ABI_MAP_LOOKUP_BATCH, &attr);
    lua_pushinteger(L, errno);
    return 1;
}

/* map_get_and_delete() -> errno: of making a hash, or of taking from it what isn't there */
static int probe_map_get_and_delete(lua_State *L)
{
    struct abi_map_create hash = {.map_type = ABI_MAP_TYPE_HASH, .key_size = 4, .value_size = 4, .max_entries = 1};
    int fd = bpf_cmd_map_create(&hash);
    uint32_t key = 0, value;
    int error = errno;

    if (fd >= 0) {
        bpf_cmd_map_lookup_and_delete(fd, &key, &value);
        error = errno;
        close(fd);
    }
    lua_pushinteger(L, error);
    return 1;
}

/* path_fd() -> errno */
static int probe_path_fd(lua_State *L)
{
    bpf_cmd_probe_path_fd();
    lua_pushinteger(L, errno);
    return 1;
}

/* struct_ops() -> errno: of a struct_ops map for links, of a type that is none */
static int probe_struct_ops(lua_State *L)
{
    struct abi_map_create attr = {
        .map_type = ABI_MAP_TYPE_STRUCT_OPS,
        .key_size = 4,
        .max_entries = 1,
        .map_flags = ABI_F_LINK,
        .btf_vmlinux_value_type_id = 0x7fffffff,
    };

    bpf_cmd_map_create(&attr);
    lua_pushinteger(L, errno);
    return 1;
}

/* freplace() -> 0 where the verifier has something to say about a program that replaces nothing, else errno:
 * for a type that it doesn't know the kernel says EINVAL as well, but without a word. */
static int probe_freplace(lua_State *L)
{
    static const uint64_t insns[] = {UINT64_C(0x00000001000000b7), 0x95}; /* r0 = 1; exit */
    char log[256] = "";
    struct abi_prog_load attr = {
        .prog_type = ABI_PROG_TYPE_EXT,
        .insn_cnt = 2,
        .insns = (uint64_t)(uintptr_t)insns,
        .license = (uint64_t)(uintptr_t) "GPL",
        .log_level = 1,
        .log_size = sizeof(log),
        .log_buf = (uint64_t)(uintptr_t)log,
    };
    int fd = bpf_cmd_prog_load(&attr), error = errno;

    if (fd >= 0)
        close(fd);
    lua_pushinteger(L, fd >= 0 || *log ? 0 : error);
    return 1;
}

static const luaL_Reg functions[] = {
    {"prog_attach", probe_prog_attach},
    {"link_create", probe_link_create},
    {"link_detach", probe_link_detach},
    {"prog_query", probe_prog_query},
    {"link_of", probe_link_of},
    {"map_batch", probe_map_batch},
    {"map_get_and_delete", probe_map_get_and_delete},
    {"path_fd", probe_path_fd},
    {"revision", probe_revision},
    {"token", probe_token},
    {"struct_ops", probe_struct_ops},
    {"freplace", probe_freplace},
    {NULL, NULL},
};

int ebpf_open_probe(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
