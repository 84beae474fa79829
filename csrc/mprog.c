/* Mprog: the ordered list of programs on one hook of a cgroup or a device.
 * Commands: LINK_CREATE, PROG_ATTACH, PROG_DETACH, PROG_QUERY.
 * The handle owns a descriptor of the cgroup's directory; a device has only its index. */
#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "hook.h"
#include "names.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

/* What an Attachment must repeat when its program is replaced. */
enum { KEPT_FLAGS = ABI_F_ALLOW_OVERRIDE | ABI_F_ALLOW_MULTI | ABI_F_PREORDER };

enum { LINK_FLAGS = ABI_F_BEFORE | ABI_F_AFTER | ABI_F_ID | ABI_F_LINK | ABI_F_PREORDER };

uint32_t ebpf_hook_target(const struct ebpf_hook *hook)
{
    return hook->fd >= 0 ? (uint32_t)hook->fd : hook->ifindex;
}

const struct ebpf_hook *ebpf_hook_check(lua_State *L, int index, const char **where)
{
    struct ebpf_mprog *mprog = ebpf_handle_at(L, index, &ebpf_mprog_class);
    struct ebpf_attachment *attachment = mprog ? NULL : ebpf_handle_test(L, index, &ebpf_attachment_class);

    if (attachment) {
        *where = attachment->where;
        return &attachment->hook;
    }
    mprog = mprog ? mprog : ebpf_handle_check(L, index, &ebpf_mprog_class);
    *where = mprog->where;
    return &mprog->hook;
}

/* A program's descriptor: of a Program, or of what an Attachment holds; -1 for nil. */
static int program_fd(lua_State *L, int index)
{
    struct ebpf_handle *attachment = ebpf_handle_test(L, index, &ebpf_attachment_class);
    struct ebpf_handle *program = attachment ? attachment : ebpf_handle_opt(L, index, &ebpf_program_class);

    return program ? program->fd : -1;
}

/* flags, relative, revision at index and after */
static struct bpf_cmd_position check_position(lua_State *L, int index)
{
    struct bpf_cmd_position position = {
        .flags = ebpf_opt_u32(L, index, 0),
        .relative = ebpf_opt_u32(L, index + 1, 0),
        .revision = lua_isnoneornil(L, index + 2) ? 0 : ebpf_check_u64(L, index + 2),
    };

    return position;
}

static int fail_on(lua_State *L, int error, const char *operation, const struct ebpf_hook *hook, const char *where)
{
    const char *type = ebpf_name(EBPF_ATTACH_TYPE, hook->attach_type);

    return ebpf_fail(L, error, operation, "%s on %s", type ? type : "?", where);
}

/* new(fd | nil, ifindex, attach_type, cgroup_id, where) -> mprog */
static int mprog_new(lua_State *L)
{
    int fd = lua_isnoneornil(L, 1) ? -1 : (int)ebpf_check_u32(L, 1);
    uint32_t ifindex = ebpf_check_u32(L, 2);
    uint32_t attach_type = ebpf_check_u32(L, 3);
    uint64_t cgroup_id = ebpf_check_u64(L, 4);
    size_t length;
    const char *where = luaL_checklstring(L, 5, &length);
    struct ebpf_mprog *mprog = ebpf_handle_new(L, &ebpf_mprog_class, length + 1);

    memcpy(mprog->where, where, length);
    mprog->hook.fd = -1;
    mprog->hook.ifindex = ifindex;
    mprog->hook.attach_type = attach_type;
    mprog->hook.cgroup_id = cgroup_id;
    if (fd >= 0) {
        mprog->hook.fd = bpf_cmd_dup(fd);
        if (mprog->hook.fd < 0)
            return ebpf_fail(L, errno, "mprog", "%s", where);
    }
    ebpf_handle_own(mprog, mprog->hook.fd);
    return 1;
}

/* The hook is asked for again where anything was allocated: that may have run finalizers, which may have closed it. */
static int create_link(lua_State *L, const struct bpf_cmd_position *position)
{
    const char *where;
    const struct ebpf_hook *hook;
    struct ebpf_link *link = ebpf_handle_new(L, &ebpf_link_class, 0);
    struct ebpf_handle *program = ebpf_handle_check(L, 2, &ebpf_program_class);
    int fd;

    hook = ebpf_hook_check(L, 1, &where);
    fd = bpf_cmd_link_create(program->fd, ebpf_hook_target(hook), hook->attach_type, position);
    if (fd < 0)
        return fail_on(L, errno, "link", hook, where);
    ebpf_handle_own(link, fd);
    link->created = true;
    return 1;
}

/* The Attachment on top, which holds the program already. */
static int attach(lua_State *L, struct ebpf_attachment *attachment, int replaced,
                  const struct bpf_cmd_position *position)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);
    int error;

    if (bpf_cmd_prog_attach(ebpf_hook_target(hook), attachment->handle.fd, hook->attach_type,
                            replaced >= 0 ? replaced : 0, position) == 0)
        return 1;
    error = errno;
    ebpf_handle_close(attachment);
    return fail_on(L, error, replaced >= 0 ? "replace" : "attach", hook, where);
}

/* Where the list's revision is known it is said, so that it is known afterwards too, and detaching needn't ask. */
static bool attach_to_known(struct ebpf_attachment *attachment, struct bpf_cmd_position *position)
{
    struct ebpf_shared *place = attachment->place;
    bool done;

    if (!place || !place->revision)
        return false;
    position->revision = place->revision;
    done =
        bpf_cmd_prog_attach((uint32_t)place->fd, attachment->handle.fd, attachment->hook.attach_type, 0, position) == 0;
    place->revision = done ? position->revision + 1 : 0;
    position->revision = 0;
    return done;
}

/* Without options, which is what is called most: a Mprog and a Program, both open; else false, and nothing is done. */
static bool plain(lua_State *L)
{
    return ebpf_handle_at(L, 1, &ebpf_mprog_class) && ebpf_handle_at(L, 2, &ebpf_program_class);
}

/* link_plain(hook, program) -> link | false */
static int mprog_link_plain(lua_State *L)
{
    static const struct bpf_cmd_position anywhere;

    if (plain(L))
        return create_link(L, &anywhere);
    lua_pushboolean(L, 0);
    return 1;
}

/* attach_plain(hook, program) -> attachment | false */
static int mprog_attach_plain(lua_State *L)
{
    struct bpf_cmd_position position = {0};
    struct ebpf_attachment *attachment;

    if (!plain(L)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    position.flags = ((struct ebpf_mprog *)lua_touserdata(L, 1))->hook.fd >= 0 ? ABI_F_ALLOW_MULTI : 0;
    attachment = ebpf_attachment_prepare(L, 1, 2, position.flags & KEPT_FLAGS);
    return attach_to_known(attachment, &position) ? 1 : attach(L, attachment, -1, &position);
}

/* link(hook, program, flags, relative, revision) -> link */
static int mprog_link(lua_State *L)
{
    struct bpf_cmd_position position = check_position(L, 3);

    /* tcx takes unknown bits beside BEFORE or AFTER without a word, and means something by REPLACE that can't be (6.18) */
    luaL_argcheck(L, (position.flags & ~(uint32_t)LINK_FLAGS) == 0, 3, "unknown flags");
    return create_link(L, &position);
}

/* attach(hook, program, flags, relative, revision, replaced | nil) -> attachment */
static int mprog_attach(lua_State *L)
{
    struct bpf_cmd_position position = check_position(L, 3);
    struct ebpf_attachment *attachment;
    int replaced;

    lua_settop(L, 6);
    attachment = ebpf_attachment_prepare(L, 1, 2, position.flags & KEPT_FLAGS);
    replaced = program_fd(L, 6);
    position.flags |= replaced >= 0 ? ABI_F_REPLACE : 0;
    return attach(L, attachment, replaced, &position);
}

/* holding(hook, program) -> attachment, of a program that is attached already */
static int mprog_holding(lua_State *L)
{
    ebpf_attachment_prepare(L, 1, 2, 0);
    return 1;
}

/* detach(hook, program | nil, flags, relative, revision) -> true */
static int mprog_detach(lua_State *L)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);
    int fd = program_fd(L, 2);
    struct bpf_cmd_position position = check_position(L, 3);

    if (bpf_cmd_prog_detach(ebpf_hook_target(hook), fd >= 0 ? fd : 0, hook->attach_type, &position) < 0)
        return fail_on(L, errno, "detach", hook, where);
    lua_pushboolean(L, 1);
    return 1;
}

enum { FIRST_GUESS = 64, ARRAYS = 3 };

/* One query into arrays of `room` ids; they are prog_ids, link_ids and prog_attach_flags, in that order.
 * Link ids exist on devices only; LSM_CGROUP wants the flags array, and EFFECTIVE refuses it. */
static int query_into(const struct ebpf_hook *hook, uint32_t query_flags, uint32_t *ids, uint32_t room,
                      struct abi_prog_query *attr)
{
    const char *type = ebpf_name(EBPF_ATTACH_TYPE, hook->attach_type);

    memset(ids, 0, ARRAYS * room * sizeof(*ids));
    memset(attr, 0, sizeof(*attr));
    attr->target = ebpf_hook_target(hook);
    attr->attach_type = hook->attach_type;
    attr->query_flags = query_flags;
    attr->count = room;
    attr->prog_ids = (uint64_t)(uintptr_t)ids;
    if (hook->fd < 0)
        attr->link_ids = (uint64_t)(uintptr_t)(ids + room);
    if (type && strcmp(type, "lsm_cgroup") == 0 && !(query_flags & ABI_F_QUERY_EFFECTIVE))
        attr->prog_attach_flags = (uint64_t)(uintptr_t)(ids + 2 * room);
    return bpf_cmd_prog_query(attr);
}

/* query(hook, query_flags) -> attach_flags, revision | false, count, program id, …, on devices with as many link ids or 0:
 * in the kernel's order. Tables of them are Lua's to make, which does so faster: lua/ebpf/entries.lua. */
static int mprog_query(lua_State *L)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);
    uint32_t query_flags = ebpf_opt_u32(L, 2, 0);
    uint32_t stack[ARRAYS * FIRST_GUESS], *ids = stack;
    uint32_t room = FIRST_GUESS;
    struct abi_prog_query attr;
    bool links;

    while (query_into(hook, query_flags, ids, room, &attr) < 0) {
        if (errno != ENOSPC)
            return fail_on(L, errno, "query", hook, where);
        room = attr.count + FIRST_GUESS; /* more may come before the next try */
        ids = compat_newuserdata(L, ARRAYS * room * sizeof(*ids));
        hook = ebpf_hook_check(L, 1, &where);
    }
    links = hook->fd < 0;
    luaL_checkstack(L, (int)attr.count * 2 + 3, "too many programs");
    lua_pushinteger(L, (lua_Integer)attr.attach_flags);
    if (attr.revision)
        ebpf_push_u64(L, attr.revision);
    else
        lua_pushboolean(L, 0); /* this kernel keeps none */
    lua_pushinteger(L, (lua_Integer)attr.count);
    for (uint32_t i = 0; i < attr.count; i++)
        lua_pushinteger(L, (lua_Integer)ids[i]);
    for (uint32_t i = 0; links && i < attr.count; i++)
        lua_pushinteger(L, (lua_Integer)ids[room + i]);
    return 3 + (int)attr.count * (links ? 2 : 1);
}

/* mode(hook) -> attach_flags, count, revision | nil: a query without the list */
static int mprog_mode(lua_State *L)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);
    struct abi_prog_query attr = {.target = ebpf_hook_target(hook), .attach_type = hook->attach_type};

    if (bpf_cmd_prog_query(&attr) < 0)
        return fail_on(L, errno, "query", hook, where);
    lua_pushinteger(L, (lua_Integer)attr.attach_flags);
    lua_pushinteger(L, (lua_Integer)attr.count);
    if (!attr.revision)
        return 2;
    ebpf_push_u64(L, attr.revision);
    return 3;
}

/* on_device(hook) -> boolean: not on a cgroup */
static int mprog_on_device(lua_State *L)
{
    const char *where;

    lua_pushboolean(L, ebpf_hook_check(L, 1, &where)->fd < 0);
    return 1;
}

/* describe(hook) -> {attach_type=, where=, cgroup_id= | ifindex=} */
static int mprog_describe(lua_State *L)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);

    lua_createtable(L, 0, 4);
    ebpf_push_name(L, EBPF_ATTACH_TYPE, hook->attach_type);
    lua_setfield(L, -2, "attach_type");
    lua_pushstring(L, where);
    lua_setfield(L, -2, "where");
    if (hook->fd >= 0)
        ebpf_push_u64(L, hook->cgroup_id);
    else
        lua_pushinteger(L, (lua_Integer)hook->ifindex);
    lua_setfield(L, -2, hook->fd >= 0 ? "cgroup_id" : "ifindex");
    return 1;
}

static void mprog_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    const struct ebpf_mprog *mprog = (const struct ebpf_mprog *)handle;

    ebpf_push_name(L, EBPF_ATTACH_TYPE, mprog->hook.attach_type);
    lua_pushfstring(L, "%s on %s", lua_tostring(L, -1), mprog->where);
}

static const luaL_Reg methods[] = {
    {NULL, NULL},
};

const struct ebpf_class ebpf_mprog_class = {
    .name = "ebpf.mprog",
    .size = sizeof(struct ebpf_mprog),
    .methods = methods,
    .describe = mprog_tostring,
};

static const luaL_Reg functions[] = {
    {"holding", mprog_holding},
    {"new", mprog_new},
    {"link", mprog_link},
    {"attach", mprog_attach},
    {"link_plain", mprog_link_plain},
    {"attach_plain", mprog_attach_plain},
    {"detach", mprog_detach},
    {"query", mprog_query},
    {"mode", mprog_mode},
    {"describe", mprog_describe},
    {"on_device", mprog_on_device},
    {NULL, NULL},
};

int ebpf_open_mprog(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ebpf_mprog_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
