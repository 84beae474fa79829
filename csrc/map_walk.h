/* A walk of a map's elements, many at a time. */
#ifndef EBPF_MAP_WALK_H
#define EBPF_MAP_WALK_H

#include "bpf_abi.h"
#include "key_set.h"
#include "map.h"

#pragma GCC visibility push(hidden)

/* Lua owns its memory: the map, the buffers and the set of keys are at three places of the stack (or upvalues). */
struct ebpf_walk {
    struct ebpf_element element; /* a view */
    struct ebpf_map *map;        /* the handle, which may be closed meanwhile */
    enum abi_cmd command;        /* MAP_LOOKUP_BATCH or MAP_LOOKUP_AND_DELETE_BATCH */
    int buffer_slot, seen_slot;
    uint32_t room, count, at; /* elements in the buffers: room for, there, and given out */
    char *keys, *values, *scratch, *cursor, *next_cursor;
    bool by_bucket; /* the cursor is a bucket's number, else the key before */
    bool vanishing; /* keys may go, and the cursor with them */
    bool started, ended;
    bool sum, busy;         /* of the Lua values; given out just now */
    uint32_t passes, fresh; /* how often to go through all of it again; elements given in this pass */
    uint64_t steps;
    struct ebpf_key_set seen;
};

enum { EBPF_WALK_BYTES = 1 << 16 }; /* what the buffers hold unless one element or bucket is larger */

/* Pushes two values, which have to stay at those places, or be moved and the slots set anew. room 0: what fits. */
void ebpf_walk_begin(lua_State *L, int map, struct ebpf_walk *walk, enum abi_cmd command, uint32_t room);

/* Reads on: count elements are in the buffers, maybe none; ended is set with the last of them. -1 with errno. */
int ebpf_walk_fetch(lua_State *L, struct ebpf_walk *walk);

/* Keys are the numbers below max_entries. */
bool ebpf_map_has_indices(uint32_t type);

uint32_t ebpf_walk_cursor_size(const struct ebpf_walk *walk);
const char *ebpf_walk_key(const struct ebpf_walk *walk, uint32_t index);
const char *ebpf_walk_value(const struct ebpf_walk *walk, uint32_t index);

#pragma GCC visibility pop

#endif
