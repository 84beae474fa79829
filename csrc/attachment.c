/* Attachment: a program attached without a link; the hook owns it, and it stays when the handle is closed.
 * Commands: OBJ_GET_INFO_BY_FD for the id; PROG_ATTACH and PROG_DETACH are in mprog.c, with the hook.
 * The handle shares the descriptors of the Program and of the Mprog, which so outlive their own handles. */
#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "hook.h"
#include "names.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

/* The cgroup's directory, of a Mprog or of another Attachment. */
static struct ebpf_shared *share_place(struct ebpf_handle *holder)
{
    struct ebpf_attachment *other = (struct ebpf_attachment *)holder;

    if (holder->class == &ebpf_mprog_class)
        return ebpf_handle_share(holder);
    other->place->holders++;
    return other->place;
}

struct ebpf_attachment *ebpf_attachment_prepare(lua_State *L, int holder, int program, uint32_t flags)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, holder, &where);
    size_t length = strlen(where);
    struct ebpf_attachment *attachment = ebpf_handle_new(L, &ebpf_attachment_class, length + 1);
    struct ebpf_shared *shared;

    hook = ebpf_hook_check(L, holder, &where); /* again: what was allocated may have run finalizers */
    memcpy(attachment->where, where, length);
    attachment->hook = *hook;
    attachment->flags = flags;
    shared = ebpf_handle_share(ebpf_handle_check(L, program, &ebpf_program_class));
    if (shared)
        ebpf_handle_own_shared(attachment, shared);
    if (shared && hook->fd >= 0)
        attachment->place = share_place(lua_touserdata(L, holder));
    if (!shared || (hook->fd >= 0 && !attachment->place))
        luaL_error(L, "not enough memory");
    return attachment;
}

static struct ebpf_attachment *check(lua_State *L, int index)
{
    return ebpf_handle_check(L, index, &ebpf_attachment_class);
}

/* flags(attachment) -> attach flags without the position, whether it was detached here */
static int attachment_flags(lua_State *L)
{
    struct ebpf_attachment *attachment = check(L, 1);

    lua_pushinteger(L, (lua_Integer)attachment->flags);
    lua_pushboolean(L, attachment->detached);
    return 2;
}

static int attachment_set_detached(lua_State *L)
{
    check(L, 1)->detached = true;
    return 0;
}

/* On a cgroup the kernel compares the program only where the hook's mode is multi; in the others it takes off whatever is
 * there. Either the list is as those left it who share the place, which its revision says, or the hook is asked. 0, or -1:
 * it wants a closer look. */
static int detach_from_cgroup(struct ebpf_attachment *attachment)
{
    const struct ebpf_hook *hook = &attachment->hook;
    struct ebpf_shared *place = attachment->place;
    struct bpf_cmd_position position = {.revision = place->revision};
    struct abi_prog_query attr = {.target = (uint32_t)hook->fd, .attach_type = hook->attach_type};

    place->revision = 0;
    if (position.revision) {
        if (bpf_cmd_prog_detach((uint32_t)hook->fd, attachment->handle.fd, hook->attach_type, &position) == 0) {
            place->revision = position.revision + 1;
            return 0;
        }
        if (errno != ESTALE)
            return -1;
    }
    if (bpf_cmd_prog_query(&attr) < 0 || !attr.count || !(attr.attach_flags & ABI_F_ALLOW_MULTI))
        return -1;
    position.revision = attr.revision; /* 0: this kernel keeps none */
    if (bpf_cmd_prog_detach((uint32_t)hook->fd, attachment->handle.fd, hook->attach_type, &position) < 0)
        return -1;
    place->revision = attr.revision ? attr.revision + 1 : 0;
    return 0;
}

static int detach_from_device(struct ebpf_attachment *attachment)
{
    static const struct bpf_cmd_position anywhere;

    return bpf_cmd_prog_detach(attachment->hook.ifindex, attachment->handle.fd, attachment->hook.attach_type,
                               &anywhere);
}

/* detach(attachment) -> true; or false: it wants a closer look */
static int attachment_detach(lua_State *L)
{
    struct ebpf_attachment *attachment = ebpf_handle_at(L, 1, &ebpf_attachment_class);

    if (attachment && !attachment->detached)
        attachment->detached =
            (attachment->place ? detach_from_cgroup(attachment) : detach_from_device(attachment)) == 0;
    lua_pushboolean(L, attachment && attachment->detached);
    return 1;
}

/* become(attachment, other): takes the program that other holds, and closes other. Can't fail. */
static int attachment_become(lua_State *L)
{
    struct ebpf_attachment *attachment = check(L, 1);
    struct ebpf_attachment *other = check(L, 2);
    struct ebpf_shared *shared = attachment->handle.shared;

    attachment->handle.shared = other->handle.shared;
    attachment->handle.fd = other->handle.fd;
    attachment->handle.id = other->handle.id;
    attachment->flags = other->flags;
    attachment->detached = false; /* of the program before */
    other->handle.shared = shared;
    ebpf_handle_close(other);
    return 0;
}

static int attachment_program_id(lua_State *L)
{
    struct ebpf_attachment *attachment = check(L, 1);
    uint32_t id = ebpf_handle_id(&attachment->handle);

    if (!id)
        return ebpf_fail(L, errno, "program id", "of the attachment on %s", attachment->where);
    lua_pushinteger(L, (lua_Integer)id);
    return 1;
}

static void attachment_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    struct ebpf_attachment *attachment = (struct ebpf_attachment *)handle;

    ebpf_push_name(L, EBPF_ATTACH_TYPE, attachment->hook.attach_type);
    lua_pushfstring(L, "program %d %s %s on %s", (int)ebpf_handle_id(&attachment->handle),
                    attachment->detached ? "detached from" : "at", lua_tostring(L, -1), attachment->where);
}

static void attachment_release(struct ebpf_handle *handle)
{
    struct ebpf_attachment *attachment = (struct ebpf_attachment *)handle;

    ebpf_shared_drop(attachment->place);
    attachment->place = NULL;
    attachment->hook.fd = -1;
}

static const luaL_Reg methods[] = {
    {"program_id", attachment_program_id},
    {NULL, NULL},
};

const struct ebpf_class ebpf_attachment_class = {
    .name = "ebpf.attachment",
    .size = sizeof(struct ebpf_attachment),
    .methods = methods,
    .release = attachment_release,
    .describe = attachment_tostring,
};

static const luaL_Reg functions[] = {
    {"flags", attachment_flags},
    {"set_detached", attachment_set_detached},
    {"become", attachment_become},
    {"detach", attachment_detach},
    {NULL, NULL},
};

int ebpf_open_attachment(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ebpf_attachment_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
