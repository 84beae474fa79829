/* A set of keys in the order in which they came, for walks of maps: a list, and a hash table with open addressing.
 * No bpf(2) command.
 * Its memory is a userdata on the caller's stack or in its upvalues. */
#include "key_set.h"

#include <string.h>

enum { FIRST_ROOM = 64 };

const char *ebpf_key_set_at(const struct ebpf_key_set *set, uint32_t index)
{
    return set->keys + (size_t)index * set->size;
}

/* FNV-1a, with its upper bits brought down: the table takes the lower ones */
static uint32_t hash(const char *key, uint32_t size)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (uint32_t i = 0; i < size; i++)
        value = (value ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(value ^ value >> 32);
}

/* Where the key is in the table, or would be. */
static uint32_t *place(const struct ebpf_key_set *set, const char *key)
{
    uint32_t mask = 2 * set->room - 1;
    uint32_t at = hash(key, set->size) & mask;

    while (set->table[at] && memcmp(ebpf_key_set_at(set, set->table[at] - 1), key, set->size) != 0)
        at = (at + 1) & mask;
    return &set->table[at];
}

static void grow(lua_State *L, int slot, struct ebpf_key_set *set)
{
    struct ebpf_key_set larger = *set;
    size_t table_size;

    larger.room = set->room ? 2 * set->room : FIRST_ROOM;
    table_size = 2 * (size_t)larger.room * sizeof(*larger.table);
    larger.table = compat_newuserdata(L, table_size + (size_t)larger.room * set->size);
    larger.keys = (char *)larger.table + table_size;
    memset(larger.table, 0, table_size);
    if (set->count)
        memcpy(larger.keys, set->keys, (size_t)set->count * set->size);
    for (uint32_t i = 0; i < set->count; i++)
        *place(&larger, ebpf_key_set_at(&larger, i)) = i + 1;
    lua_replace(L, slot);
    *set = larger;
}

bool ebpf_key_set_has(const struct ebpf_key_set *set, const char *key)
{
    return set->room && *place(set, key) != 0;
}

bool ebpf_key_set_add(lua_State *L, int slot, struct ebpf_key_set *set, const char *key)
{
    uint32_t *found;

    if (set->count == set->room)
        grow(L, slot, set);
    found = place(set, key);
    if (*found)
        return false;
    memcpy(set->keys + (size_t)set->count * set->size, key, set->size);
    *found = ++set->count;
    return true;
}
