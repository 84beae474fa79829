/* Token: what a bpffs delegates to a user namespace, for loading and creating there.
 * Commands: TOKEN_CREATE, OBJ_GET_INFO_BY_FD; PROG_LOAD and MAP_CREATE take its descriptor.
 * The handle owns the token's descriptor, and none of the file system's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "names.h"
#include "things.h"
#include "modules.h"

struct ebpf_token {
    struct ebpf_handle handle;
    char path[];
};

static const char *const no_token_info = "what a token allows can be asked since Linux 6.17 (asked: refused)";

const char ebpf_token_refuses[] = "neither the token nor this process's capabilities allow it";

static struct ebpf_token *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_token_class);
}

int ebpf_opt_token(lua_State *L, int index)
{
    struct ebpf_handle *token = ebpf_handle_opt(L, index, &ebpf_token_class);

    return token ? token->fd : -1;
}

/* open(path) -> token. The directory's descriptor lives no longer than this call. */
static int token_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct ebpf_token *token = ebpf_handle_new(L, &ebpf_token_class, strlen(path) + 1);
    int directory, fd, error;

    strcpy(token->path, path);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* O_PATH: EBADF */
    if (directory < 0)
        return ebpf_fail(L, errno, "token", "%s", path);
    fd = bpf_cmd_token_create(directory);
    error = errno;
    close(directory);
    if (fd < 0)
        return ebpf_fail(L, error, "token create", "%s", path);
    ebpf_handle_own(token, fd);
    return 1;
}

/* "any", or a list of the names whose bits are set */
static void set_mask(lua_State *L, const char *field, enum ebpf_names names, uint64_t mask)
{
    int count = 0;

    if (mask == UINT64_MAX) {
        lua_pushliteral(L, "any");
        lua_setfield(L, -2, field);
        return;
    }
    lua_newtable(L);
    for (uint32_t bit = 0; bit < 64; bit++)
        if (mask >> bit & 1) {
            ebpf_push_name(L, names, bit);
            lua_rawseti(L, -2, ++count);
        }
    lua_setfield(L, -2, field);
}

/* info() -> {commands=, map_types=, program_types=, attach_types=} */
static int token_info(lua_State *L)
{
    struct ebpf_token *token = check(L);
    struct abi_token_info info = {0};
    uint32_t length = sizeof(info);

    if (bpf_cmd_info(token->handle.fd, &info, &length) < 0) {
        if (errno == EINVAL) /* the descriptor is a token's: so the kernel has no such info */
            return ebpf_fail_why(L, ENOTSUP, no_token_info, "token info", "%s", token->path);
        return ebpf_fail(L, errno, "token info", "%s", token->path);
    }
    lua_createtable(L, 0, 4);
    set_mask(L, "commands", EBPF_COMMAND, info.allowed_cmds);
    set_mask(L, "map_types", EBPF_MAP_TYPE, info.allowed_maps);
    set_mask(L, "program_types", EBPF_PROGRAM_TYPE, info.allowed_progs);
    set_mask(L, "attach_types", EBPF_ATTACH_TYPE, info.allowed_attachs);
    return 1;
}

static int token_path(lua_State *L)
{
    lua_pushstring(L, check(L)->path);
    return 1;
}

static void token_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct ebpf_token *)handle)->path);
}

static const luaL_Reg methods[] = {
    {"info", token_info},
    {"path", token_path},
    {NULL, NULL},
};

const struct ebpf_class ebpf_token_class = {
    .name = "ebpf.token",
    .size = sizeof(struct ebpf_token),
    .methods = methods,
    .describe = token_tostring,
};

int ebpf_open_token(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, token_open);
    lua_setfield(L, -2, "open");
    ebpf_class_open(L, &ebpf_token_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
