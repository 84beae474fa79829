/* Netns: a network namespace, held open while something is put on it.
 * No bpf(2) command.
 * The handle owns a descriptor of the namespace's file, or a duplicate of the one it was given. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "handle.h"
#include "numbers.h"
#include "modules.h"

static const struct ebpf_class netns_class;

/* open(path | nil, fd | nil, where) -> netns; whether it is one, the kernel says when something is put on it */
static int netns_open(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    int number = path ? -1 : (int)ebpf_check_u32(L, 2);
    const char *where = luaL_checkstring(L, 3);
    struct ebpf_handle *netns = ebpf_handle_new(L, &netns_class, 0);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : number;

    if (fd >= 0 && (!path || fd < 3)) {
        int moved = bpf_cmd_dup(fd);

        if (path)
            close(fd);
        fd = moved;
    }
    if (fd < 0)
        return ebpf_fail(L, errno, "netns", "%s", where);
    ebpf_handle_own(netns, fd);
    return 1;
}

/* inode() -> what netns_ino of a link's info is */
static int netns_inode(lua_State *L)
{
    struct ebpf_handle *netns = ebpf_handle_check(L, 1, &netns_class);
    struct stat status;

    if (fstat(netns->fd, &status) < 0)
        return ebpf_fail(L, errno, "netns", "fd %d", netns->fd);
    ebpf_push_u64(L, status.st_ino);
    return 1;
}

static const luaL_Reg methods[] = {
    {"inode", netns_inode},
    {NULL, NULL},
};

static void netns_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    (void)handle;
    lua_pushstring(L, "network namespace");
}

static const struct ebpf_class netns_class = {
    .name = "ebpf.netns",
    .size = sizeof(struct ebpf_handle),
    .methods = methods,
    .describe = netns_tostring,
};

int ebpf_open_netns(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, netns_open);
    lua_setfield(L, -2, "open");
    ebpf_class_open(L, &netns_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
