/* A Lua module for the specs: descriptors and mappings that nothing else here makes.
 * pidfd_open(2), socket(2) of AF_XDP, mmap(2), close(2). Nothing is owned: the spec closes what it opened. */
#include <lauxlib.h>
#include <linux/if_xdp.h>
#include <lua.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 4096 };

/* pidfd(pid) -> descriptor | -1 */
static int pidfd(lua_State *L)
{
    lua_pushinteger(L, syscall(SYS_pidfd_open, (pid_t)luaL_checkinteger(L, 1), 0));
    return 1;
}

/* Memory for packets, and rings: without them the kernel takes the socket into no map. */
static int equip(int fd)
{
    static char memory[2 * BYTES] __attribute__((aligned(BYTES)));
    struct xdp_umem_reg area = {.addr = (uintptr_t)memory, .len = sizeof(memory), .chunk_size = BYTES};
    int entries = 2;

    if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof(area)) < 0 ||
        setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof(entries)) < 0 ||
        setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries)) < 0)
        return -1;
    return setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries));
}

/* xsk() -> descriptor | -1: of a socket for xskmaps */
static int xsk(lua_State *L)
{
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd >= 0 && equip(fd) < 0) {
        close(fd);
        fd = -1;
    }
    lua_pushinteger(L, fd);
    return 1;
}

static int close_descriptor(lua_State *L)
{
    lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

/* map_writable(descriptor) -> address | nil: one page, shared */
static int map_writable(lua_State *L)
{
    void *address = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, (int)luaL_checkinteger(L, 1), 0);

    if (address == MAP_FAILED)
        return 0;
    lua_pushlightuserdata(L, address);
    return 1;
}

static int unmap(lua_State *L)
{
    lua_pushboolean(L, munmap(lua_touserdata(L, 1), BYTES) == 0);
    return 1;
}

int luaopen_descriptors(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, pidfd);
    lua_setfield(L, -2, "pidfd");
    lua_pushcfunction(L, xsk);
    lua_setfield(L, -2, "xsk");
    lua_pushcfunction(L, close_descriptor);
    lua_setfield(L, -2, "close");
    lua_pushcfunction(L, map_writable);
    lua_setfield(L, -2, "map_writable");
    lua_pushcfunction(L, unmap);
    lua_setfield(L, -2, "unmap");
    return 1;
}
