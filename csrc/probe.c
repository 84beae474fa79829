/* Probes: calls that can't succeed and change nothing; which errno they give tells what the kernel knows.
 * Commands: PROG_ATTACH, LINK_CREATE, LINK_DETACH, PROG_QUERY, OBJ_GET, TOKEN_CREATE, each with a descriptor or index
 * that is none; PROG_LOAD of two instructions where LINK_CREATE wants a program first.
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

/* link_of(program_type, attach_type) -> errno: of the load, or of LINK_CREATE on no target */
static int probe_link_of(lua_State *L)
{
    static const uint64_t insns[] = {UINT64_C(0x00000001000000b7), 0x95}; /* r0 = 1; exit */
    struct abi_prog_load attr = {
        .prog_type = ebpf_check_u32(L, 1),
        .expected_attach_type = ebpf_check_u32(L, 2),
        .insn_cnt = 2,
        .insns = (uint64_t)(uintptr_t)insns,
        .license = (uint64_t)(uintptr_t) "GPL",
    };
    struct bpf_cmd_position position = {0};
    int fd = bpf_cmd_prog_load(&attr);
    int error = errno;

    if (fd >= 0) {
        bpf_cmd_link_create(fd, (uint32_t)-1, attr.expected_attach_type, &position);
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

static const luaL_Reg functions[] = {
    {"prog_attach", probe_prog_attach},
    {"link_create", probe_link_create},
    {"link_detach", probe_link_detach},
    {"prog_query", probe_prog_query},
    {"link_of", probe_link_of},
    {"path_fd", probe_path_fd},
    {"token", probe_token},
    {NULL, NULL},
};

int ebpf_open_probe(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
