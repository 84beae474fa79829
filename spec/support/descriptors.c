/* A Lua module for the specs: descriptors and mappings that nothing else here makes.
 * pidfd_open(2), socket(2) of AF_XDP, userfaultfd(2), bpf(2) BPF_PROG_TEST_RUN, mmap(2), close(2). Nothing is owned: the
 * spec closes what it opened. */
#include <fcntl.h>
#include <lauxlib.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <linux/userfaultfd.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
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

/* A page that nobody can read before it is filled, which nobody does; 0 where the kernel has no such thing. */
static uint64_t unreadable_page(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register area = {.range.len = BYTES, .mode = UFFDIO_REGISTER_MODE_MISSING};
    void *page = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd < 0 || page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) < 0)
        return 0;
    area.range.start = (uintptr_t)page;
    return ioctl(fd, UFFDIO_REGISTER, &area) < 0 ? 0 : area.range.start;
}

static bool run(int program, uint64_t address)
{
    union bpf_attr attr = {0};

    attr.test.prog_fd = (uint32_t)program;
    attr.test.ctx_in = (uintptr_t)&address;
    attr.test.ctx_size_in = sizeof(address);
    return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) == 0 && attr.test.retval == 0;
}

/* run(program) -> boolean: a program of type syscall */
static int run_program(lua_State *L)
{
    lua_pushboolean(L, run((int)luaL_checkinteger(L, 1), 0));
    return 1;
}

/* run_stuck(program) -> nothing, if the kernel lets it: it waits for memory until the process is killed */
static int run_stuck(lua_State *L)
{
    uint64_t page = unreadable_page();

    if (page)
        run((int)luaL_checkinteger(L, 1), page);
    return 0;
}

int luaopen_descriptors(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, pidfd);
    lua_setfield(L, -2, "pidfd");
    lua_pushcfunction(L, xsk);
    lua_setfield(L, -2, "xsk");
    lua_pushcfunction(L, run_program);
    lua_setfield(L, -2, "run");
    lua_pushcfunction(L, run_stuck);
    lua_setfield(L, -2, "run_stuck");
    lua_pushcfunction(L, close_descriptor);
    lua_setfield(L, -2, "close");
    lua_pushcfunction(L, map_writable);
    lua_setfield(L, -2, "map_writable");
    lua_pushcfunction(L, unmap);
    lua_setfield(L, -2, "unmap");
    return 1;
}
