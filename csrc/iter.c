/* Iterator: a walk that a BPF program makes over things of the kernel, read as text.
 * Commands: ITER_CREATE.
 * The handle owns the walk's descriptor; the link that it was made from may go meanwhile. */
#include <errno.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "things.h"
#include "usdt.h"
#include "modules.h"

static const struct ebpf_class iterator_class;

enum { CHUNK = 8192, ATTEMPTS = 1000 };

/* open(link) -> iterator */
static int iter_open(lua_State *L)
{
    struct ebpf_handle *link = ebpf_handle_check(L, 1, &ebpf_link_class);
    struct ebpf_handle *iterator = ebpf_handle_new(L, &iterator_class, 0);
    int fd;

    if (link->fd < 0)
        /* many links, and none an iterator's */
        return ebpf_fail(L, EINVAL, "link lines", "%s", ebpf_usdt_section(((struct ebpf_link *)link)->usdt));
    fd = bpf_cmd_iter_create(link->fd);
    if (fd < 0)
        return ebpf_fail(L, errno, "link lines", "%u", ebpf_handle_id(link));
    ebpf_handle_own(iterator, fd);
    return 1;
}

/* read() -> text, "" at the end. EAGAIN: a long stretch without output, the walk goes on. */
static int iter_read(lua_State *L)
{
    struct ebpf_handle *iterator = ebpf_handle_check(L, 1, &iterator_class);
    char text[CHUNK];
    ssize_t length;
    int attempts = ATTEMPTS;

    do {
        length = read(iterator->fd, text, sizeof(text));
    } while (length < 0 && (errno == EAGAIN || errno == EINTR) && --attempts > 0);
    if (length < 0)
        return ebpf_fail(L, errno, "link lines", "fd %d", iterator->fd);
    lua_pushlstring(L, text, (size_t)length);
    return 1;
}

static const luaL_Reg methods[] = {
    {"read", iter_read},
    {NULL, NULL},
};

static void iter_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    (void)handle;
    lua_pushstring(L, "walk");
}

static const struct ebpf_class iterator_class = {
    .name = "ebpf.iterator",
    .size = sizeof(struct ebpf_handle),
    .methods = methods,
    .describe = iter_tostring,
};

int ebpf_open_iter(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, iter_open);
    lua_setfield(L, -2, "open");
    ebpf_class_open(L, &iterator_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
