/* Codec: Lua values as bytes. Tables are read raw: no Lua runs between the check and whatever uses the bytes.
 * No bpf(2) command.
 * Nothing is owned. Nothing is allocated, unless to say what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "bits.h"
#include "codec.h"
#include "numbers.h"

/* Where a value is, in its parents: for the message alone. */
struct place {
    const struct place *parent;
    const char *name; /* NULL: an element */
    uint32_t element;
};

struct check {
    lua_State *L;
    const struct ebpf_codec *codec;
    char *bytes, *mask; /* mask: which bits a member of a union has settled */
    int unions;         /* that are around what is being checked */
    int names;          /* where the table of names is on the stack */
    int argument;
};

static void add_path(luaL_Buffer *buffer, const struct place *place)
{
    char element[16];

    if (place->parent)
        add_path(buffer, place->parent);
    if (!place->name) {
        snprintf(element, sizeof(element), "[%u]", (unsigned)place->element);
        luaL_addstring(buffer, element);
        return;
    }
    if (place->parent)
        luaL_addchar(buffer, '.');
    luaL_addstring(buffer, place->name);
}

/* Raises "value.stats[3].bytes: ", and why, which is on the top of the stack. */
static void fail(const struct check *check, const struct place *place)
{
    lua_State *L = check->L;
    int why = lua_gettop(L);
    luaL_Buffer buffer;

    luaL_checkstack(L, LUA_MINSTACK, NULL);
    luaL_buffinit(L, &buffer);
    add_path(&buffer, place);
    luaL_pushresult(&buffer);
    luaL_argerror(L, check->argument, lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), lua_tostring(L, why)));
}

/* What the value at index is, for a message: a number or a short string itself, or its type. */
static const char *shown(lua_State *L, int index)
{
    char digits[32];
    size_t length;

    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        snprintf(digits, sizeof(digits), "%.0f", (double)lua_tonumber(L, index));
        lua_pushvalue(L, index);
        if (strpbrk(lua_tostring(L, -1), ".e") && strtod(digits, NULL) == (double)lua_tonumber(L, index))
            lua_pushstring(L, digits); /* 2^64, and not 1.844674407371e+19 */
        return lua_tostring(L, -1);
    case LUA_TSTRING:
        lua_tolstring(L, index, &length);
        if (length <= 40)
            return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
        return lua_pushfstring(L, "a string of %d bytes", (int)length);
    case LUA_TBOOLEAN:
        return lua_toboolean(L, index) ? "true" : "false";
    default:
        return luaL_typename(L, index);
    }
}

/* The type as C writes it, or as the kernel would. */
static const char *type_name(const struct check *check, const struct ebpf_node *node)
{
    lua_State *L = check->L;

    if (node->bit_size)
        return lua_pushfstring(L, "%d bits", (int)node->bit_size);
    if (node->type)
        return check->codec->text + node->type;
    return lua_pushfstring(L, "%c%d", node->flags & EBPF_SIGNED ? 's' : 'u', (int)node->size * 8);
}

static void fail_type(const struct check *check, const struct place *place, int index, const char *wanted)
{
    lua_pushfstring(check->L, "%s expected, got %s", wanted, shown(check->L, index));
    fail(check, place);
}

static void fail_fit(const struct check *check, const struct place *place, const struct ebpf_node *node, int index)
{
    const char *value = shown(check->L, index);

    lua_pushfstring(check->L, "%s does not fit %s", value, type_name(check, node));
    fail(check, place);
}

/* Members of a union lie on each other: several may be given, if none contradicts another. */
static void settle(const struct check *check, const struct place *place, char *to, unsigned char bits,
                   unsigned char defined)
{
    unsigned char *mask = (unsigned char *)check->mask + (to - check->bytes);
    unsigned char there = (unsigned char)*to;

    if (check->unions && (*mask & defined & (there ^ bits))) {
        lua_pushliteral(check->L, "another member of the union says otherwise: give one");
        fail(check, place);
    }
    *to = (char)((there & ~defined) | (bits & defined));
    if (check->unions)
        *mask |= defined;
}

static void store_bytes(const struct check *check, const struct place *place, char *to, const char *from, size_t size)
{
    if (!check->unions)
        memcpy(to, from, size);
    else
        for (size_t i = 0; i < size; i++)
            settle(check, place, to + i, (unsigned char)from[i], 0xff);
}

static void store_bits(const struct check *check, const struct place *place, const struct ebpf_node *node, char *to,
                       uint64_t bits)
{
    char bytes[8];

    if (!node->bit_size) {
        ebpf_bits_store(bytes, bits, node->size, node->flags & EBPF_NETWORK);
        store_bytes(check, place, to, bytes, node->size);
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

/* Almost all that is written is this: a number without a fraction, which fits. Everything else is left to check_integer. */
static bool store_number(lua_State *L, int index, const struct ebpf_node *node, char *bytes)
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

static void check_integer(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                          char *to)
{
    unsigned width = node->bit_size ? node->bit_size : node->size * 8;
    struct ebpf_integer value;

    if (!check->unions && store_number(check->L, index, node, to))
        return;
    switch (ebpf_read_integer(check->L, index, &value)) {
    case EBPF_NO_INTEGER:
        fail_type(check, place, index, "an integer");
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

static void check_boolean(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                          char *to)
{
    if (lua_isboolean(check->L, index))
        store_bits(check, place, node, to, (uint64_t)lua_toboolean(check->L, index));
    else if (lua_type(check->L, index) == LUA_TNUMBER)
        check_integer(check, place, node, index, to);
    else
        fail_type(check, place, index, "a boolean");
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

/* A constant has the bits of the whole enum: sign-extended, they must be those of the place. */
static void store_constant(const struct check *check, const struct place *place, const struct ebpf_node *node,
                           int index, char *to, uint64_t bits)
{
    bool is_signed = node->flags & EBPF_SIGNED;
    int64_t value = ebpf_bits_signed(bits, node->size * 8);
    struct ebpf_integer integer = {.bits = bits};

    if (is_signed && value < 0) {
        integer.bits = (uint64_t)value;
        integer.negative = true;
    }
    if (node->bit_size && !fits(&integer, is_signed, node->bit_size))
        fail_fit(check, place, node, index);
    store_bits(check, place, node, to, bits);
}

/* A name; or a number, signed or not: before Linux 6.0 BTF did not say which enums have a sign. */
static void check_enum(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                       char *to)
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
            lua_pushfstring(check->L, "%s is no constant of enum %s", shown(check->L, index), type_name(check, node));
            fail(check, place);
        }
    }
    if (ebpf_read_integer(check->L, index, &value) == EBPF_INTEGER_READ && value.negative && !node->bit_size)
        either.flags |= EBPF_SIGNED;
    else if (!node->bit_size)
        either.flags &= (uint8_t)~EBPF_SIGNED;
    check_integer(check, place, &either, index, to);
}

static void check_float(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                        char *to)
{
    double wide;
    float narrow;

    if (lua_type(check->L, index) != LUA_TNUMBER)
        fail_type(check, place, index, "a number");
    wide = (double)lua_tonumber(check->L, index);
    narrow = (float)wide;
    /* NaNs are many, and Lua does not keep which: in a union it settles only what nothing else has */
    if (wide != wide && check->unions) {
        const char *from = node->size == 8 ? (const char *)&wide : (const char *)&narrow;

        for (uint32_t i = 0; i < node->size; i++) {
            unsigned char mask = (unsigned char)check->mask[to + i - check->bytes];

            to[i] = (char)(((unsigned char)to[i] & mask) | ((unsigned char)from[i] & ~mask));
        }
        return;
    }
    store_bytes(check, place, to, node->size == 8 ? (const char *)&wide : (const char *)&narrow, node->size);
}

static void check_address(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                          char *to)
{
    char bytes[16];
    size_t length;
    const char *text;

    if (node->size == 4 && lua_type(check->L, index) == LUA_TNUMBER) {
        check_integer(check, place, node, index, to);
        return;
    }
    if (lua_type(check->L, index) != LUA_TSTRING)
        fail_type(check, place, index, node->size == 4 ? "an IPv4 address" : "an IPv6 address");
    text = lua_tolstring(check->L, index, &length);
    if (!ebpf_address_parse(text, length, bytes, node->size))
        fail_type(check, place, index, node->size == 4 ? "an IPv4 address" : "an IPv6 address");
    store_bytes(check, place, to, bytes, node->size);
}

/* At most the array's size; NULs only at its end, for what is behind the first one would not be read back. */
static void check_text(const struct check *check, const struct place *place, const struct ebpf_node *node, int index,
                       char *to)
{
    size_t length, end;
    const char *text;

    if (lua_type(check->L, index) != LUA_TSTRING)
        fail_type(check, place, index, "a string");
    text = lua_tolstring(check->L, index, &length);
    end = strnlen(text, length);
    if (length > node->size) {
        lua_pushfstring(check->L, "at most %d bytes expected, got %d", (int)node->size, (int)length);
        fail(check, place);
    }
    for (size_t i = end; i < length; i++) {
        if (!text[i])
            continue;
        lua_pushfstring(check->L, "a string without a NUL byte in it expected, got one at %d", (int)end + 1);
        fail(check, place);
    }
    store_bytes(check, place, to, text, end);
    if (end < node->size)
        store_bytes(check, place, to + end, "", 1);
}

static void check_value(struct check *check, const struct place *place, const struct ebpf_node *node, char *to);

static int count_keys(lua_State *L, int table)
{
    int count = 0;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        count++;
    }
    return count;
}

/* Raises for the first key that is no element. */
static void fail_elements(const struct check *check, const struct place *place, const struct ebpf_node *node, int table)
{
    lua_State *L = check->L;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_Number key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

        lua_pop(L, 1);
        if (!(key >= 1 && key <= node->count) || key != (lua_Number)(uint32_t)key)
            break;
    }
    lua_pushfstring(L, "a list of %d expected, and %s is beyond it", (int)node->count, shown(L, -1));
    fail(check, place);
}

static void check_array(struct check *check, const struct place *place, const struct ebpf_node *node, char *to)
{
    const struct ebpf_node *element = &check->codec->nodes[node->first];
    struct place here = {.parent = place};
    lua_State *L = check->L;
    int table = lua_gettop(L);

    if (!lua_istable(L, table))
        fail_type(check, place, table, node->kind == EBPF_BYTES ? "a string or a list" : "a list");
    for (uint32_t i = 0; i < node->count; i++) {
        here.element = i + 1;
        lua_rawgeti(L, table, (int)i + 1);
        if (lua_isnil(L, -1)) {
            lua_pushfstring(L, "missing: a list of %d expected", (int)node->count);
            fail(check, &here);
        }
        check_value(check, &here, element, to + (size_t)i * element->size);
        lua_pop(L, 1);
    }
    if (count_keys(L, table) != (int)node->count)
        fail_elements(check, place, node, table);
}

static void check_bytes(struct check *check, const struct place *place, const struct ebpf_node *node, char *to)
{
    lua_State *L = check->L;

    if (node->first && lua_istable(L, -1)) {
        check_array(check, place, node, to);
        return;
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        fail_type(check, place, lua_gettop(L), node->first ? "a string or a list" : "a string");
    if (compat_rawlen(L, -1) != node->size) {
        lua_pushfstring(L, "%d bytes expected, got %d", (int)node->size, (int)compat_rawlen(L, -1));
        fail(check, place);
    }
    store_bytes(check, place, to, lua_tostring(L, -1), node->size);
}

/* Whether the table has any of the fields. */
static bool has_any(const struct check *check, const struct ebpf_node *node, int table)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;
    lua_State *L = check->L;
    bool found = false;

    for (const struct ebpf_node *end = child + node->count; child < end && !found; child++) {
        if (child->flags & EBPF_NAMELESS) {
            found = has_any(check, child, table);
            continue;
        }
        lua_rawgeti(L, check->names, (int)child->name);
        lua_rawget(L, table);
        found = !lua_isnil(L, -1);
        lua_pop(L, 1);
    }
    return found;
}

static int check_fields(struct check *check, const struct place *place, const struct ebpf_node *node, int table,
                        char *to);

/* One member, from the table: how many keys it took. */
static int check_member(struct check *check, const struct place *place, const struct ebpf_node *child, int table,
                        char *to, bool required)
{
    struct place here = {.parent = place, .name = ebpf_codec_name(check->codec, child->name)};
    lua_State *L = check->L;

    if (child->flags & EBPF_NAMELESS) {
        if (!required && !has_any(check, child, table))
            return 0;
        return check_fields(check, place, child, table, to + child->offset);
    }
    lua_rawgeti(L, check->names, (int)child->name);
    lua_rawget(L, table);
    if (lua_isnil(L, -1)) {
        if (required && !(child->flags & EBPF_OPTIONAL)) {
            lua_pushliteral(L, "missing");
            fail(check, &here);
        }
        lua_pop(L, 1);
        return 0;
    }
    check_value(check, &here, child, to + child->offset);
    lua_pop(L, 1);
    return 1;
}

static void add_names(const struct check *check, luaL_Buffer *buffer, const struct ebpf_node *node, bool *first)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;

    for (const struct ebpf_node *end = child + node->count; child < end; child++) {
        if (child->flags & EBPF_NAMELESS) {
            add_names(check, buffer, child, first);
            continue;
        }
        luaL_addstring(buffer, *first ? "" : ", ");
        luaL_addstring(buffer, ebpf_codec_name(check->codec, child->name));
        *first = false;
    }
}

/* Pushes "start a, b, c". */
static void push_names(const struct check *check, const struct ebpf_node *node, const char *start)
{
    luaL_Buffer buffer;
    bool first = true;

    luaL_buffinit(check->L, &buffer);
    luaL_addstring(&buffer, start);
    add_names(check, &buffer, node, &first);
    luaL_pushresult(&buffer);
}

static int check_fields(struct check *check, const struct place *place, const struct ebpf_node *node, int table,
                        char *to)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;
    bool is_union = node->kind == EBPF_UNION;
    int found = 0;

    check->unions += is_union;
    for (const struct ebpf_node *end = child + node->count; child < end; child++)
        found += check_member(check, place, child, table, to, !is_union);
    check->unions -= is_union;
    if (is_union && found == 0 && node->size) {
        push_names(check, node, "missing: one of ");
        fail(check, place);
    }
    return found;
}

static bool has_name(const struct check *check, const struct ebpf_node *node, const char *name)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;

    for (const struct ebpf_node *end = child + node->count; child < end; child++)
        if (child->flags & EBPF_NAMELESS ? has_name(check, child, name)
                                         : strcmp(ebpf_codec_name(check->codec, child->name), name) == 0)
            return true;
    return false;
}

/* Raises for the first key that is no field's name. */
static void fail_keys(const struct check *check, const struct place *place, const struct ebpf_node *node, int table)
{
    struct place here = {.parent = place};
    lua_State *L = check->L;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING || !has_name(check, node, lua_tostring(L, -1)))
            break;
    }
    here.name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : lua_pushfstring(L, "[%s]", shown(L, -1));
    push_names(check, node, "unknown field (known: ");
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
    fail(check, &here);
}

static void check_table(struct check *check, const struct place *place, const struct ebpf_node *node, char *to)
{
    lua_State *L = check->L;
    int table = lua_gettop(L);

    if (!lua_istable(L, table))
        fail_type(check, place, table, "a table");
    if (check_fields(check, place, node, table, to) != count_keys(L, table))
        fail_keys(check, place, node, table);
}

/* The value on the top of the stack. */
static void check_value(struct check *check, const struct place *place, const struct ebpf_node *node, char *to)
{
    int index = lua_gettop(check->L);

    switch (node->kind) {
    case EBPF_INTEGER:
        check_integer(check, place, node, index, to);
        break;
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
    case EBPF_BYTES:
        check_bytes(check, place, node, to);
        break;
    case EBPF_TEXT:
        check_text(check, place, node, index, to);
        break;
    case EBPF_ARRAY:
        check_array(check, place, node, to);
        break;
    default:
        check_table(check, place, node, to);
    }
}

/* A string of the very size is the bytes themselves, unless it is what such values are written as. */
static bool takes_bytes(const struct ebpf_node *root)
{
    return root->kind != EBPF_ENUM && root->kind != EBPF_ADDRESS;
}

void ebpf_codec_check(lua_State *L, int index, const struct ebpf_codec *codec, char *bytes, char *mask,
                      const char *what, int argument)
{
    struct check check;
    struct place root = {.name = what};

    ebpf_codec_expect(L, codec);
    if (codec->nodes->kind == EBPF_INTEGER && store_number(L, index, codec->nodes, bytes))
        return;
    if (takes_bytes(codec->nodes) && lua_type(L, index) == LUA_TSTRING && compat_rawlen(L, index) == codec->size) {
        memcpy(bytes, lua_tostring(L, index), codec->size);
        return;
    }
    check = (struct check){.L = L, .codec = codec, .bytes = bytes, .mask = mask, .argument = argument};
    if (codec->nodes->kind == EBPF_INTEGER) {
        check_integer(&check, &root, codec->nodes, index, bytes);
        return;
    }
    if (codec->unions)
        memset(mask, 0, codec->size);
    luaL_checkstack(L, (int)codec->depth * 3 + LUA_MINSTACK, "a value that nests too deep");
    lua_pushvalue(L, index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, codec->names_ref);
    lua_insert(L, -2);
    check.names = lua_gettop(L) - 1;
    check_value(&check, &root, codec->nodes, bytes);
    lua_pop(L, 2);
}
