/* Codec: a C type, compiled once from its BTF, by which bytes become Lua values and Lua values bytes. */
#ifndef EBPF_CODEC_H
#define EBPF_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

struct btf;

enum ebpf_kind {
    EBPF_INTEGER,
    EBPF_BOOLEAN,
    EBPF_ENUM,    /* children are its constants */
    EBPF_FLOAT,   /* of 4 or 8 bytes */
    EBPF_ADDRESS, /* of 4 or 16 bytes, in network order: its text */
    EBPF_BYTES,   /* a string of that very size */
    EBPF_TEXT,    /* a string up to that size, filled up with NUL */
    EBPF_ARRAY,   /* its one child is the element */
    EBPF_STRUCT,
    EBPF_UNION,
};

enum {
    EBPF_SIGNED = 1,
    EBPF_NETWORK = 2,   /* in network byte order: __be16, __be32, __be64 */
    EBPF_NAMELESS = 4,  /* a struct or union whose members are its parent's */
    EBPF_FLEXIBLE = 8,  /* an array without a size of its own: what is left of the bytes */
    EBPF_OPTIONAL = 16, /* without a size: may be left out */
};

/* A type at its place in another. The tree is an array; a node's children are neighbours. */
struct ebpf_node {
    uint8_t kind, flags;
    uint8_t bit_offset, bit_size; /* of a bit-field, from `offset` on; bit_size 0: none */
    uint32_t offset, size;        /* bytes, from the parent's */
    uint32_t first, count;        /* children; of an array: its element, and how many; of an enum: constants */
    uint32_t fields;              /* what a table for it has */
    uint32_t name;                /* in `names`; 0: none */
    uint32_t type;                /* in `text`: what C calls it */
};

struct ebpf_constant {
    uint64_t bits;
    uint32_t name;
};

struct ebpf_codec {
    uint32_t size;                   /* bytes */
    bool unions;                     /* checking a value needs a mask */
    uint32_t depth;                  /* how deep values nest */
    struct ebpf_node *nodes;         /* the first is the root */
    struct ebpf_constant *constants; /* of each enum: sorted by their bits */
    uint32_t *by_name;               /* and again: indices of its constants, sorted by name */
    uint32_t *names;                 /* where they are in `text`; by the same number in the Lua table */
    char *text;
    uint32_t node_count, constant_count, name_count, text_size;
    int names_ref; /* the Lua table of names, in the registry */
};

#define EBPF_CODEC_CLASS "ebpf.codec"

/* Pushes an empty one. It is of use once it has a layout and then its names, in this order: finalizers may run while it
 * is made and while it gets its names, but not between whoever looks for the BTF and the layout. */
struct ebpf_codec *ebpf_codec_new(lua_State *L);
void ebpf_codec_make_names(lua_State *L, struct ebpf_codec *codec);

/* Fills an empty codec; 0, or an errno with words that last. No Lua runs. */
int ebpf_layout(struct ebpf_codec *codec, const struct btf *btf, uint32_t type, const char **why);

/* The userdata at index; an error if it is none. */
const struct ebpf_codec *ebpf_codec_at(lua_State *L, int index);

/* An error if it was collected: a finalizer may hold what it needs no longer. */
static inline void ebpf_codec_expect(lua_State *L, const struct ebpf_codec *codec)
{
    if (!codec->nodes)
        luaL_error(L, "codec was collected");
}

/* Pushes the value of codec->size bytes; whoever calls keeps the codec anchored. May run finalizers. */
void ebpf_codec_push(lua_State *L, const struct ebpf_codec *codec, const char *bytes);

/* The same of `length` bytes, not fewer than codec->size: what is more, a flexible array at the end has. */
void ebpf_codec_push_all(lua_State *L, const struct ebpf_codec *codec, const char *bytes, size_t length);

/* The same into the table on top, which a value of the type is, and into those that are in it. */
void ebpf_codec_fill(lua_State *L, const struct ebpf_codec *codec, const char *bytes, size_t length);
bool ebpf_codec_has_table(const struct ebpf_codec *codec);

/* The Lua value at index as codec->size bytes; an error that names the path, from `what` on, as of this argument.
 * Neither allocates nor runs Lua, unless it fails. `mask` is as many bytes of room where codec->unions, else unused. */
void ebpf_codec_check(lua_State *L, int index, const struct ebpf_codec *codec, char *bytes, char *mask,
                      const char *what, int argument);

static inline const char *ebpf_codec_name(const struct ebpf_codec *codec, uint32_t name)
{
    return codec->text + codec->names[name];
}

#pragma GCC visibility pop

#endif
