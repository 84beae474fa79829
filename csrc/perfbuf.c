/* Perfbuf: the consumer of a map of type perf_event_array, a ring for each CPU; for programs that are older than Ringbuf.
 * No bpf(2) command of ours: libbpf makes them, with perf_event_open(2) and mmap(2).
 * The handle owns libbpf's perf_buffer, a duplicate of the map's descriptor that this uses, and a queue.
 * libbpf calls back while it moves its position, so the callback only copies to the queue, from which Lua is served. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "log.h"
#include "map.h"
#include "modules.h"
#include "records.h"

struct queue {
    char *bytes; /* each record behind its length, aligned */
    size_t room, end, position, cursor, next;
};

struct perfbuf {
    struct ebpf_records records;
    struct perf_buffer *buffer;
    struct queue queue;
    uint64_t passed;
};

enum { HEADER = 8 };

static const struct ebpf_class perfbuf_class;

static struct perfbuf *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &perfbuf_class);
}

static bool queue_grow(struct queue *queue, size_t more)
{
    size_t room = queue->room ? queue->room : 65536;
    char *grown;

    while (room < queue->end + more)
        room *= 2;
    if (room == queue->room)
        return true;
    grown = realloc(queue->bytes, room);
    if (!grown)
        return false;
    queue->bytes = grown;
    queue->room = room;
    return true;
}

static void take_sample(void *context, int cpu, void *data, uint32_t size)
{
    struct perfbuf *perf = context;
    struct queue *queue = &perf->queue;
    size_t whole = ((size_t)size + HEADER + 7) / 8 * 8;

    (void)cpu;
    if (!queue_grow(queue, whole)) {
        perf->records.dropped++;
        return;
    }
    memcpy(queue->bytes + queue->end, &size, sizeof(size));
    memcpy(queue->bytes + queue->end + HEADER, data, size);
    queue->end += whole;
}

static void take_lost(void *context, int cpu, __u64 count)
{
    struct perfbuf *perf = context;

    (void)cpu;
    perf->records.dropped += count;
}

static void perfbuf_rewind(struct ebpf_records *records)
{
    struct perfbuf *perf = (struct perfbuf *)records;

    perf->queue.cursor = perf->queue.position;
    perf->passed = 0;
}

static int perfbuf_begin(struct ebpf_records *records)
{
    struct perfbuf *perf = (struct perfbuf *)records;
    struct queue *queue = &perf->queue;
    int result = 0;

    if (queue->position == queue->end) {
        queue->position = queue->end = 0;
        result = perf_buffer__consume(perf->buffer);
    }
    perfbuf_rewind(records);
    return result < 0 ? -result : 0;
}

static bool perfbuf_peek(struct ebpf_records *records, const char **bytes, uint32_t *length)
{
    struct queue *queue = &((struct perfbuf *)records)->queue;

    if (queue->cursor == queue->end)
        return false;
    memcpy(length, queue->bytes + queue->cursor, sizeof(*length));
    *bytes = queue->bytes + queue->cursor + HEADER;
    queue->next = queue->cursor + ((size_t)*length + HEADER + 7) / 8 * 8;
    return true;
}

static void perfbuf_pass(struct ebpf_records *records)
{
    struct perfbuf *perf = (struct perfbuf *)records;

    perf->queue.cursor = perf->queue.next;
    perf->passed++;
}

static void perfbuf_commit(struct ebpf_records *records)
{
    struct perfbuf *perf = (struct perfbuf *)records;

    perf->queue.position = perf->queue.cursor;
    records->consumed += perf->passed;
    perf->passed = 0;
}

static bool perfbuf_stalled(const struct ebpf_records *records)
{
    (void)records;
    return false;
}

static int perfbuf_pollfd(const struct ebpf_records *records)
{
    return perf_buffer__epoll_fd(((const struct perfbuf *)records)->buffer);
}

static const struct ebpf_source perfbuf_source = {
    .begin = perfbuf_begin,
    .rewind = perfbuf_rewind,
    .peek = perfbuf_peek,
    .pass = perfbuf_pass,
    .commit = perfbuf_commit,
    .stalled = perfbuf_stalled,
    .pollfd = perfbuf_pollfd,
};

/* open(map, codec | nil, pages) -> perfbuf */
static int perfbuf_open(lua_State *L)
{
    size_t pages = (size_t)luaL_checkinteger(L, 4);
    struct perfbuf *perf = ebpf_handle_new(L, &perfbuf_class, 0);
    const struct ebpf_map *map;
    struct ebpf_log log = {0};
    int fd, error;

    ebpf_records_keep(L, &perf->records, 2);
    map = ebpf_handle_check(L, 1, &ebpf_map_class);
    perf->records.source = &perfbuf_source;
    perf->records.map_id = map->handle.id;
    fd = bpf_cmd_dup(map->handle.fd);
    if (fd < 0)
        return ebpf_fail(L, errno, "perfbuf open", "%u", map->handle.id);
    ebpf_handle_own(perf, fd);
    if (ebpf_owner_begin(&perf->records.owner) == 0) {
        ebpf_log_begin(&log);
        perf->buffer = perf_buffer__new(fd, pages, take_sample, take_lost, perf, NULL);
        ebpf_log_end();
    }
    error = errno;
    if (perf->buffer) {
        free(log.text);
        return 1;
    }
    ebpf_handle_close(perf);
    lua_pushfstring(L, "%d", (int)perf->records.map_id);
    return ebpf_log_fail(L, error, &log, "perfbuf open", lua_tostring(L, -1));
}

/* To free a perf_buffer is to disable its events and take them out of the map: in a child, which has inherited them, that
 * would be to the parent's harm. There the descriptors are closed, and the memory is left. */
static void leave_to_parent(struct perf_buffer *buffer)
{
    for (size_t i = 0; i < perf_buffer__buffer_cnt(buffer); i++) {
        int fd = perf_buffer__buffer_fd(buffer, i);

        if (fd >= 0)
            close(fd);
    }
    close(perf_buffer__epoll_fd(buffer));
}

static void perfbuf_release(struct ebpf_handle *handle)
{
    struct perfbuf *perf = (struct perfbuf *)handle;

    if (perf->buffer && ebpf_owner_here(&perf->records.owner))
        perf_buffer__free(perf->buffer);
    else if (perf->buffer)
        leave_to_parent(perf->buffer);
    perf->buffer = NULL;
    ebpf_owner_end(&perf->records.owner);
    free(perf->queue.bytes);
    memset(&perf->queue, 0, sizeof(perf->queue));
}

static int perfbuf_consume(lua_State *L)
{
    return ebpf_records_consume(L, &check(L)->records);
}

static int perfbuf_step(lua_State *L)
{
    return ebpf_records_step(L, &check(L)->records);
}

static int perfbuf_wait(lua_State *L)
{
    return ebpf_records_wait(L, &check(L)->records);
}

static int perfbuf_get_pollfd(lua_State *L)
{
    return ebpf_records_pollfd(L, &check(L)->records);
}

static int perfbuf_timeout(lua_State *L)
{
    return ebpf_records_timeout(L, &check(L)->records);
}

static int perfbuf_reuses(lua_State *L)
{
    return ebpf_records_reuses(L, &check(L)->records);
}

static int perfbuf_counts(lua_State *L)
{
    return ebpf_records_counts(L, &check(L)->records);
}

static void perfbuf_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushfstring(L, "map %d", (int)((const struct perfbuf *)handle)->records.map_id);
}

static const luaL_Reg methods[] = {
    {"consume", perfbuf_consume},
    {"pollfd", perfbuf_get_pollfd},
    {"timeout", perfbuf_timeout},
    {NULL, NULL},
};

static const struct ebpf_class perfbuf_class = {
    .name = "ebpf.perfbuf",
    .size = sizeof(struct perfbuf),
    .methods = methods,
    .release = perfbuf_release,
    .describe = perfbuf_tostring,
};

static const luaL_Reg functions[] = {
    {"open", perfbuf_open},     {"step", perfbuf_step},     {"wait", perfbuf_wait},
    {"counts", perfbuf_counts}, {"reuses", perfbuf_reuses}, {NULL, NULL},
};

int ebpf_open_perfbuf(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &perfbuf_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
