/* Links on hooks that hold no ordered list: XDP, network namespaces, sockmaps, netfilter, functions of programs, iterators.
 * Commands: LINK_CREATE. The ordered hooks are in mprog.c.
 * The Link made here owns its descriptor; what it is put on is only borrowed. */
#include <errno.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

enum { XDP_MODES = ABI_XDP_SKB_MODE | ABI_XDP_DRV_MODE | ABI_XDP_HW_MODE };

static int finish(lua_State *L, struct ebpf_link *link, int fd, const char *operation, const char *subject)
{
    if (fd < 0)
        return ebpf_fail(L, errno, operation, "%s", subject);
    ebpf_handle_own(link, fd);
    link->created = true;
    return 1;
}

/* on(operation, subject, program, attach_type, target): target is an ifindex or a descriptor -> link */
static int create_on(lua_State *L)
{
    const char *operation = luaL_checkstring(L, 1), *subject = luaL_checkstring(L, 2);
    struct ebpf_handle *program = ebpf_handle_check(L, 3, &ebpf_program_class);
    uint32_t attach_type = ebpf_check_u32(L, 4), target = ebpf_check_u32(L, 5);
    struct bpf_cmd_position position = {.flags = ebpf_opt_u32(L, 6, 0)};
    struct ebpf_link *link;

    luaL_argcheck(L, (position.flags & ~(uint32_t)XDP_MODES) == 0, 6, "unknown flags");
    link = ebpf_handle_new(L, &ebpf_link_class, 0);
    return finish(L, link, bpf_cmd_link_create(program->fd, target, attach_type, &position), operation, subject);
}

/* netfilter(subject, program, pf, hooknum, priority, flags) -> link */
static int create_netfilter(lua_State *L)
{
    const char *subject = luaL_checkstring(L, 1);
    struct ebpf_handle *program = ebpf_handle_check(L, 2, &ebpf_program_class);
    struct bpf_cmd_netfilter hook = {
        .pf = ebpf_check_u32(L, 3),
        .hooknum = ebpf_check_u32(L, 4),
        .priority = (int32_t)luaL_checkinteger(L, 5),
        .flags = ebpf_check_u32(L, 6),
    };
    struct ebpf_link *link;

    luaL_argcheck(L, (hook.flags & ~(uint32_t)ABI_NETFILTER_IP_DEFRAG) == 0, 6, "unknown flags");
    link = ebpf_handle_new(L, &ebpf_link_class, 0);
    return finish(L, link, bpf_cmd_link_create_netfilter(program->fd, &hook), "link netfilter", subject);
}

/* freplace(operation, subject, program, target | nil, btf_id | nil) -> link */
static int create_freplace(lua_State *L)
{
    const char *operation = luaL_checkstring(L, 1), *subject = luaL_checkstring(L, 2);
    struct ebpf_handle *program = ebpf_handle_check(L, 3, &ebpf_program_class);
    struct ebpf_handle *target = ebpf_handle_opt(L, 4, &ebpf_program_class);
    uint32_t btf_id = ebpf_opt_u32(L, 5, 0);
    struct ebpf_link *link = ebpf_handle_new(L, &ebpf_link_class, 0);
    int fd = bpf_cmd_link_create_freplace(program->fd, target ? target->fd : -1, btf_id);

    return finish(L, link, fd, operation, subject);
}

/* iter(subject, program, map_fd | nil, order | nil, cgroup_fd | nil, tid | nil, pid | nil) -> link: for maps, for cgroups,
 * or for tasks */
static int create_iter(lua_State *L)
{
    const char *subject = luaL_checkstring(L, 1);
    struct ebpf_handle *program = ebpf_handle_check(L, 2, &ebpf_program_class);
    struct abi_iter_info info = {.map_fd = ebpf_opt_u32(L, 3, 0)};
    struct ebpf_link *link;

    if (!lua_isnoneornil(L, 4)) {
        info.order = ebpf_check_u32(L, 4);
        info.cgroup_fd = ebpf_opt_u32(L, 5, 0);
    } else if (!info.map_fd) {
        info.tid = ebpf_opt_u32(L, 6, 0);
        info.pid = ebpf_opt_u32(L, 7, 0);
    }
    link = ebpf_handle_new(L, &ebpf_link_class, 0);
    return finish(L, link, bpf_cmd_link_create_iter(program->fd, &info), "link auto", subject);
}

static const luaL_Reg functions[] = {
    {"on", create_on}, {"netfilter", create_netfilter}, {"freplace", create_freplace}, {"iter", create_iter},
    {NULL, NULL},
};

int ebpf_open_link_create(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
