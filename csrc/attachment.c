/* Attachment: a program attached without a link; the hook owns it, and it stays when the handle is closed.
 * Commands: OBJ_GET_INFO_BY_FD for the id; PROG_ATTACH and PROG_DETACH are in mprog.c, with the hook.
 * The handle owns a descriptor of the program and one of the cgroup's directory. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "hook.h"
#include "names.h"
#include "numbers.h"
#include "modules.h"

struct ebpf_attachment *ebpf_attachment_prepare(lua_State *L, const struct ebpf_hook *hook, const char *where,
                                                int prog_fd, uint32_t flags)
{
    size_t length = strlen(where);
    struct ebpf_attachment *attachment = ebpf_handle_new(L, &ebpf_attachment_class, length + 1);
    int fd, error;

    attachment->hook = *hook;
    attachment->hook.fd = -1;
    attachment->flags = flags;
    memcpy(attachment->where, where, length);
    fd = bpf_cmd_dup(prog_fd);
    if (fd < 0)
        return NULL;
    ebpf_handle_own(attachment, fd);
    if (hook->fd >= 0)
        attachment->hook.fd = bpf_cmd_dup(hook->fd);
    if (hook->fd < 0 || attachment->hook.fd >= 0)
        return attachment;
    error = errno;
    ebpf_handle_close(attachment);
    errno = error;
    return NULL;
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

/* become(attachment, other): takes the program that other holds, and closes other. Can't fail. */
static int attachment_become(lua_State *L)
{
    struct ebpf_attachment *attachment = check(L, 1);
    struct ebpf_attachment *other = check(L, 2);
    int fd = attachment->handle.fd;

    attachment->handle.fd = other->handle.fd;
    attachment->handle.id = other->handle.id;
    attachment->flags = other->flags;
    attachment->detached = false; /* of the program before */
    other->handle.fd = fd;
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

    if (attachment->hook.fd >= 0)
        close(attachment->hook.fd);
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
