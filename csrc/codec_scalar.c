/* Codec: the values that are no tables as bytes: integers, booleans, enums, floats, addresses, text.
 * No bpf(2) command.
 * Nothing is owned. Nothing is allocated, unless to say what is wrong. */
#include <math.h>
#include <string.h>

#include "address.h"
#include "bits.h"
#include "codec_check.h"
#include "numbers.h"

/* The type as C writes it, or as the kernel would. */
static const char *type_name(const struct ebpf_check *check, const struct ebpf_node *node)
{
    lua_State *L = check->L;

    if (node->bit_size)
        return lua_pushfstring(L, "%d bits", (int)node->bit_size);
    if (node->type)
        return check->codec->text + node->type;
    return lua_pushfstring(L, "%c%d", node->flags & EBPF_SIGNED ? 's' : 'u', (int)node->size * 8);
}

static void fail_fit(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                     int index)
{
    const char *value = ebpf_check_shown(check->L, index);

    lua_pushfstring(check->L, "%s does not fit %s", value, type_name(check, node));
    ebpf_check_fail(check, place);
}

/* Members of a union lie on each other: several may be given, if none contradicts another. */
static void settle(const struct ebpf_check *check, const struct ebpf_place *place, char *to, unsigned char bits,
                   unsigned char defined)
{
    unsigned char *mask = (unsigned char *)check->mask + (to - check->bytes);
    unsigned char there = (unsigned char)*to;

    if (check->unions && (*mask & defined & (there ^ bits))) {
        lua_pushliteral(check->L, "another member of the union says otherwise: give one");
        ebpf_check_fail(check, place);
    }
    *to = (char)((there & ~defined) | (bits & defined));
    if (check->unions)
        *mask |= defined;
}

void ebpf_check_store(const struct ebpf_check *check, const struct ebpf_place *place, char *to, const char *from,
                      size_t size)
{
    if (!check->unions)
        memcpy(to, from, size);
    else
        for (size_t i = 0; i < size; i++)
            settle(check, place, to + i, (unsigned char)from[i], 0xff);
}

static void store_bits(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       char *to, uint64_t bits)
{
    char bytes[8];

    if (!node->bit_size) {
        ebpf_bits_store(bytes, bits, node->size, node->flags & EBPF_NETWORK);
        ebpf_check_store(check, place, to, bytes, node->size);
        return;
    }
    for (unsigned n = 0, in_byte; n < node->bit_size; n++) {
        unsigned byte = ebpf_bits_place(node->bit_offset, node->bit_size, n, &in_byte);

        settle(check, place, to + byte, (unsigned char)((bits >> n & 1) << in_byte), (unsigned char)(1u << in_byte));
    }
}

static bool fits(const struct ebpf_integer *value, bool is_signed, unsigned width)
{
    if (is_signed && value->negative)
        return (int64_t)value->bits >= -(int64_t)ebpf_bits_mask(width - 1) - 1;
    if (is_signed)
        return value->bits <= ebpf_bits_mask(width - 1);
    return value->negative ? width == 64 && value->whole : value->bits <= ebpf_bits_mask(width);
}

/* Programs keep IPv4 addresses in __u32, too, with the bytes as they are in packets. False: the value is none. */
static bool store_ipv4(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       int index, char *to)
{
    char bytes[4];
    size_t length;
    const char *text;

    if (node->size != 4 || node->bit_size || node->flags & EBPF_SIGNED || lua_type(check->L, index) != LUA_TSTRING)
        return false;
    text = lua_tolstring(check->L, index, &length);
    if (!ebpf_address_parse(text, length, bytes, 4))
        return false;
    ebpf_check_store(check, place, to, bytes, 4);
    return true;
}

static void check_integer(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                          int index, char *to)
{
    unsigned width = node->bit_size ? node->bit_size : node->size * 8;
    struct ebpf_integer value;

    if (!check->unions && ebpf_check_number(check->L, index, node, to))
        return;
    switch (ebpf_read_integer(check->L, index, &value)) {
    case EBPF_NO_INTEGER:
        if (store_ipv4(check, place, node, index, to))
            return;
        ebpf_check_fail_type(check, place, index, "an integer");
        break;
    case EBPF_TOO_LARGE:
        fail_fit(check, place, node, index);
        break;
    default:
        break;
    }
    if (!fits(&value, node->flags & EBPF_SIGNED, width))
        fail_fit(check, place, node, index);
    store_bits(check, place, node, to, value.bits);
}

static void check_boolean(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                          int index, char *to)
{
    if (lua_isboolean(check->L, index))
        store_bits(check, place, node, to, (uint64_t)lua_toboolean(check->L, index));
    else if (lua_type(check->L, index) == LUA_TNUMBER)
        check_integer(check, place, node, index, to);
    else
        ebpf_check_fail_type(check, place, index, "a boolean");
}

/* NULL if the enum has none of this name */
static const struct ebpf_constant *find_name(const struct ebpf_codec *codec, const struct ebpf_node *node,
                                             const char *name)
{
    uint32_t low = 0, high = node->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct ebpf_constant *constant = &codec->constants[codec->by_name[node->first + middle]];
        int order = strcmp(ebpf_codec_name(codec, constant->name), name);

        if (order == 0)
            return constant;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Whether a bit-field has room for a constant, which has the bits of the whole enum. BTF that does not say that an enum has
 * a sign may be older than its saying so: a negative constant is one then, too. */
static bool has_room(const struct ebpf_node *node, uint64_t bits)
{
    int64_t value = ebpf_bits_signed(bits, node->size * 8);

    if (value < 0 && value >= -(int64_t)ebpf_bits_mask(node->bit_size - 1u) - 1)
        return true;
    return bits <= ebpf_bits_mask(node->flags & EBPF_SIGNED ? node->bit_size - 1u : node->bit_size);
}

static void store_constant(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                           int index, char *to, uint64_t bits)
{
    if (node->bit_size && !has_room(node, bits))
        fail_fit(check, place, node, index);
    store_bits(check, place, node, to, bits);
}

/* A name; or a number, signed or not: before Linux 6.0 BTF did not say which enums have a sign. */
static void check_enum(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       int index, char *to)
{
    struct ebpf_node either = *node;
    struct ebpf_integer value;
    const struct ebpf_constant *constant;
    size_t length;
    const char *name;

    if (lua_type(check->L, index) == LUA_TSTRING) {
        name = lua_tolstring(check->L, index, &length);
        constant = strlen(name) == length ? find_name(check->codec, node, name) : NULL;
        if (constant) {
            store_constant(check, place, node, index, to, constant->bits);
            return;
        }
        if (ebpf_read_integer(check->L, index, &value) != EBPF_INTEGER_READ) {
            lua_pushfstring(check->L, "%s is no constant of enum %s", ebpf_check_shown(check->L, index),
                            type_name(check, node));
            ebpf_check_fail(check, place);
        }
    }
    if (ebpf_read_integer(check->L, index, &value) == EBPF_INTEGER_READ && value.negative && !node->bit_size)
        either.flags |= EBPF_SIGNED;
    else if (!node->bit_size)
        either.flags &= (uint8_t)~EBPF_SIGNED;
    check_integer(check, place, &either, index, to);
}

static void check_float(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        int index, char *to)
{
    double wide;
    float narrow;

    if (lua_type(check->L, index) != LUA_TNUMBER)
        ebpf_check_fail_type(check, place, index, "a number");
    wide = (double)lua_tonumber(check->L, index);
    narrow = (float)wide;
    if (node->size == 4 && isinf(narrow) && !isinf(wide))
        fail_fit(check, place, node, index);
    /* NaNs are many, and Lua does not keep which: in a union it settles only what nothing else has */
    if (wide != wide && check->unions) {
        const char *from = node->size == 8 ? (const char *)&wide : (const char *)&narrow;

        for (uint32_t i = 0; i < node->size; i++) {
            unsigned char mask = (unsigned char)check->mask[to + i - check->bytes];

            to[i] = (char)(((unsigned char)to[i] & mask) | ((unsigned char)from[i] & ~mask));
        }
        return;
    }
    ebpf_check_store(check, place, to, node->size == 8 ? (const char *)&wide : (const char *)&narrow, node->size);
}

static void check_address(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                          int index, char *to)
{
    char bytes[16];
    size_t length;
    const char *text;

    if (node->size == 4 && lua_type(check->L, index) == LUA_TNUMBER) {
        check_integer(check, place, node, index, to);
        return;
    }
    if (lua_type(check->L, index) != LUA_TSTRING)
        ebpf_check_fail_type(check, place, index, node->size == 4 ? "an IPv4 address" : "an IPv6 address");
    text = lua_tolstring(check->L, index, &length);
    if (!ebpf_address_parse(text, length, bytes, node->size))
        ebpf_check_fail_type(check, place, index, node->size == 4 ? "an IPv4 address" : "an IPv6 address");
    ebpf_check_store(check, place, to, bytes, node->size);
}

/* At most the array's size; NULs only at its end, for what is behind the first one would not be read back. */
static void check_text(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       int index, char *to)
{
    size_t length, end;
    const char *text;

    if (lua_type(check->L, index) != LUA_TSTRING)
        ebpf_check_fail_type(check, place, index, "a string");
    text = lua_tolstring(check->L, index, &length);
    end = strnlen(text, length);
    if (length > node->size) {
        lua_pushfstring(check->L, "at most %d bytes expected, got %d", (int)node->size, (int)length);
        ebpf_check_fail(check, place);
    }
    for (size_t i = end; i < length; i++) {
        if (!text[i])
            continue;
        lua_pushfstring(check->L, "a string without a NUL byte in it expected, got one at %d", (int)end + 1);
        ebpf_check_fail(check, place);
    }
    ebpf_check_store(check, place, to, text, end);
    if (end < node->size)
        ebpf_check_store(check, place, to + end, "", 1);
}

void ebpf_check_scalar(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                       int index, char *to)
{
    switch (node->kind) {
    case EBPF_BOOLEAN:
        check_boolean(check, place, node, index, to);
        break;
    case EBPF_ENUM:
        check_enum(check, place, node, index, to);
        break;
    case EBPF_FLOAT:
        check_float(check, place, node, index, to);
        break;
    case EBPF_ADDRESS:
        check_address(check, place, node, index, to);
        break;
    case EBPF_TEXT:
        check_text(check, place, node, index, to);
        break;
    default:
        check_integer(check, place, node, index, to);
    }
}
