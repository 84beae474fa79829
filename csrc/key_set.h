/* A set of keys, in the order in which they came. */
#ifndef EBPF_KEY_SET_H
#define EBPF_KEY_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

struct ebpf_key_set {
    uint32_t size; /* bytes of a key */
    uint32_t count, room;
    char *keys;
    uint32_t *table; /* of twice the room: place in keys, plus one; 0 is none */
};

/* False if it was there. What holds the keys is a userdata, which is put at the stack's `slot` as it grows. */
bool ebpf_key_set_add(lua_State *L, int slot, struct ebpf_key_set *set, const char *key);
bool ebpf_key_set_has(const struct ebpf_key_set *set, const char *key);
const char *ebpf_key_set_at(const struct ebpf_key_set *set, uint32_t index);

#pragma GCC visibility pop

#endif
