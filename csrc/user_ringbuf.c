/* User ring buffer: the producer of a map of type user_ringbuf, by its memory (Linux 6.1). A program drains it.
 * No bpf(2) command: mmap(2).
 * The handle owns a duplicate of the map's descriptor and its mappings. One producer a map.
 * @see kernel/bpf/ringbuf.c, bpf_user_ringbuf_drain */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "codec.h"
#include "fail.h"
#include "map.h"
#include "modules.h"
#include "numbers.h"
#include "owner.h"

struct user_ringbuf {
    struct ebpf_handle handle;
    const unsigned long *consumer; /* a page that the kernel writes */
    unsigned long *producer;       /* a page, and behind it the data twice */
    char *data;
    size_t page, size;
    const struct ebpf_codec *codec; /* kept by the userdata; NULL: bytes */
    struct ebpf_owner owner;
    uint32_t map_id;
    uint64_t pushed;
};

enum { ROOM = 4096 };

static const struct ebpf_class user_ringbuf_class;

static struct user_ringbuf *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &user_ringbuf_class);
}

static int map_ring(struct user_ringbuf *ring)
{
    int fd = ring->handle.fd;
    void *memory = mmap(NULL, ring->page, PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -1;
    ring->consumer = memory;
    memory = mmap(NULL, ring->page + 2 * ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)ring->page);
    if (memory == MAP_FAILED)
        return -1;
    ring->producer = memory;
    ring->data = (char *)memory + ring->page;
    return ebpf_owner_begin(&ring->owner);
}

/* open(map, codec | nil) -> user_ringbuf */
static int user_ringbuf_open(lua_State *L)
{
    struct user_ringbuf *ring = ebpf_handle_new(L, &user_ringbuf_class, 0);
    const struct ebpf_map *map;
    int fd, error;

    if (!lua_isnoneornil(L, 2)) {
        ring->codec = ebpf_codec_at(L, 2);
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, 2);
        lua_rawseti(L, -2, 1);
        compat_keep(L, -2);
    }
    map = ebpf_handle_check(L, 1, &ebpf_map_class);
    ring->map_id = map->handle.id;
    ring->page = (size_t)sysconf(_SC_PAGESIZE);
    ring->size = map->max_entries;
    fd = bpf_cmd_dup(map->handle.fd);
    if (fd < 0)
        return ebpf_fail(L, errno, "user_ringbuf open", "%u", ring->map_id);
    ebpf_handle_own(ring, fd);
    if (map_ring(ring) == 0)
        return 1;
    error = errno;
    ebpf_handle_close(ring);
    return ebpf_fail(L, error, "user_ringbuf open", "%u", ring->map_id);
}

/* 0 or an errno. The kernel looks at a record once the position is past it, so it is never seen half written. */
static int push(struct user_ringbuf *ring, const char *bytes, size_t length)
{
    unsigned long position = *ring->producer;
    size_t whole = (length + ABI_RINGBUF_HEADER + 7) / 8 * 8;
    size_t used = position - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
    char *header = ring->data + (position & (ring->size - 1));
    uint32_t words[2] = {(uint32_t)length, 0};

    if (length > ring->size || whole > ring->size)
        return E2BIG;
    if (whole > ring->size - used)
        return ENOSPC;
    memcpy(header, words, sizeof(words));
    memcpy(header + ABI_RINGBUF_HEADER, bytes, length);
    __atomic_store_n(ring->producer, position + whole, __ATOMIC_RELEASE);
    ring->pushed++;
    return 0;
}

static int finish_push(lua_State *L, struct user_ringbuf *ring, const char *bytes, size_t length)
{
    int error = ebpf_owner_here(&ring->owner) ? push(ring, bytes, length) : EBUSY;

    if (error == EBUSY) {
        lua_pushfstring(L, "process %d opened it, and writes it: there may be one producer", ring->owner.pid);
        return ebpf_fail_why(L, error, lua_tostring(L, -1), "user_ringbuf push", "%u", ring->map_id);
    }
    if (error)
        return ebpf_fail(L, error, "user_ringbuf push", "%u", ring->map_id);
    lua_pushboolean(L, 1);
    return 1;
}

/* Whether a string is a record's bytes, as they are: not where strings stand for values, as names for constants. */
static bool takes_bytes(const struct ebpf_codec *codec)
{
    uint8_t kind = codec->nodes[0].kind;

    return kind == EBPF_STRUCT || kind == EBPF_UNION || kind == EBPF_ARRAY;
}

/* push(value) -> true */
static int user_ringbuf_push(lua_State *L)
{
    struct user_ringbuf *ring = check(L);
    const struct ebpf_codec *codec = ring->codec;
    char room[ROOM], *bytes = room;
    size_t size;

    lua_settop(L, 2);
    if (codec)
        ebpf_codec_expect(L, codec);
    if (!codec || (lua_type(L, 2) == LUA_TSTRING && takes_bytes(codec))) {
        luaL_checktype(L, 2, LUA_TSTRING);
        bytes = (char *)lua_tolstring(L, 2, &size);
        return finish_push(L, ring, bytes, size);
    }
    size = codec->unions ? (size_t)codec->size * 2 : codec->size;
    if (size > sizeof(room))
        bytes = compat_newuserdata(L, size);
    memset(bytes, 0, codec->size);
    ebpf_codec_check(L, 2, codec, bytes, bytes + codec->size, "value", 2);
    return finish_push(L, check(L), bytes, codec->size);
}

/* size() -> bytes */
static int user_ringbuf_size(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->size);
    return 1;
}

/* available() -> bytes that are free, headers among them */
static int user_ringbuf_available(lua_State *L)
{
    const struct user_ringbuf *ring = check(L);
    unsigned long used = *ring->producer - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);

    lua_pushinteger(L, (lua_Integer)(ring->size - used));
    return 1;
}

/* counts() -> {pushed=} */
static int user_ringbuf_counts(lua_State *L)
{
    uint64_t pushed = check(L)->pushed;

    lua_createtable(L, 0, 1);
    ebpf_push_u64(L, pushed);
    lua_setfield(L, -2, "pushed");
    return 1;
}

static void user_ringbuf_release(struct ebpf_handle *handle)
{
    struct user_ringbuf *ring = (struct user_ringbuf *)handle;

    if (ring->consumer)
        munmap((void *)ring->consumer, ring->page);
    if (ring->producer)
        munmap(ring->producer, ring->page + 2 * ring->size);
    ebpf_owner_end(&ring->owner);
    ring->consumer = NULL;
    ring->producer = NULL;
}

static void user_ringbuf_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushfstring(L, "map %d", (int)((const struct user_ringbuf *)handle)->map_id);
}

static const luaL_Reg methods[] = {
    {"push", user_ringbuf_push},
    {"size", user_ringbuf_size},
    {"available", user_ringbuf_available},
    {"counts", user_ringbuf_counts},
    {NULL, NULL},
};

static const struct ebpf_class user_ringbuf_class = {
    .name = "ebpf.user_ringbuf",
    .size = sizeof(struct user_ringbuf),
    .methods = methods,
    .release = user_ringbuf_release,
    .describe = user_ringbuf_tostring,
};

int ebpf_open_user_ringbuf(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, user_ringbuf_open);
    lua_setfield(L, -2, "open");
    ebpf_class_open(L, &user_ringbuf_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
