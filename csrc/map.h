/* Map and its elements: what is common to the files that read and write them. */
#ifndef EBPF_MAP_H
#define EBPF_MAP_H

#include "codec.h"
#include "things.h"

#pragma GCC visibility push(hidden)

struct bpf_map;
struct btf;
struct ebpf_elf;

struct ebpf_map {
    struct ebpf_handle handle;
    uint32_t type, key_size, value_size, max_entries;
    uint32_t cpus;                                    /* values in one element: 1, or one a possible CPU */
    uint32_t stride;                                  /* bytes from one of them to the next */
    uint32_t btf_id, key_type, value_type;            /* what the kernel has of its types; 0: nothing */
    const struct ebpf_codec *key_codec, *value_codec; /* kept by the userdata; NULL: integers and bytes */
    uint32_t mask_size;                               /* of the room that checking needs */
    int types_error;                                  /* errno: why there are none, though the kernel has them */
    bool unbatched;                                   /* the kernel said that its type has no batch commands */
    bool types_known;                                 /* not before the first use: asking takes three system calls */
    bool numbers;                                     /* keys and values are an unsigned number each: map_access.c */
    bool prefixes;                                    /* keys are those of an LPM trie of addresses */
    bool keeps;                                       /* the userdata has its table, of codecs and of the view */
    struct ebpf_map *raw;                             /* the view without types, if there is one */
    uint32_t asked; /* for methods, as long as it has no index of its own: map_index.c */
    /* Of a struct_ops from an Object, else NULL: libbpf's map, in the elf that it keeps. */
    struct ebpf_elf *elf;
    struct bpf_map *table;
};

/* What its userdata keeps. */
enum { EBPF_MAP_KEY_CODEC = 1, EBPF_MAP_VALUE_CODEC, EBPF_MAP_RAW };

/* The types of the map at index, in three steps: empty codecs, which may run finalizers; their layout, by BTF, which runs
 * no Lua; and then their use. */
void ebpf_map_new_codecs(lua_State *L, int index, struct ebpf_codec *codecs[2]);
void ebpf_map_layout(struct ebpf_codec *codecs[2], const struct btf *btf, uint32_t key_type, uint32_t value_type);
void ebpf_map_use_codecs(lua_State *L, struct ebpf_map *map, struct ebpf_codec *codecs[2]);

/* Its types are known by now. */
void ebpf_map_settle(struct ebpf_map *map);

/* The same with the kernel's BTF of the map. Without the privilege to read it, the map has no types; raises where
 * something else is in the way. */
void ebpf_map_ask_types(lua_State *L, int index);

/* A method, and a field: each pushes what it has. */
int ebpf_map_codec(lua_State *L);
int ebpf_map_raw(lua_State *L);

void ebpf_map_close_raw(struct ebpf_handle *handle);

/* Gives the kernel the functions of a struct_ops, unless it has them. With libbpf 1.2 and newer, which has no call for this
 * alone, they are registered for a moment, where none of their name are. */
void ebpf_struct_ops_fill(const struct ebpf_map *map);

bool ebpf_map_per_cpu(uint32_t type);

/* One call's view of a map: a copy, and room for a key and an element. Of each call's own: pushing a result may run
 * finalizers, and these may use the same map, or close it. */
struct ebpf_element {
    struct ebpf_map map;
    char *key, *value, *mask;
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

/* The same of keys and values that are elsewhere, as in the buffers of a batch. A view has no room of its own;
 * it may leave a userdata on the stack. */
void ebpf_element_view(lua_State *L, int map, struct ebpf_element *element);
size_t ebpf_element_value_size(const struct ebpf_element *element); /* of all CPUs */
void ebpf_element_check_key_at(lua_State *L, int index, const struct ebpf_element *element, char *bytes);
void ebpf_element_check_value_at(lua_State *L, int index, const struct ebpf_element *element, char *bytes);
void ebpf_element_push_key_at(lua_State *L, const struct ebpf_element *element, const char *bytes);
void ebpf_element_push_value_at(lua_State *L, const struct ebpf_element *element, const char *bytes);

/* The sum over the CPUs, in 64 bits, instead of the list. An error where the values are no per-CPU integers. */
void ebpf_element_check_sum(lua_State *L, const struct ebpf_element *element);
void ebpf_element_push_sum_at(lua_State *L, const struct ebpf_element *element, const char *bytes);

/* Elements that are programs, maps, cgroups, devices: map_object.c. False: it is an ordinary one. */
bool ebpf_element_check_object_key(lua_State *L, int index, const struct ebpf_map *map, char *bytes);
bool ebpf_element_check_object(lua_State *L, int index, const struct ebpf_map *map, char *bytes);
bool ebpf_element_push_object(lua_State *L, const struct ebpf_map *map, const char *bytes);

/* {sum = boolean} or nothing at index, for the methods that are C functions. */
bool ebpf_opt_sum(lua_State *L, int index);

extern const luaL_Reg ebpf_map_access[], ebpf_map_batches[]; /* methods: map_access.c, map_batch.c */
extern const luaL_Reg ebpf_map_walks[];                      /* functions of ebpf.core.map: map_each.c */

/* Makes the class's __index, of its table of methods on the top. */
void ebpf_map_index_open(lua_State *L);

#pragma GCC visibility pop

#endif
