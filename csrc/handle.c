/* Handles: an owned descriptor as a userdata, closed once, by close(), __close or __gc.
 * Commands: OBJ_GET_INFO_BY_FD, for the id that tostring shows.
 * The userdata owns its descriptor; __gc closes it and does nothing else. */
#define _GNU_SOURCE
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"

const char *ebpf_class_word(const struct ebpf_class *class)
{
    return class->name + strlen("ebpf.");
}

void *ebpf_handle_new(lua_State *L, const struct ebpf_class *class, size_t extra)
{
    struct ebpf_handle *handle = compat_newkeeper(L, class->size + extra);

    memset(handle, 0, class->size + extra);
    handle->class = class;
    handle->fd = -1;
    compat_rawgetp(L, LUA_REGISTRYINDEX, class);
    lua_setmetatable(L, -2);
    if (class->made)
        class->made(L, handle);
    return handle;
}

void ebpf_handle_own(void *data, int fd)
{
    struct ebpf_handle *handle = data;

    handle->fd = fd;
    handle->open = handle;
}

struct ebpf_shared *ebpf_handle_share(void *data)
{
    struct ebpf_handle *handle = data;

    if (!handle->shared) {
        handle->shared = malloc(sizeof(*handle->shared));
        if (!handle->shared)
            return NULL;
        handle->shared->fd = handle->fd;
        handle->shared->holders = 1;
        handle->shared->revision = 0;
    }
    handle->shared->holders++;
    return handle->shared;
}

void ebpf_handle_own_shared(void *data, struct ebpf_shared *shared)
{
    struct ebpf_handle *handle = data;

    handle->shared = shared;
    ebpf_handle_own(handle, shared->fd);
}

void ebpf_shared_drop(struct ebpf_shared *shared)
{
    if (!shared || --shared->holders > 0)
        return;
    close(shared->fd);
    free(shared);
}

/* close(2) is not repeated on EINTR: Linux has closed the descriptor by then. */
void ebpf_handle_close(void *data)
{
    struct ebpf_handle *handle = data;
    struct ebpf_shared *shared = handle->shared;
    int fd = shared ? -1 : handle->fd;

    handle->fd = -1;
    handle->open = NULL;
    handle->shared = NULL;
    if (handle->class->release)
        handle->class->release(handle);
    if (fd >= 0 && !handle->borrowed)
        close(fd);
    ebpf_shared_drop(shared);
}

/* A closed one is told by its metatable, which has the class's address in [1]: several times as fast as by
 * luaL_checkudata, which looks a metatable up by its name first. */
static struct ebpf_handle *closed_at(lua_State *L, int index, const struct ebpf_class *class)
{
    bool same;

    if (!lua_touserdata(L, index) || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, -1, 1);
    same = lua_touserdata(L, -1) == class;
    lua_pop(L, 2);
    return same ? lua_touserdata(L, index) : NULL;
}

void *ebpf_handle_any(lua_State *L, int index, const struct ebpf_class *class)
{
    void *handle = ebpf_handle_at(L, index, class);

    if (!handle)
        handle = closed_at(L, index, class);
    return handle ? handle : luaL_checkudata(L, index, class->name); /* which raises */
}

void *ebpf_handle_refuse(lua_State *L, int index, const struct ebpf_class *class)
{
    if (!closed_at(L, index, class))
        return luaL_checkudata(L, index, class->name); /* which raises */
    lua_pushfstring(L, "%s is closed", ebpf_class_word(class));
    if (index == 1)
        luaL_error(L, "%s", lua_tostring(L, -1));
    luaL_argerror(L, index, lua_tostring(L, -1));
    return NULL;
}

void *ebpf_handle_opt(lua_State *L, int index, const struct ebpf_class *class)
{
    return lua_isnoneornil(L, index) ? NULL : ebpf_handle_check(L, index, class);
}

void *ebpf_handle_test(lua_State *L, int index, const struct ebpf_class *class)
{
    struct ebpf_handle *handle = ebpf_handle_at(L, index, class);

    return handle || !closed_at(L, index, class) ? handle : ebpf_handle_refuse(L, index, class);
}

/* type, id: the first two words of bpf_prog_info, bpf_map_info and bpf_link_info alike (a link's second is its id too) */
uint32_t ebpf_handle_id(struct ebpf_handle *handle)
{
    uint32_t words[2] = {0, 0};
    uint32_t length = sizeof(words);

    if (!handle->id && bpf_cmd_info(handle->fd, words, &length) == 0)
        handle->id = words[1];
    return handle->id;
}

/* self, of the class that the method was made for */
static struct ebpf_handle *self_any(lua_State *L)
{
    return ebpf_handle_any(L, 1, lua_touserdata(L, lua_upvalueindex(1)));
}

static struct ebpf_handle *self_open(lua_State *L)
{
    return ebpf_handle_check(L, 1, lua_touserdata(L, lua_upvalueindex(1)));
}

void ebpf_handle_end(lua_State *L, struct ebpf_handle *handle)
{
    if (handle->open)
        ebpf_handle_close(handle);
    if (handle->class->forget)
        handle->class->forget(L, handle);
}

static int handle_close(lua_State *L)
{
    ebpf_handle_end(L, self_any(L));
    lua_pushboolean(L, 1);
    return 1;
}

static int handle_gc(lua_State *L)
{
    struct ebpf_handle *handle = self_any(L);

    if (handle->open && handle->class->collected)
        handle->class->collected(L, handle);
    ebpf_handle_end(L, handle);
    return 0;
}

static int handle_closed(lua_State *L)
{
    struct ebpf_handle *handle = self_any(L);

    lua_pushboolean(L, !handle->open);
    return 1;
}

/* Lends the number: the handle goes on owning it. */
static int handle_fd(lua_State *L)
{
    struct ebpf_handle *handle = self_open(L);

    if (handle->fd < 0)
        return 0;
    lua_pushinteger(L, handle->fd);
    return 1;
}

static int handle_cloexec(lua_State *L)
{
    struct ebpf_handle *handle = self_open(L);

    luaL_checktype(L, 2, LUA_TBOOLEAN);
    if (handle->fd < 0)
        return ebpf_fail_why(L, EOPNOTSUPP, "it has no descriptor of its own", "cloexec", "%s",
                             ebpf_class_word(handle->class));
    if (fcntl(handle->fd, F_SETFD, lua_toboolean(L, 2) ? FD_CLOEXEC : 0) < 0)
        return ebpf_fail(L, errno, "cloexec", "%s fd %d", ebpf_class_word(handle->class), handle->fd);
    lua_pushboolean(L, 1);
    return 1;
}

static int handle_tostring(lua_State *L)
{
    struct ebpf_handle *handle = self_any(L);
    const char *name = handle->class->name;

    if (!handle->open) {
        lua_pushfstring(L, "%s (closed)", name);
        return 1;
    }
    if (handle->class->describe)
        handle->class->describe(L, handle);
    else
        lua_pushfstring(L, "id %d", (int)ebpf_handle_id(handle));
    if (handle->fd >= 0)
        lua_pushfstring(L, "%s: %s fd %d", name, lua_tostring(L, -1), handle->fd);
    else
        lua_pushfstring(L, "%s: %s", name, lua_tostring(L, -1));
    return 1;
}

static void set_method(lua_State *L, const struct ebpf_class *class, const char *name, lua_CFunction function)
{
    lua_pushlightuserdata(L, (void *)class);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

void ebpf_class_open(lua_State *L, const struct ebpf_class *class)
{
    luaL_newmetatable(L, class->name);
    lua_pushstring(L, class->name);
    lua_setfield(L, -2, "__name");
    lua_pushlightuserdata(L, (void *)class);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -1);
    compat_rawsetp(L, LUA_REGISTRYINDEX, class);
    set_method(L, class, "__gc", handle_gc);
    set_method(L, class, "__close", handle_close);
    set_method(L, class, "__tostring", handle_tostring);
    lua_newtable(L);
    set_method(L, class, "close", handle_close);
    set_method(L, class, "closed", handle_closed);
    set_method(L, class, "fd", handle_fd);
    set_method(L, class, "cloexec", handle_cloexec);
    compat_setfuncs(L, class->methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_remove(L, -2);
}
