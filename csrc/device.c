/* Network devices: name and index, in this process's network namespace.
 * No bpf(2) command; nothing is owned. */
#include <errno.h>
#include <net/if.h>

#include "fail.h"
#include "modules.h"
#include "numbers.h"

/* index(name) -> ifindex */
static int device_index(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    unsigned index = if_nametoindex(name);

    if (index == 0)
        return ebpf_fail(L, errno, "device", "%s", name);
    lua_pushinteger(L, (lua_Integer)index);
    return 1;
}

/* name(ifindex) -> name */
static int device_name(lua_State *L)
{
    uint32_t index = ebpf_check_u32(L, 1);
    char name[IF_NAMESIZE];

    if (!if_indextoname(index, name))
        return ebpf_fail(L, errno == ENXIO ? ENODEV : errno, "device", "%u", index);
    lua_pushstring(L, name);
    return 1;
}

static const luaL_Reg functions[] = {
    {"index", device_index},
    {"name", device_name},
    {NULL, NULL},
};

int ebpf_open_device(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
