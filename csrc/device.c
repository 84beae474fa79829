/* Network devices: name and index, in this process's network namespace.
 * No bpf(2) command; nothing is owned. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "modules.h"
#include "numbers.h"

/* Asks the kernel; -1 with errno. Not if_nametoindex: where no descriptor is left, it says ENOENT. */
static int ask(unsigned long request, struct ifreq *device)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), result, error;

    if (fd < 0)
        return -1;
    result = ioctl(fd, request, device);
    error = errno;
    close(fd);
    errno = error;
    return result;
}

/* index(name) -> ifindex */
static int device_index(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    struct ifreq device = {0};

    if (length >= sizeof(device.ifr_name))
        return ebpf_fail(L, ENODEV, "device", "%s", name);
    memcpy(device.ifr_name, name, length);
    if (ask(SIOCGIFINDEX, &device) < 0)
        return ebpf_fail(L, errno, "device", "%s", name);
    lua_pushinteger(L, (lua_Integer)device.ifr_ifindex);
    return 1;
}

/* name(ifindex) -> name */
static int device_name(lua_State *L)
{
    uint32_t index = ebpf_check_u32(L, 1);
    struct ifreq device = {.ifr_ifindex = (int)index};

    if (ask(SIOCGIFNAME, &device) < 0)
        return ebpf_fail(L, errno, "device", "%u", index);
    lua_pushstring(L, device.ifr_name);
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
