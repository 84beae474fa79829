/* Codec: bytes as Lua values.
 * No bpf(2) command.
 * Nothing is owned: whoever calls keeps codec and bytes. Pushing may run finalizers, and asks for neither again. */
#include <string.h>

#include "address.h"
#include "bits.h"
#include "codec.h"
#include "numbers.h"

struct push {
    lua_State *L;
    const struct ebpf_codec *codec;
    const char *end; /* of the bytes */
    int names;       /* where the table of names is on the stack */
    bool again;      /* tables that are there are filled again */
};

static void push_integer(lua_State *L, uint64_t bits, bool is_signed, unsigned width)
{
    if (is_signed)
        ebpf_push_s64(L, ebpf_bits_signed(bits, width));
    else if (width <= 32)
        lua_pushinteger(L, (lua_Integer)bits);
    else
        ebpf_push_u64(L, bits);
}

static uint64_t load(const struct ebpf_node *node, const char *bytes)
{
    if (node->bit_size)
        return ebpf_bits_field(bytes, node->bit_offset, node->bit_size);
    return ebpf_bits_load(bytes, node->size, node->flags & EBPF_NETWORK);
}

static unsigned width_of(const struct ebpf_node *node)
{
    return node->bit_size ? node->bit_size : node->size * 8;
}

/* The first constant of these bits; NULL if none. */
static const struct ebpf_constant *find_constant(const struct ebpf_codec *codec, const struct ebpf_node *node,
                                                 uint64_t bits)
{
    const struct ebpf_constant *first = codec->constants + node->first;
    uint32_t low = 0, high = node->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (first[middle].bits < bits)
            low = middle + 1;
        else
            high = middle;
    }
    return low < node->count && first[low].bits == bits ? &first[low] : NULL;
}

static void push_enum(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    uint64_t bits = load(node, bytes), wide = bits;
    const struct ebpf_constant *constant = NULL;

    /* a bit-field has fewer bits than its constants */
    if (node->bit_size)
        wide = (uint64_t)ebpf_bits_signed(bits, node->bit_size) & ebpf_bits_mask(node->size * 8);
    if (!(node->flags & EBPF_SIGNED))
        constant = find_constant(push->codec, node, bits);
    if (!constant && (wide != bits || node->flags & EBPF_SIGNED)) /* BTF of before Linux 6.0 tells no sign of enums */
        constant = find_constant(push->codec, node, wide);
    if (constant)
        lua_rawgeti(push->L, push->names, (int)constant->name);
    else
        push_integer(push->L, bits, node->flags & EBPF_SIGNED, width_of(node));
}

static void push_boolean(lua_State *L, uint64_t bits)
{
    if (bits <= 1)
        lua_pushboolean(L, (int)bits);
    else
        lua_pushinteger(L, (lua_Integer)bits); /* no C compiler makes it; as true it could not be written back */
}

static void push_float(lua_State *L, const struct ebpf_node *node, const char *bytes)
{
    double wide;
    float narrow;

    memcpy(&wide, bytes, node->size == 8 ? 8 : 0);
    memcpy(&narrow, bytes, 4);
    lua_pushnumber(L, node->size == 8 ? (lua_Number)wide : (lua_Number)narrow);
}

static void push_value(struct push *push, const struct ebpf_node *node, const char *bytes);
static void fill(struct push *push, const struct ebpf_node *node, const char *bytes);

static bool has_table(const struct ebpf_node *node)
{
    return node->kind == EBPF_ARRAY || node->kind == EBPF_STRUCT || node->kind == EBPF_UNION;
}

/* Pops what was there before; true if that was filled again. */
static bool refill(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    bool filled = lua_istable(push->L, -1);

    if (filled)
        fill(push, node, bytes);
    lua_pop(push->L, 1);
    return filled;
}

/* Elements of a flexible array are those that are there. */
static uint32_t element_count(const struct push *push, const struct ebpf_node *node, const char *bytes)
{
    uint32_t size = push->codec->nodes[node->first].size;

    if (!(node->flags & EBPF_FLEXIBLE) || !size || bytes >= push->end)
        return node->count;
    return (uint32_t)((size_t)(push->end - bytes) / size);
}

static void fill_array(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    const struct ebpf_node *element = &push->codec->nodes[node->first];
    uint32_t count = element_count(push, node, bytes);
    lua_State *L = push->L;

    for (uint32_t i = 0; i < count; i++, bytes += element->size) {
        if (push->again && has_table(element)) {
            lua_rawgeti(L, -1, (int)i + 1);
            if (refill(push, element, bytes))
                continue;
        }
        push_value(push, element, bytes);
        lua_rawseti(L, -2, (int)i + 1);
    }
    for (size_t left = push->again ? compat_rawlen(L, -1) : 0; left > count; left--) {
        lua_pushnil(L);
        lua_rawseti(L, -2, (int)left);
    }
}

static void fill_fields(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    const struct ebpf_node *child = push->codec->nodes + node->first;
    lua_State *L = push->L;

    for (const struct ebpf_node *end = child + node->count; child < end; child++) {
        if (child->flags & EBPF_NAMELESS) {
            fill_fields(push, child, bytes + child->offset);
            continue;
        }
        lua_rawgeti(L, push->names, (int)child->name);
        if (push->again && has_table(child)) {
            lua_pushvalue(L, -1);
            lua_rawget(L, -3);
            if (refill(push, child, bytes + child->offset)) {
                lua_pop(L, 1);
                continue;
            }
        }
        push_value(push, child, bytes + child->offset);
        lua_rawset(L, -3);
    }
}

/* The table on top. */
static void fill(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    if (node->kind == EBPF_ARRAY)
        fill_array(push, node, bytes);
    else
        fill_fields(push, node, bytes);
}

static void push_text(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    uint32_t size = node->flags & EBPF_FLEXIBLE ? element_count(push, node, bytes) : node->size;

    lua_pushlstring(push->L, bytes, node->kind == EBPF_TEXT ? strnlen(bytes, size) : size);
}

static void push_value(struct push *push, const struct ebpf_node *node, const char *bytes)
{
    switch (node->kind) {
    case EBPF_INTEGER:
        push_integer(push->L, load(node, bytes), node->flags & EBPF_SIGNED, width_of(node));
        break;
    case EBPF_BOOLEAN:
        push_boolean(push->L, load(node, bytes));
        break;
    case EBPF_ENUM:
        push_enum(push, node, bytes);
        break;
    case EBPF_FLOAT:
        push_float(push->L, node, bytes);
        break;
    case EBPF_ADDRESS:
        ebpf_address_push(push->L, bytes, node->size);
        break;
    case EBPF_BYTES:
    case EBPF_TEXT:
        push_text(push, node, bytes);
        break;
    case EBPF_ARRAY:
        lua_createtable(push->L, (int)element_count(push, node, bytes), 0);
        fill_array(push, node, bytes);
        break;
    default:
        lua_createtable(push->L, 0, (int)node->fields);
        fill_fields(push, node, bytes);
    }
}

static void begin(lua_State *L, struct push *push, const struct ebpf_codec *codec, const char *bytes, size_t length)
{
    *push = (struct push){.L = L, .codec = codec, .end = length > codec->size ? bytes + length : bytes};
    luaL_checkstack(L, (int)codec->depth * 3 + 5, "a value that nests too deep");
    lua_rawgeti(L, LUA_REGISTRYINDEX, codec->names_ref);
    push->names = lua_gettop(L);
}

void ebpf_codec_push_all(lua_State *L, const struct ebpf_codec *codec, const char *bytes, size_t length)
{
    const struct ebpf_node *root = codec->nodes;
    struct push push;

    ebpf_codec_expect(L, codec);
    if (root->kind == EBPF_INTEGER) {
        push_integer(L, load(root, bytes), root->flags & EBPF_SIGNED, width_of(root));
        return;
    }
    begin(L, &push, codec, bytes, length);
    push_value(&push, codec->nodes, bytes);
    lua_remove(L, push.names);
}

bool ebpf_codec_has_table(const struct ebpf_codec *codec)
{
    return codec->nodes && has_table(codec->nodes);
}

void ebpf_codec_fill(lua_State *L, const struct ebpf_codec *codec, const char *bytes, size_t length)
{
    struct push push;

    ebpf_codec_expect(L, codec);
    begin(L, &push, codec, bytes, length);
    push.again = true;
    lua_pushvalue(L, -2);
    fill(&push, codec->nodes, bytes);
    lua_pop(L, 2);
}

void ebpf_codec_push(lua_State *L, const struct ebpf_codec *codec, const char *bytes)
{
    ebpf_codec_push_all(L, codec, bytes, codec->size);
}
