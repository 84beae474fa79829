/* Map and its elements: what is common to the files that read and write them. */
#ifndef EBPF_MAP_H
#define EBPF_MAP_H

#include "things.h"

#pragma GCC visibility push(hidden)

struct ebpf_elf;
struct bpf_map;

struct ebpf_map {
    struct ebpf_handle handle;
    uint32_t type, key_size, value_size, max_entries;
    uint32_t cpus;   /* values in one element: 1, or one a possible CPU */
    uint32_t stride; /* bytes from one of them to the next */
    /* Of a struct_ops from an Object, else NULL: libbpf's map, in the elf that it keeps. */
    struct ebpf_elf *elf;
    struct bpf_map *table;
};

/* Gives the kernel the functions of a struct_ops, unless it has them. With libbpf 1.2 and newer, which has no call for this
 * alone, they are registered for a moment, where none of their name are. */
void ebpf_struct_ops_fill(const struct ebpf_map *map);

bool ebpf_map_per_cpu(uint32_t type);

/* One call's view of a map: a copy, and room for a key and an element. Of each call's own: pushing a result may run
 * finalizers, and these may use the same map, or close it. */
struct ebpf_element {
    struct ebpf_map map;
    char *key, *value;
    char room[512];
};

void ebpf_element_begin(lua_State *L, int map, struct ebpf_element *element);

/* Where the kernel takes the key from. Queues, stacks and Bloom filters have no keys, and want none given. */
const char *ebpf_element_key(const struct ebpf_element *element);

/* The Lua value at index into the element; an error that names the argument if it doesn't fit. */
void ebpf_element_check_key(lua_State *L, int index, const struct ebpf_element *element);
void ebpf_element_check_value(lua_State *L, int index, const struct ebpf_element *element);

void ebpf_element_push_key(lua_State *L, const struct ebpf_element *element);
void ebpf_element_push_value(lua_State *L, const struct ebpf_element *element);

#pragma GCC visibility pop

#endif
