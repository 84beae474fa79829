/* Ringbuf: the consumer of a map of type ringbuf, by its memory: two positions, and records between them.
 * No bpf(2) command: mmap(2), and poll(2) of the map's descriptor.
 * The handle owns a duplicate of that descriptor and its mappings.
 * Not libbpf's ring_buffer: that calls back from a loop of its own, which an error of Lua's must not jump out of, consumes
 * what the callback was given even if it fails, and can't be told how many to consume before libbpf 1.5.
 * @see kernel/bpf/ringbuf.c */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "map.h"
#include "modules.h"
#include "numbers.h"
#include "records.h"

struct ringbuf {
    struct ebpf_records records;
    unsigned long *consumer;       /* a page that we write */
    const unsigned long *producer; /* a page, and behind it the data twice: a record that wraps is whole there */
    const char *data;
    size_t page, size;
    unsigned long position, cursor, end, next;
    uint64_t passed, discarded; /* by the cursor */
};

static const struct ebpf_class ringbuf_class;
static const struct ebpf_source ringbuf_source;

static struct ringbuf *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ringbuf_class);
}

static void ringbuf_rewind(struct ebpf_records *records)
{
    struct ringbuf *ring = (struct ringbuf *)records;

    ring->cursor = ring->position;
    ring->passed = ring->discarded = 0;
}

/* Only consumers write the position: another value than ours is another's. Its loss is told once. */
static int ringbuf_begin(struct ebpf_records *records)
{
    struct ringbuf *ring = (struct ringbuf *)records;
    unsigned long position = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);
    bool stale = position != ring->position;

    ring->position = position;
    ring->end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
    ringbuf_rewind(records);
    return stale ? ESTALE : 0;
}

/* A header that is no record's is another consumer's doing, who let the kernel write over what the cursor is at: then
 * there is none, and the next begin says why. */
static bool ringbuf_peek(struct ebpf_records *records, const char **bytes, uint32_t *length)
{
    struct ringbuf *ring = (struct ringbuf *)records;

    while (ring->cursor != ring->end) {
        const char *header = ring->data + (ring->cursor & (ring->size - 1));
        uint32_t word = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
        uint32_t size = word & ~(ABI_RINGBUF_BUSY | ABI_RINGBUF_DISCARD);
        unsigned long whole = ((unsigned long)size + ABI_RINGBUF_HEADER + 7) / 8 * 8;

        if (word & ABI_RINGBUF_BUSY || whole > ring->end - ring->cursor || whole > ring->size)
            return false;
        *bytes = header + ABI_RINGBUF_HEADER;
        *length = size;
        ring->next = ring->cursor + whole;
        if (!(word & ABI_RINGBUF_DISCARD))
            return true;
        ring->cursor = ring->next;
        ring->discarded++;
    }
    return false;
}

static void ringbuf_pass(struct ebpf_records *records)
{
    struct ringbuf *ring = (struct ringbuf *)records;

    ring->cursor = ring->next;
    ring->passed++;
}

/* The kernel wakes whoever waits if the position that it sees is the new record's. So the store comes before we look for
 * that record, on every machine. */
static void ringbuf_commit(struct ebpf_records *records)
{
    struct ringbuf *ring = (struct ringbuf *)records;

    if (ring->cursor == ring->position)
        return;
    ring->position = ring->cursor;
    __atomic_store_n(ring->consumer, ring->position, __ATOMIC_SEQ_CST);
    records->consumed += ring->passed;
    records->discarded += ring->discarded;
    ring->passed = ring->discarded = 0;
}

static bool ringbuf_stalled(const struct ebpf_records *records)
{
    const struct ringbuf *ring = (const struct ringbuf *)records;

    return ring->cursor != ring->end;
}

static int ringbuf_pollfd(const struct ebpf_records *records)
{
    return records->handle.fd;
}

static const struct ebpf_source ringbuf_source = {
    .begin = ringbuf_begin,
    .rewind = ringbuf_rewind,
    .peek = ringbuf_peek,
    .pass = ringbuf_pass,
    .commit = ringbuf_commit,
    .stalled = ringbuf_stalled,
    .pollfd = ringbuf_pollfd,
    .stale = "another consumer reads it, in this process or another: records are divided between them, or lost",
};

static int map_ring(struct ringbuf *ring)
{
    int fd = ring->records.handle.fd;
    void *memory = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -1;
    ring->consumer = memory;
    memory = mmap(NULL, ring->page + 2 * ring->size, PROT_READ, MAP_SHARED, fd, (off_t)ring->page);
    if (memory == MAP_FAILED)
        return -1;
    ring->producer = memory;
    ring->data = (const char *)memory + ring->page;
    return ebpf_owner_begin(&ring->records.owner);
}

static int open_ring(struct ringbuf *ring, const struct ebpf_map *map)
{
    int fd = bpf_cmd_dup(map->handle.fd);

    if (fd < 0)
        return -1;
    ebpf_handle_own(ring, fd);
    ring->page = (size_t)sysconf(_SC_PAGESIZE);
    ring->size = map->max_entries;
    if (map_ring(ring) < 0)
        return -1;
    ring->position = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);
    return 0;
}

/* open(map, codec | nil, reuse) -> ringbuf */
static int ringbuf_open(lua_State *L)
{
    struct ringbuf *ring = ebpf_handle_new(L, &ringbuf_class, 0);
    const struct ebpf_map *map = ebpf_handle_check(L, 1, &ebpf_map_class);
    struct abi_map_info info = {0};
    uint32_t length = sizeof(info);
    int error;

    ring->records.source = &ringbuf_source;
    ring->records.map_id = map->handle.id;
    if (bpf_cmd_info(map->handle.fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "ringbuf open", "%u", map->handle.id);
    if (info.map_flags & ABI_F_RB_OVERWRITE)
        return ebpf_fail_why(L, ENOTSUP, "it overwrites what was not consumed (BPF_F_RB_OVERWRITE)", "ringbuf open",
                             "%u", map->handle.id);
    ebpf_records_keep(L, &ring->records, 2);
    map = ebpf_handle_check(L, 1, &ebpf_map_class);
    if (open_ring(ring, map) == 0)
        return 1;
    error = errno;
    ebpf_handle_close(ring);
    return ebpf_fail(L, error, "ringbuf open", "%u", ring->records.map_id);
}

static void ringbuf_release(struct ebpf_handle *handle)
{
    struct ringbuf *ring = (struct ringbuf *)handle;

    if (ring->consumer)
        munmap(ring->consumer, ring->page);
    if (ring->producer)
        munmap((void *)ring->producer, ring->page + 2 * ring->size);
    ebpf_owner_end(&ring->records.owner);
    ring->consumer = NULL;
    ring->producer = NULL;
}

static int ringbuf_consume(lua_State *L)
{
    return ebpf_records_consume(L, &check(L)->records);
}

static int ringbuf_step(lua_State *L)
{
    return ebpf_records_step(L, &check(L)->records);
}

static int ringbuf_wait(lua_State *L)
{
    return ebpf_records_wait(L, &check(L)->records);
}

static int ringbuf_get_pollfd(lua_State *L)
{
    return ebpf_records_pollfd(L, &check(L)->records);
}

static int ringbuf_timeout(lua_State *L)
{
    return ebpf_records_timeout(L, &check(L)->records);
}

static int ringbuf_reuses(lua_State *L)
{
    return ebpf_records_reuses(L, &check(L)->records);
}

static int ringbuf_counts(lua_State *L)
{
    return ebpf_records_counts(L, &check(L)->records);
}

/* size() -> bytes */
static int ringbuf_size(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->size);
    return 1;
}

/* available() -> bytes that are not consumed, headers and records that are being written among them */
static int ringbuf_available(lua_State *L)
{
    const struct ringbuf *ring = check(L);
    unsigned long position = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);

    lua_pushinteger(L, (lua_Integer)(__atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - position));
    return 1;
}

static void ringbuf_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushfstring(L, "map %d", (int)((const struct ringbuf *)handle)->records.map_id);
}

static const luaL_Reg methods[] = {
    {"consume", ringbuf_consume}, {"pollfd", ringbuf_get_pollfd},   {"timeout", ringbuf_timeout},
    {"size", ringbuf_size},       {"available", ringbuf_available}, {NULL, NULL},
};

static const struct ebpf_class ringbuf_class = {
    .name = "ebpf.ringbuf",
    .size = sizeof(struct ringbuf),
    .methods = methods,
    .release = ringbuf_release,
    .describe = ringbuf_tostring,
};

static const luaL_Reg functions[] = {
    {"open", ringbuf_open},     {"step", ringbuf_step},     {"wait", ringbuf_wait},
    {"counts", ringbuf_counts}, {"reuses", ringbuf_reuses}, {NULL, NULL},
};

int ebpf_open_ringbuf(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &ringbuf_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
