/* Walks of maps: elements read many at a time where the kernel has batch commands for the type, else one by one.
 * Commands: MAP_LOOKUP_BATCH, MAP_LOOKUP_AND_DELETE_BATCH; MAP_GET_NEXT_KEY and MAP_LOOKUP_ELEM where these are absent.
 * Nothing is owned: see map_walk.h.
 *
 * A hash's batches go by buckets, each read whole under its lock: what stays in the map is given exactly once, whatever
 * others write. Everywhere else the cursor is a key, and for a key that is gone the kernel starts from the first again
 * (htab_map_get_next_key, trie_get_next_key). So such walks remember the keys they gave, to give none twice and to go on
 * from the last of them that is still there.
 * An LPM trie's walk in the kernel passes over keys beside one that is written just then, and before 6.13 behind one that
 * was deleted (trie_get_next_key): so it is gone through until nothing more is found. */
#include "map_walk.h"

#include <errno.h>
#include <string.h>

#include "bpf_cmd.h"

enum {
    SMALLEST_ROOM = 32,
    STEPS_BACK = 64,        /* keys that are tried before the walk starts from the first again */
    STEPS_AN_ELEMENT = 256, /* so many times as long as the map is large, a walk is given up */
    PASSES_MORE = 3,        /* at most: what others add meanwhile would be found in each */
    ENOTSUPP = 524,
};

/* kernel/bpf/hashtab.c: __htab_map_lookup_and_delete_batch */
static bool has_buckets(uint32_t type)
{
    return type == ABI_MAP_TYPE_HASH || type == ABI_MAP_TYPE_LRU_HASH || type == ABI_MAP_TYPE_PERCPU_HASH ||
           type == ABI_MAP_TYPE_LRU_PERCPU_HASH || type == ABI_MAP_TYPE_HASH_OF_MAPS;
}

/* Keys are the numbers below max_entries, so that the one after a key is known whether it is there or not. */
bool ebpf_map_has_indices(uint32_t type)
{
    switch (type) {
    case ABI_MAP_TYPE_ARRAY:
    case ABI_MAP_TYPE_PERCPU_ARRAY:
    case ABI_MAP_TYPE_PROG_ARRAY:
    case ABI_MAP_TYPE_PERF_EVENT_ARRAY:
    case ABI_MAP_TYPE_STACK_TRACE:
    case ABI_MAP_TYPE_CGROUP_ARRAY:
    case ABI_MAP_TYPE_ARRAY_OF_MAPS:
    case ABI_MAP_TYPE_DEVMAP:
    case ABI_MAP_TYPE_SOCKMAP:
    case ABI_MAP_TYPE_CPUMAP:
    case ABI_MAP_TYPE_XSKMAP:
    case ABI_MAP_TYPE_REUSEPORT_SOCKARRAY:
    case ABI_MAP_TYPE_STRUCT_OPS:
        return true;
    default:
        return false;
    }
}

static void use_steps(struct ebpf_walk *walk)
{
    walk->by_bucket = false;
    walk->vanishing = !ebpf_map_has_indices(walk->map->type);
}

static size_t key_size(const struct ebpf_walk *walk)
{
    return walk->element.map.key_size;
}

uint32_t ebpf_walk_cursor_size(const struct ebpf_walk *walk)
{
    return walk->by_bucket ? (uint32_t)sizeof(uint32_t) : walk->element.map.key_size;
}

const char *ebpf_walk_key(const struct ebpf_walk *walk, uint32_t index)
{
    return walk->keys + (size_t)index * key_size(walk);
}

const char *ebpf_walk_value(const struct ebpf_walk *walk, uint32_t index)
{
    return walk->values + (size_t)index * ebpf_element_value_size(&walk->element);
}

/* New buffers, with the cursor in them. */
static void make_room(lua_State *L, struct ebpf_walk *walk, uint32_t room)
{
    size_t cursor_size = key_size(walk) > sizeof(uint32_t) ? key_size(walk) : sizeof(uint32_t);
    size_t value_size = ebpf_element_value_size(&walk->element);
    size_t values_size = room * value_size, keys_size = room * key_size(walk);
    size_t size = values_size + keys_size + value_size + 2 * cursor_size;
    char *buffer = compat_newuserdata(L, size);
    char *cursor = buffer + size - 2 * cursor_size;

    memset(buffer, 0, size);
    if (walk->cursor)
        memcpy(cursor, walk->cursor, cursor_size);
    walk->values = buffer;
    walk->scratch = buffer + values_size;
    walk->keys = walk->scratch + value_size;
    walk->cursor = cursor;
    walk->next_cursor = cursor + cursor_size;
    walk->room = room;
    walk->count = 0;
    lua_replace(L, walk->buffer_slot);
}

static uint32_t fitting_room(const struct ebpf_walk *walk, uint32_t wanted)
{
    size_t size = key_size(walk) + ebpf_element_value_size(&walk->element);
    uint32_t room = (uint32_t)(EBPF_WALK_BYTES / (size ? size : 1));
    uint32_t most = walk->map->max_entries < SMALLEST_ROOM ? SMALLEST_ROOM : walk->map->max_entries;

    if (wanted)
        return wanted < most ? wanted : most;
    return room < SMALLEST_ROOM ? SMALLEST_ROOM : room < most ? room : most;
}

void ebpf_walk_begin(lua_State *L, int map, struct ebpf_walk *walk, enum abi_cmd command, uint32_t room)
{
    memset(walk, 0, sizeof(*walk));
    lua_pushnil(L);
    walk->buffer_slot = lua_gettop(L);
    lua_pushnil(L);
    walk->seen_slot = lua_gettop(L);
    ebpf_element_view(L, map, &walk->element);
    walk->map = ebpf_handle_check(L, map, &ebpf_map_class);
    walk->command = command;
    walk->passes = walk->map->type == ABI_MAP_TYPE_LPM_TRIE ? PASSES_MORE : 0;
    walk->seen.size = walk->map->key_size;
    use_steps(walk);
    if (has_buckets(walk->map->type) && (!walk->map->unbatched || command != ABI_MAP_LOOKUP_BATCH)) {
        walk->by_bucket = true;
        walk->vanishing = false;
    }
    make_room(L, walk, fitting_room(walk, room));
}

static const char *cursor_of(const struct ebpf_walk *walk)
{
    return walk->started ? walk->cursor : NULL;
}

/* One MAP_LOOKUP_BATCH, with more room as long as the next bucket doesn't fit. */
static int call_batch(lua_State *L, struct ebpf_walk *walk)
{
    for (;;) {
        struct abi_map_batch attr = {
            .in_batch = (uint64_t)(uintptr_t)cursor_of(walk),
            .out_batch = (uint64_t)(uintptr_t)walk->next_cursor,
            .keys = (uint64_t)(uintptr_t)walk->keys,
            .values = (uint64_t)(uintptr_t)walk->values,
            .count = walk->room,
            .map_fd = (uint32_t)walk->map->handle.fd,
        };
        int result = bpf_cmd_map_batch(walk->command, &attr);

        if (result < 0 && errno == ENOSPC && walk->by_bucket && walk->room / 2 <= walk->map->max_entries) {
            make_room(L, walk, 2 * walk->room);
            continue;
        }
        if (result == 0 || errno == ENOENT || errno == EINTR)
            walk->count = attr.count;
        return result;
    }
}

static void batch_done(struct ebpf_walk *walk)
{
    if (walk->by_bucket) {
        memcpy(walk->cursor, walk->next_cursor, sizeof(uint32_t));
        walk->started = true;
    } else if (walk->count) {
        memcpy(walk->cursor, ebpf_walk_key(walk, walk->count - 1), key_size(walk));
        walk->started = true;
    }
}

/* Whether the key that the walk would go on from is gone. What can't be told counts as there. */
static bool is_lost(const struct ebpf_walk *walk, const char *key)
{
    return bpf_cmd_map_lookup(walk->map->handle.fd, key, walk->scratch) < 0 && errno == ENOENT;
}

static void step_back(struct ebpf_walk *walk)
{
    uint32_t tries = walk->seen.count < STEPS_BACK ? walk->seen.count : STEPS_BACK;

    walk->started = false;
    for (uint32_t i = 1; i <= tries && !walk->started; i++) {
        const char *key = ebpf_key_set_at(&walk->seen, walk->seen.count - i);

        if (is_lost(walk, key))
            continue;
        memcpy(walk->cursor, key, key_size(walk));
        walk->started = true;
    }
}

enum step { MOVED, AGAIN, END, FAILED };

/* The cursor to the next key. AGAIN: to one that was given before, or back to where the walk was. */
static enum step advance(struct ebpf_walk *walk)
{
    bool found = bpf_cmd_map_next_key(walk->map->handle.fd, cursor_of(walk), walk->next_cursor) == 0;
    bool seen = found && walk->vanishing && ebpf_key_set_has(&walk->seen, walk->next_cursor);

    if (!found && errno != ENOENT)
        return FAILED;
    if (walk->vanishing && walk->started && (seen || !found) && is_lost(walk, walk->cursor)) {
        step_back(walk);
        return AGAIN;
    }
    if (!found)
        return END;
    memcpy(walk->cursor, walk->next_cursor, key_size(walk));
    walk->started = true;
    return seen ? AGAIN : MOVED;
}

/* The element at the cursor into the buffers; 0 too if it is gone meanwhile, or an array's place that holds nothing. */
static int take_one(lua_State *L, struct ebpf_walk *walk)
{
    char *key = walk->keys + (size_t)walk->count * key_size(walk);
    char *value = walk->values + (size_t)walk->count * ebpf_element_value_size(&walk->element);

    if (bpf_cmd_map_lookup(walk->map->handle.fd, walk->cursor, value) < 0)
        return errno == ENOENT ? 0 : -1;
    if (walk->vanishing)
        ebpf_key_set_add(L, walk->seen_slot, &walk->seen, walk->cursor);
    memcpy(key, walk->cursor, key_size(walk));
    walk->count++;
    return 0;
}

static int fetch_steps(lua_State *L, struct ebpf_walk *walk)
{
    uint64_t budget = 4 * (uint64_t)walk->room; /* many places that hold nothing: the caller asks again */
    enum step step = AGAIN;

    while (step != END && walk->count < walk->room && budget-- > 0) {
        walk->steps++;
        step = advance(walk);
        if (step == FAILED || (step == MOVED && take_one(L, walk) < 0))
            return -1;
    }
    walk->ended = step == END;
    return 0;
}

/* Takes what was given before out of the buffers. */
static void drop_seen(lua_State *L, struct ebpf_walk *walk)
{
    size_t value_size = ebpf_element_value_size(&walk->element);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < walk->count; i++) {
        if (!ebpf_key_set_add(L, walk->seen_slot, &walk->seen, ebpf_walk_key(walk, i)))
            continue;
        if (kept < i) {
            memcpy(walk->keys + kept * key_size(walk), ebpf_walk_key(walk, i), key_size(walk));
            memcpy(walk->values + kept * value_size, ebpf_walk_value(walk, i), value_size);
        }
        kept++;
    }
    if (kept && kept < walk->count)
        step_back(walk);
    walk->count = kept;
}

/* 1: the type has no batches, take steps. */
static int fetch_batch(lua_State *L, struct ebpf_walk *walk)
{
    int result;

    if (walk->vanishing && walk->started && is_lost(walk, walk->cursor))
        step_back(walk);
    result = call_batch(L, walk);
    if (result < 0 && errno == EINTR && walk->count == 0)
        return 1; /* array_of_maps with holes, before 6.15: the kernel tries three times and no key more */
    if (result < 0 && (errno == ENOTSUPP || errno == EOPNOTSUPP)) {
        if (walk->command != ABI_MAP_LOOKUP_BATCH)
            return -1;
        walk->map->unbatched = true;
        use_steps(walk);
        return 1;
    }
    if (result < 0 && errno != ENOENT && errno != EINTR)
        return -1;
    walk->ended = result < 0 && errno == ENOENT;
    walk->steps += walk->count + 1;
    batch_done(walk);
    if (walk->vanishing)
        drop_seen(L, walk);
    return 0;
}

static void pass_again(struct ebpf_walk *walk)
{
    walk->fresh += walk->count;
    if (!walk->ended || !walk->fresh || !walk->passes)
        return;
    walk->passes--;
    walk->fresh = 0;
    walk->started = walk->ended = false;
}

int ebpf_walk_fetch(lua_State *L, struct ebpf_walk *walk)
{
    int result = 1;

    if (!walk->map->handle.open) {
        errno = EBADF;
        return -1;
    }
    walk->at = walk->count = 0;
    if (!walk->map->unbatched || walk->command != ABI_MAP_LOOKUP_BATCH)
        result = fetch_batch(L, walk);
    if (result > 0)
        result = fetch_steps(L, walk);
    if (result == 0 && walk->steps > STEPS_AN_ELEMENT * ((uint64_t)walk->map->max_entries + SMALLEST_ROOM)) {
        errno = EAGAIN;
        return -1;
    }
    pass_again(walk);
    return result;
}
