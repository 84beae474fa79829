/* Rootlet: one XDP program on a device, whose functions slot1 … slotN others replace by links of their own.
 * No bpf(2) command: the program is made in rootlet_program.c, the links in link_create.c.
 * The handle owns a descriptor of the XDP link and one of the program. A slot belongs to the link that fills it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

struct ebpf_rootlet {
    struct ebpf_link link;
    int program_fd;
    uint32_t slots;
    char where[]; /* the device's name */
};

static struct ebpf_rootlet *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_rootlet_class);
}

/* Duplicates, in a handle that has none yet: 0, or -1 with errno. */
static int own(struct ebpf_rootlet *rootlet, int link_fd, int program_fd)
{
    int fd = bpf_cmd_dup(link_fd), error;

    if (fd < 0)
        return -1;
    rootlet->program_fd = -1;
    ebpf_handle_own(rootlet, fd);
    rootlet->program_fd = bpf_cmd_dup(program_fd);
    if (rootlet->program_fd >= 0)
        return 0;
    error = errno;
    ebpf_handle_close(rootlet);
    errno = error;
    return -1;
}

/* new(program, link, where, slots, created) -> rootlet, of duplicates; created: its link was made here */
static int rootlet_new(lua_State *L)
{
    struct ebpf_handle *program = ebpf_handle_check(L, 1, &ebpf_program_class);
    struct ebpf_handle *link = ebpf_handle_check(L, 2, &ebpf_link_class);
    size_t length;
    const char *where = luaL_checklstring(L, 3, &length);
    uint32_t slots = ebpf_check_u32(L, 4);
    bool created = lua_toboolean(L, 5);
    struct ebpf_rootlet *rootlet = ebpf_handle_new(L, &ebpf_rootlet_class, length + 1);

    memcpy(rootlet->where, where, length);
    rootlet->slots = slots;
    if (own(rootlet, link->fd, program->fd) < 0)
        return ebpf_fail(L, errno, "rootlet open", "%s", where);
    rootlet->link.created = created;
    return 1;
}

/* program(rootlet) -> program, of a duplicate */
static int rootlet_program(lua_State *L)
{
    struct ebpf_rootlet *rootlet = check(L);
    struct ebpf_handle *program = ebpf_handle_new(L, &ebpf_program_class, 0);
    int fd = bpf_cmd_dup(rootlet->program_fd);

    if (fd < 0)
        return ebpf_fail(L, errno, "rootlet", "%s", rootlet->where);
    ebpf_handle_own(program, fd);
    return 1;
}

/* describe(rootlet) -> {where=, slots=} */
static int rootlet_describe(lua_State *L)
{
    struct ebpf_rootlet *rootlet = check(L);

    lua_createtable(L, 0, 2);
    lua_pushstring(L, rootlet->where);
    lua_setfield(L, -2, "where");
    lua_pushinteger(L, (lua_Integer)rootlet->slots);
    lua_setfield(L, -2, "slots");
    return 1;
}

/* set_pinned(rootlet): it outlives the handle, so nobody need be warned of its end */
static int rootlet_set_pinned(lua_State *L)
{
    check(L)->link.pinned = true;
    return 0;
}

static void rootlet_release(struct ebpf_handle *handle)
{
    struct ebpf_rootlet *rootlet = (struct ebpf_rootlet *)handle;

    free(rootlet->link.origin);
    rootlet->link.origin = NULL;
    if (rootlet->program_fd >= 0)
        close(rootlet->program_fd);
    rootlet->program_fd = -1;
}

static void rootlet_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    const struct ebpf_rootlet *rootlet = (const struct ebpf_rootlet *)handle;

    lua_pushfstring(L, "%s, %d slots", rootlet->where, (int)rootlet->slots);
}

static const luaL_Reg methods[] = {
    {"program", rootlet_program},
    {NULL, NULL},
};

const struct ebpf_class ebpf_rootlet_class = {
    .name = "ebpf.rootlet",
    .size = sizeof(struct ebpf_rootlet),
    .methods = methods,
    .release = rootlet_release,
    .made = ebpf_link_made,
    .forget = ebpf_link_forget,
    .collected = ebpf_link_collected,
    .describe = rootlet_tostring,
};

static const luaL_Reg functions[] = {
    {"new", rootlet_new},
    {"describe", rootlet_describe},
    {"set_pinned", rootlet_set_pinned},
    {NULL, NULL},
};

int ebpf_open_rootlet(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ebpf_rootlet_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
