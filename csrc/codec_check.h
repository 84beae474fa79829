/* Codec: what is known of the value that is being checked, for codec_check.c and codec_scalar.c. */
#ifndef EBPF_CODEC_CHECK_H
#define EBPF_CODEC_CHECK_H

#include "bits.h"
#include "codec.h"

#pragma GCC visibility push(hidden)

/* Where a value is, in its parents: for the message alone. */
struct ebpf_place {
    const struct ebpf_place *parent;
    const char *name; /* NULL: an element */
    uint32_t element;
};

struct ebpf_check {
    lua_State *L;
    const struct ebpf_codec *codec;
    char *bytes, *mask; /* mask: which bits a member of a union has settled */
    int unions;         /* that are around what is being checked */
    int names;          /* where the table of names is on the stack */
    int argument;
};

/* Raises "value.stats[3].bytes: ", and why, which is on the top of the stack. */
void ebpf_check_fail(const struct ebpf_check *check, const struct ebpf_place *place);

/* Raises "value.stats[3].bytes: `wanted` expected, got …": what is at index. */
void ebpf_check_fail_type(const struct ebpf_check *check, const struct ebpf_place *place, int index,
                          const char *wanted);

/* What the value at index is, for a message: a number or a short string itself, or its type. */
const char *ebpf_check_shown(lua_State *L, int index);

/* The value at index, which is no table, nor bytes, as what the node says. */
void ebpf_check_scalar(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       int index, char *to);

/* Puts bytes of the value where they belong; those of a union's members must agree. */
void ebpf_check_store(const struct ebpf_check *check, const struct ebpf_place *place, char *to, const char *from,
                      size_t size);

/* Almost all that is written is this: a number without a fraction, which fits. Everything else is left to
 * ebpf_check_scalar. */
static inline bool ebpf_check_number(lua_State *L, int index, const struct ebpf_node *node, char *bytes)
{
    unsigned width = node->size * 8;
    int64_t value;

    if (node->flags & EBPF_NETWORK || node->bit_size || lua_type(L, index) != LUA_TNUMBER)
        return false;
#if LUA_VERSION_NUM >= 503
    if (!lua_isinteger(L, index))
        return false;
    value = lua_tointeger(L, index);
    if (!(node->flags & EBPF_SIGNED) && width < 64 && (uint64_t)value >> width)
        return false;
#else
    lua_Number number = lua_tonumber(L, index);

    if (!(number > -9007199254740992.0 && number < 9007199254740992.0))
        return false;
    value = (int64_t)number;
    if ((lua_Number)value != number || (!(node->flags & EBPF_SIGNED) && (uint64_t)value > ebpf_bits_mask(width)) ||
        (!(node->flags & EBPF_SIGNED) && value < 0))
        return false;
#endif
    if (node->flags & EBPF_SIGNED && ebpf_bits_signed((uint64_t)value & ebpf_bits_mask(width), width) != value)
        return false;
    ebpf_bits_store(bytes, (uint64_t)value, node->size, false);
    return true;
}

#pragma GCC visibility pop

#endif
