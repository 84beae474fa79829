/* Link: a bpf_link, the object that holds a program on a hook.
 * Commands: LINK_UPDATE, LINK_DETACH, LINK_GET_NEXT_ID, OBJ_GET_INFO_BY_FD. LINK_CREATE is in mprog.c, with the hook.
 * The handle owns the link's descriptor; the kernel detaches when the last descriptor and pin are gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "names.h"
#include "numbers.h"
#include "usdt.h"
#include "modules.h"

static struct ebpf_link *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_link_class);
}

/* USDT: libbpf holds the kernel's links together, and the kernel knows nothing of that. */
static int refuse(lua_State *L, const struct ebpf_link *link, const char *operation, const char *why)
{
    return ebpf_fail_why(L, EOPNOTSUPP, why, operation, "%s", ebpf_usdt_section(link->usdt));
}

static int get_info(const struct ebpf_link *link, struct abi_link_info *info)
{
    uint32_t length = sizeof(*info);

    memset(info, 0, sizeof(*info));
    return bpf_cmd_info(link->handle.fd, info, &length);
}

static int fail_on(lua_State *L, struct ebpf_link *link, const char *operation)
{
    int error = errno;

    return ebpf_fail(L, error, operation, "%u", ebpf_handle_id(&link->handle));
}

/* update(new, old): with old, only if that is what runs (BPF_F_REPLACE). Programs, or struct_ops maps. */
static int link_update(lua_State *L)
{
    struct ebpf_link *link = check(L);
    struct ebpf_handle *new = ebpf_handle_at(L, 2, &ebpf_program_class), *old;
    const struct ebpf_class *class =
        new || !ebpf_handle_test(L, 2, &ebpf_map_class) ? &ebpf_program_class : &ebpf_map_class;

    new = new ? new : ebpf_handle_check(L, 2, class);
    old = ebpf_handle_opt(L, 3, class);
    if (link->usdt)
        return refuse(L, link, "link update", "a link of USDT probes can't be updated: close it, and make another");
    if (class == &ebpf_map_class)
        ebpf_struct_ops_fill((struct ebpf_map *)new);
    if (bpf_cmd_link_update(link->handle.fd, new->fd, old ? old->fd : -1) < 0)
        return fail_on(L, link, "link update");
    lua_pushboolean(L, 1);
    return 1;
}

static int link_detach(lua_State *L)
{
    struct ebpf_link *link = check(L);

    if (link->usdt)
        return refuse(L, link, "link detach", "a link of USDT probes can't be detached: close it");
    if (bpf_cmd_link_detach(link->handle.fd) < 0)
        return fail_on(L, link, "link detach");
    link->detached = true;
    lua_pushboolean(L, 1);
    return 1;
}

/* info(link) -> type, id, program_id, cgroup_id or ifindex, attach_type, all numbers, of links on cgroups and devices, which
 * are asked most and whose table is Lua's to make; of others the table; false if it is no open link */
static int link_info(lua_State *L)
{
    struct ebpf_link *link = ebpf_handle_at(L, 1, &ebpf_link_class);
    struct abi_link_info info;
    uint32_t words[3];
    uint64_t cgroup_id;

    if (!link) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (link->usdt) {
        ebpf_usdt_push_info(L, link->usdt);
        return 1;
    }
    if (get_info(link, &info) < 0)
        return fail_on(L, link, "link info");
    link->handle.id = info.id;
    if (info.type != ABI_LINK_TYPE_CGROUP && info.type != ABI_LINK_TYPE_TCX && info.type != ABI_LINK_TYPE_NETKIT) {
        ebpf_push_link_info(L, link->handle.fd, &info);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)info.type);
    lua_pushinteger(L, (lua_Integer)info.id);
    lua_pushinteger(L, (lua_Integer)info.prog_id);
    memcpy(words, info.arm, sizeof(words));
    if (info.type == ABI_LINK_TYPE_CGROUP) {
        memcpy(&cgroup_id, info.arm, sizeof(cgroup_id));
        ebpf_push_u64(L, cgroup_id);
        lua_pushinteger(L, (lua_Integer)words[2]);
    } else {
        lua_pushinteger(L, (lua_Integer)words[0]);
        lua_pushinteger(L, (lua_Integer)words[1]);
    }
    return 5;
}

/* What a link is attached to is the first word of its arm: 0 once detached, or once the target is gone. */
bool ebpf_link_attached(const struct abi_link_info *info)
{
    static const uint8_t none[8];
    const char *type = ebpf_name(EBPF_LINK_TYPE, info->type);

    if (!type)
        return true;
    if (strcmp(type, "cgroup") == 0)
        return memcmp(info->arm, none, 8) != 0;
    if (strcmp(type, "tcx") == 0 || strcmp(type, "netkit") == 0 || strcmp(type, "xdp") == 0 ||
        strcmp(type, "netns") == 0 || strcmp(type, "sockmap") == 0 || strcmp(type, "struct_ops") == 0)
        return memcmp(info->arm, none, 4) != 0;
    return true;
}

static int link_alive(lua_State *L)
{
    struct ebpf_link *link = check(L);
    struct abi_link_info info = {0};

    if (!link->usdt && get_info(link, &info) < 0)
        return fail_on(L, link, "link info");
    lua_pushboolean(L, link->usdt || (!link->detached && ebpf_link_attached(&info)));
    return 1;
}

static int link_id(lua_State *L)
{
    struct ebpf_link *link = check(L);
    uint32_t id = link->usdt ? 0 : ebpf_handle_id(&link->handle);

    if (link->usdt)
        return refuse(L, link, "link id", "USDT probes are many links of the kernel's, which has no id for all");
    if (!id)
        return fail_on(L, link, "link id");
    lua_pushinteger(L, id);
    return 1;
}

static void link_release(struct ebpf_handle *handle)
{
    struct ebpf_link *link = (struct ebpf_link *)handle;

    ebpf_usdt_free(link->usdt);
    link->usdt = NULL;
    free(link->origin);
    link->origin = NULL;
}

static void link_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    const struct ebpf_link *link = (const struct ebpf_link *)handle;

    if (link->usdt)
        lua_pushstring(L, ebpf_usdt_section(link->usdt));
    else
        lua_pushfstring(L, "id %d", (int)ebpf_handle_id((struct ebpf_handle *)handle));
}

static void push_owner(lua_State *L, const struct abi_link_info *info, uint64_t cgroup_id)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)info->id);
    lua_setfield(L, -2, "link_id");
    lua_pushinteger(L, (lua_Integer)info->prog_id);
    lua_setfield(L, -2, "program_id");
    ebpf_push_u64(L, cgroup_id);
    lua_setfield(L, -2, "cgroup_id");
}

/* on_cgroups(attach_type, cgroup_id, …) -> {{link_id=, program_id=, cgroup_id=}, …}, skipped, dying: all links there, by
 * id. A dying link, whose last holder is gone, can't be opened any more; its program may still be in the list.
 * In one call, because a cgroup's query tells no link ids (6.18) and every question after them walks the whole system. */
static int link_on_cgroups(lua_State *L)
{
    struct bpf_cmd_walk walk = {.next_id = ABI_LINK_GET_NEXT_ID, .fd_by_id = ABI_LINK_GET_FD_BY_ID};
    uint32_t attach_type = ebpf_check_u32(L, 1), found_type;
    int cgroups = lua_gettop(L) - 1, count = 0, skipped = 0, dying = 0;
    uint64_t *wanted = compat_newuserdata(L, sizeof(*wanted) * (size_t)(cgroups + 1));

    for (int i = 0; i < cgroups; i++)
        wanted[i] = ebpf_check_u64(L, i + 2);
    lua_newtable(L);
    while (bpf_cmd_step(&walk) == 0) {
        struct abi_link_info info = {0};
        uint32_t length = sizeof(info);
        uint64_t cgroup_id;
        int result;

        if (walk.fd < 0) {
            skipped++;
            dying += errno == ENOENT || errno == EAGAIN;
            continue;
        }
        result = bpf_cmd_info(walk.fd, &info, &length);
        close(walk.fd);
        if (result < 0 || info.type != ABI_LINK_TYPE_CGROUP)
            continue;
        memcpy(&cgroup_id, info.arm, sizeof(cgroup_id));
        memcpy(&found_type, info.arm + sizeof(cgroup_id), sizeof(found_type));
        for (int i = 0; found_type == attach_type && i < cgroups; i++)
            if (wanted[i] == cgroup_id) {
                push_owner(L, &info, cgroup_id);
                lua_rawseti(L, -2, ++count);
            }
    }
    if (errno != ENOENT)
        return ebpf_fail(L, errno, "each", "link");
    lua_pushinteger(L, skipped);
    lua_pushinteger(L, dying);
    return 3;
}

static const luaL_Reg methods[] = {
    {"update", link_update}, {"detach", link_detach}, {"alive", link_alive}, {"id", link_id}, {NULL, NULL},
};

const struct ebpf_class ebpf_link_class = {
    .name = "ebpf.link",
    .size = sizeof(struct ebpf_link),
    .methods = methods,
    .made = ebpf_link_made,
    .forget = ebpf_link_forget,
    .release = link_release,
    .describe = link_tostring,
    .collected = ebpf_link_collected,
};

static const luaL_Reg functions[] = {
    {"on_cgroups", link_on_cgroups},
    {"info", link_info},
    {NULL, NULL},
};

int ebpf_open_link(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_link_watch_open(L);
    ebpf_things_functions(L, &ebpf_link_class);
    ebpf_class_open(L, &ebpf_link_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
