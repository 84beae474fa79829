/* Links that the collector takes while they hold their programs: who made them is told.
 * Commands: OBJ_GET_INFO_BY_FD, LINK_GET_FD_BY_ID.
 * The registry has the function that is told, and the links that are open, held weakly. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "things.h"
#include "usdt.h"

#define ON_COLLECT "ebpf.on_collect"

/* Its address is the registry's key of the open links, held weakly. A collection takes a link out of there before it runs
 * the finalizer; lua_close, which finalizes all there is, doesn't. The call stack tells nothing: ngx_lua runs the collector
 * from C with an empty one, and os.exit(code, true) closes with a full one.
 * Each link has a number there, which the next one gets when it is closed; those that are free form a list, by what is in
 * their places: [FREE] is the first of them or 0, [LAST] the highest so far. */
static const char watched;

enum { FREE = 1, LAST };

static int number_at(lua_State *L, int place)
{
    int number;

    lua_rawgeti(L, -1, place);
    number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return number;
}

void ebpf_link_made(lua_State *L, struct ebpf_handle *handle)
{
    struct ebpf_link *link = (struct ebpf_link *)handle;
    int number;

    compat_rawgetp(L, LUA_REGISTRYINDEX, &watched);
    number = number_at(L, FREE);
    if (number) {
        lua_rawgeti(L, -1, number);
        lua_rawseti(L, -2, FREE);
    } else {
        number = number_at(L, LAST) + 1;
        lua_pushinteger(L, 0);
        lua_rawseti(L, -2, number); /* which may find no memory */
        lua_pushinteger(L, number);
        lua_rawseti(L, -2, LAST);
    }
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, number);
    lua_pop(L, 1);
    link->number = number;
}

void ebpf_link_forget(lua_State *L, struct ebpf_handle *handle)
{
    struct ebpf_link *link = (struct ebpf_link *)handle;

    if (!link->number)
        return;
    compat_rawgetp(L, LUA_REGISTRYINDEX, &watched);
    lua_rawgeti(L, -1, FREE);
    lua_rawseti(L, -2, link->number);
    lua_pushinteger(L, link->number);
    lua_rawseti(L, -2, FREE);
    lua_pop(L, 1);
    link->number = 0;
}

static bool state_ends(lua_State *L, const struct ebpf_link *link)
{
    bool is;

    compat_rawgetp(L, LUA_REGISTRYINDEX, &watched);
    lua_rawgeti(L, -1, link->number);
    is = !lua_isnil(L, -1);
    lua_pop(L, 2);
    return is;
}

/* A hook in words, from the link's own info: nothing need be kept for a message that is rarely wanted. */
static void push_hook(lua_State *L, const struct abi_link_info *info)
{
    int top = lua_gettop(L);

    ebpf_push_link_info(L, -1, info);
    lua_getfield(L, top + 1, "attach_type");
    if (lua_isnil(L, -1))
        lua_getfield(L, top + 1, "type");
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* Whether the link went with the handle that was just closed. Without CAP_SYS_ADMIN only its own history tells. */
static bool gone(const struct abi_link_info *info, const struct ebpf_link *link)
{
    int fd = bpf_cmd_fd_by_id(ABI_LINK_GET_FD_BY_ID, info->id);

    if (fd >= 0) {
        close(fd);
        return false;
    }
    return errno == ENOENT || (link->created && !link->pinned);
}

/* "It worked for a while, then the program was gone": a link that the collector closes says so. Never an error.
 * Closed first: what follows allocates, and an error there must not leave a descriptor behind. */
void ebpf_link_collected(lua_State *L, struct ebpf_handle *handle)
{
    struct ebpf_link *link = (struct ebpf_link *)handle;
    struct abi_link_info info = {0}; /* of USDT: id 0 */
    uint32_t length = sizeof(info);
    bool usdt = link->usdt != NULL;
    char *origin = link->origin;
    int top = lua_gettop(L);

    if (link->detached || state_ends(L, link))
        return;
    if (usdt ? !ebpf_usdt_ours(link->usdt) : bpf_cmd_info(handle->fd, &info, &length) < 0 || !ebpf_link_attached(&info))
        return;
    link->origin = NULL;
    ebpf_handle_close(handle);
    if (!usdt && !gone(&info, link)) {
        free(origin);
        return;
    }
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_getfield(L, LUA_REGISTRYINDEX, ON_COLLECT);
    lua_pushstring(L, origin ? origin : "");
    free(origin);
    if (usdt)
        lua_pushliteral(L, "usdt");
    else
        push_hook(L, &info);
    if (lua_isfunction(L, top + 1)) {
        lua_pushvalue(L, top + 1);
        lua_pushinteger(L, (lua_Integer)info.id);
        lua_pushvalue(L, top + 3);
        lua_pushvalue(L, top + 2);
        (void)lua_pcall(L, 3, 0, 0);
    }
#if LUA_VERSION_NUM >= 504
    else {
        const char *made = lua_tostring(L, top + 2);

        lua_pushfstring(L,
                        "ebpf: link %d (%s) was collected while attached, and its program went with it: "
                        "keep it in a variable, pin it, or close it%s%s",
                        (int)info.id, lua_tostring(L, top + 3), *made ? "; made at " : "", made);
        lua_warning(L, lua_tostring(L, -1), 0);
    }
#endif
    lua_settop(L, top);
}

/* on_collect(function | nil) */
static int on_collect(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, ON_COLLECT);
    return 0;
}

/* set_origin(link | rootlet, text): where it was made, for on_collect */
static int set_origin(lua_State *L)
{
    struct ebpf_link *rootlet = ebpf_handle_test(L, 1, &ebpf_rootlet_class);
    struct ebpf_link *link = rootlet ? rootlet : ebpf_handle_check(L, 1, &ebpf_link_class);
    const char *text = luaL_checkstring(L, 2);

    free(link->origin);
    link->origin = strdup(text);
    return 0;
}

static const luaL_Reg functions[] = {
    {"on_collect", on_collect},
    {"set_origin", set_origin},
    {NULL, NULL},
};

void ebpf_link_watch_open(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushinteger(L, 0);
    lua_rawseti(L, -2, FREE);
    lua_pushinteger(L, LAST);
    lua_rawseti(L, -2, LAST);
    compat_rawsetp(L, LUA_REGISTRYINDEX, &watched);
    compat_setfuncs(L, functions);
}
