/* Layout: the tree of a C type, by walking its BTF, which comes from strangers too: nothing in it is believed.
 * No bpf(2) command.
 * What is allocated is the codec's, however this ends: see layout_tree.c. */
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

#include "layout.h"

enum {
    DEPTH = 32,    /* of types in each other; C has them nest a few levels */
    CHAIN = 64,    /* of typedefs and qualifiers */
    SIZE = 1 << 28 /* bytes */
};

struct builder {
    struct ebpf_tree tree;
    const struct btf *btf;
    uint32_t pointer_size;
};

static int fail(struct builder *builder, int error, const char *why)
{
    return ebpf_tree_fail(&builder->tree, error, why);
}

static int add_name(struct builder *builder, uint32_t offset, uint32_t *name)
{
    return ebpf_tree_add_name(&builder->tree, btf__name_by_offset(builder->btf, offset), name);
}

static int add_constant(struct builder *builder, uint32_t name_offset, uint64_t bits)
{
    return ebpf_tree_add_constant(&builder->tree, btf__name_by_offset(builder->btf, name_offset), bits);
}

struct resolved {
    const struct btf_type *type;
    const char *name; /* the first in the chain; "" */
    bool network;
};

/* Follows typedefs and qualifiers to the type itself. */
static int resolve(struct builder *builder, uint32_t id, struct resolved *found)
{
    memset(found, 0, sizeof(*found));
    found->name = "";
    for (int i = 0; i < CHAIN; i++) {
        const struct btf_type *type = btf__type_by_id(builder->btf, id);
        const char *name = type ? btf__name_by_offset(builder->btf, type->name_off) : NULL;

        if (!name)
            return fail(builder, EINVAL, ebpf_tree_malformed);
        if (*name && !*found->name && !btf_is_type_tag(type) && !btf_is_var(type))
            found->name = name;
        found->type = type;
        if (!btf_is_mod(type) && !btf_is_typedef(type) && !btf_is_var(type))
            return 0;
        if (btf_is_typedef(type) && (!strcmp(name, "__be16") || !strcmp(name, "__be32") || !strcmp(name, "__be64")))
            found->network = true;
        id = type->type;
    }
    return fail(builder, EINVAL, ebpf_tree_malformed);
}

static int layout(struct builder *builder, uint32_t index, uint32_t id, int depth);

static int layout_integer(struct builder *builder, const struct btf_type *type, bool network, struct ebpf_node *node)
{
    uint32_t size = type->size, bits = btf_int_bits(type), offset = btf_int_offset(type);

    node->size = size;
    if (bits == 0 || bits + offset > size * 8)
        return fail(builder, EINVAL, ebpf_tree_malformed);
    if (size == 16) {
        node->kind = EBPF_BYTES;
        return 0;
    }
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fail(builder, EINVAL, ebpf_tree_malformed);
    node->kind = btf_int_encoding(type) & BTF_INT_BOOL && size == 1 ? EBPF_BOOLEAN : EBPF_INTEGER;
    if (btf_int_encoding(type) & BTF_INT_SIGNED)
        node->flags |= EBPF_SIGNED;
    if (bits != size * 8) {
        node->bit_offset = (uint8_t)offset;
        node->bit_size = (uint8_t)bits;
    } else if (network) {
        node->flags |= EBPF_NETWORK;
        node->kind = size == 4 ? EBPF_ADDRESS : EBPF_INTEGER;
    }
    return 0;
}

static int layout_float(struct builder *builder, const struct btf_type *type, struct ebpf_node *node)
{
    node->size = type->size;
    node->kind = type->size == 4 || type->size == 8 ? EBPF_FLOAT : EBPF_BYTES;
    return type->size <= 16 ? 0 : fail(builder, EINVAL, ebpf_tree_malformed);
}

static int layout_enum(struct builder *builder, const struct btf_type *type, uint32_t index)
{
    struct ebpf_codec *codec = builder->tree.codec;
    uint32_t size = type->size, count = btf_vlen(type), first = codec->constant_count;
    uint64_t mask = size < 8 ? (UINT64_C(1) << (size * 8 % 64)) - 1 : UINT64_MAX;
    int error = ebpf_tree_expect_constants(&builder->tree, count);

    if (error == E2BIG)
        return error;
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fail(builder, EINVAL, ebpf_tree_malformed);
    for (uint32_t i = 0; i < count && !error; i++)
        if (btf_is_enum64(type))
            error = add_constant(builder, btf_enum64(type)[i].name_off, btf_enum64_value(&btf_enum64(type)[i]) & mask);
        else
            error = add_constant(builder, btf_enum(type)[i].name_off, (uint64_t)btf_enum(type)[i].val & mask);
    if (error)
        return error;
    ebpf_tree_sort_constants(&builder->tree, first);
    codec->nodes[index].kind = EBPF_ENUM;
    codec->nodes[index].size = size;
    codec->nodes[index].flags |= btf_kflag(type) ? EBPF_SIGNED : 0;
    codec->nodes[index].first = first;
    codec->nodes[index].count = codec->constant_count - first;
    return 0;
}

/* "char", but neither "signed char" nor "unsigned char", is a letter. */
static bool is_char(struct builder *builder, const struct btf_type *type)
{
    const char *name = btf_is_int(type) ? btf__name_by_offset(builder->btf, type->name_off) : NULL;

    return name && type->size == 1 && strcmp(name, "char") == 0;
}

/* Nothing can follow what has no end: of what is followed, an array without a size stays empty. */
static void end_here(struct ebpf_codec *codec, struct ebpf_node *node)
{
    node->flags &= (uint8_t)~EBPF_FLEXIBLE;
    if (node->kind != EBPF_STRUCT && node->kind != EBPF_UNION)
        return;
    for (uint32_t i = 0; i < node->count; i++)
        end_here(codec, &codec->nodes[node->first + i]);
}

static int layout_array(struct builder *builder, const struct btf_type *type, uint32_t index, int depth)
{
    struct ebpf_codec *codec = builder->tree.codec;
    const struct btf_array *array = btf_array(type);
    struct resolved element;
    struct ebpf_node *node, *child;
    uint32_t first;
    int error = resolve(builder, array->type, &element);

    if (!error)
        error = ebpf_tree_add_nodes(&builder->tree, 1, &first);
    if (!error)
        error = layout(builder, first, array->type, depth + 1);
    if (error)
        return error;
    node = &codec->nodes[index];
    child = &codec->nodes[first];
    if ((uint64_t)child->size * array->nelems > SIZE)
        return fail(builder, E2BIG, "the type is too large");
    end_here(codec, child);
    node->kind = EBPF_ARRAY;
    node->first = first;
    node->count = child->size ? array->nelems : 0;
    node->size = child->size * array->nelems;
    node->flags |= array->nelems == 0 ? EBPF_FLEXIBLE : 0;
    if (is_char(builder, element.type))
        node->kind = EBPF_TEXT;
    else if (child->kind == EBPF_INTEGER && child->size == 1 && !(child->flags & EBPF_SIGNED) && !child->bit_size)
        node->kind = EBPF_BYTES;
    return 0;
}

/* A member's place, in bits from its parent's first; whole bytes become bytes. */
static int place(struct builder *builder, struct ebpf_node *node, uint64_t bit, uint32_t bits, uint32_t parent_size)
{
    uint64_t end;

    if (bits && node->kind == EBPF_ADDRESS && node->size == 4)
        node->kind = EBPF_INTEGER;
    if (bits) {
        if (node->kind > EBPF_ENUM || bits > node->size * 8)
            return fail(builder, ENOTSUP, "the type has a bit-field of more than 64 bits");
        node->bit_size = (uint8_t)bits;
        node->bit_offset = 0;
        node->flags &= (uint8_t)~EBPF_NETWORK;
    }
    bit += node->bit_offset;
    end = node->bit_size ? (bit + node->bit_size + 7) / 8 : bit / 8 + node->size;
    if (end > parent_size || (!node->bit_size && bit % 8 != 0))
        return fail(builder, EINVAL, ebpf_tree_malformed);
    node->offset = (uint32_t)(bit / 8);
    node->bit_offset = (uint8_t)(bit % 8);
    return 0;
}

static int layout_member(struct builder *builder, const struct btf_type *type, uint32_t i, uint32_t index, int depth)
{
    const struct btf_member *member = &btf_members(type)[i];
    struct ebpf_codec *codec = builder->tree.codec;
    struct ebpf_node *node;
    struct resolved resolved;
    uint32_t name;
    int error = add_name(builder, member->name_off, &name);

    if (!error)
        error = resolve(builder, member->type, &resolved);
    if (error)
        return error;
    if (ebpf_layout_valueless(builder->btf, resolved.type, name != 0))
        return -1;
    error = layout(builder, index, member->type, depth + 1);
    if (error)
        return error;
    node = &codec->nodes[index];
    node->name = name;
    node->flags |= name == 0 ? EBPF_NAMELESS : 0;
    node->flags |= node->size == 0 ? EBPF_OPTIONAL : 0;
    return place(builder, node, btf_member_bit_offset(type, i), btf_member_bitfield_size(type, i), type->size);
}

static int layout_composite(struct builder *builder, const struct btf_type *type, uint32_t index, int depth)
{
    struct ebpf_codec *codec = builder->tree.codec;
    uint32_t count = btf_vlen(type), first, kept = 0, fields = 0;
    int error = ebpf_tree_add_nodes(&builder->tree, count, &first);

    if (error)
        return error;
    if (type->size > SIZE)
        return fail(builder, E2BIG, "the type is too large");
    for (uint32_t i = 0; i < count; i++) {
        error = layout_member(builder, type, i, first + kept, depth);
        if (error > 0)
            return error;
        if (error < 0)
            continue;
        fields += codec->nodes[first + kept].name ? 1 : codec->nodes[first + kept].fields;
        if (i + 1 < count && !btf_is_union(type))
            end_here(codec, &codec->nodes[first + kept]);
        kept++;
    }
    codec->nodes[index].kind = btf_is_union(type) ? EBPF_UNION : EBPF_STRUCT;
    codec->nodes[index].size = type->size;
    codec->nodes[index].first = first;
    codec->nodes[index].count = kept;
    codec->nodes[index].fields = fields;
    codec->unions |= btf_is_union(type);
    return 0;
}

/* A section of variables (.bss, .data, .rodata) is a struct of them. */
static int layout_section(struct builder *builder, const struct btf_type *type, uint32_t index, int depth)
{
    struct ebpf_codec *codec = builder->tree.codec;
    const struct btf_var_secinfo *variable = btf_var_secinfos(type);
    uint32_t count = btf_vlen(type), first;
    int error = ebpf_tree_add_nodes(&builder->tree, count, &first);

    if (count && type->size == 0) /* the linker's to say: libbpf looks it up when it opens the object */
        return fail(builder, ENOTSUP, "a section has a layout in the BTF of an Object, and none in its file's");
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct btf_type *var = btf__type_by_id(builder->btf, variable[i].type);

        if (!var || !btf_is_var(var) || type->size > SIZE)
            return fail(builder, EINVAL, ebpf_tree_malformed);
        error = layout(builder, first + i, variable[i].type, depth + 1);
        if (!error)
            error = add_name(builder, var->name_off, &codec->nodes[first + i].name);
        if (!error)
            error = place(builder, &codec->nodes[first + i], (uint64_t)variable[i].offset * 8, 0, type->size);
    }
    if (error)
        return error;
    codec->nodes[index].kind = EBPF_STRUCT;
    codec->nodes[index].size = type->size;
    codec->nodes[index].first = first;
    codec->nodes[index].count = codec->nodes[index].fields = count;
    return 0;
}

/* in_addr and in6_addr: what they are made of interests nobody. */
static bool is_address(struct builder *builder, const struct btf_type *type)
{
    const char *name = btf__name_by_offset(builder->btf, type->name_off);

    return name && ((type->size == 4 && !strcmp(name, "in_addr")) || (type->size == 16 && !strcmp(name, "in6_addr")));
}

static int layout_type(struct builder *builder, const struct resolved *found, uint32_t index, int depth)
{
    const struct btf_type *type = found->type;
    struct ebpf_node *node = &builder->tree.codec->nodes[index];

    switch (btf_kind(type)) {
    case BTF_KIND_INT:
        return layout_integer(builder, type, found->network, node);
    case BTF_KIND_FLOAT:
        return layout_float(builder, type, node);
    case BTF_KIND_PTR:
        node->kind = EBPF_INTEGER;
        node->size = builder->pointer_size;
        return 0;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
        return layout_enum(builder, type, index);
    case BTF_KIND_ARRAY:
        return layout_array(builder, type, index, depth);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        if (!is_address(builder, type))
            return layout_composite(builder, type, index, depth);
        node->kind = EBPF_ADDRESS;
        node->flags |= EBPF_NETWORK;
        node->size = type->size;
        return 0;
    case BTF_KIND_DATASEC:
        return layout_section(builder, type, index, depth);
    case BTF_KIND_FWD:
        return fail(builder, ENOTSUP, "the type is declared only, and has no layout");
    default:
        return fail(builder, ENOTSUP, "the type is no type of values");
    }
}

static int layout(struct builder *builder, uint32_t index, uint32_t id, int depth)
{
    struct resolved found;
    uint32_t text;
    int error = resolve(builder, id, &found);

    if (depth > DEPTH)
        return fail(builder, E2BIG, "the type nests too deep");
    if (!error)
        error = ebpf_tree_add_text(&builder->tree, found.name, &text);
    if (error)
        return error;
    builder->tree.codec->nodes[index].type = text;
    if (builder->tree.codec->depth < (uint32_t)depth)
        builder->tree.codec->depth = (uint32_t)depth;
    return layout_type(builder, &found, index, depth);
}

int ebpf_layout(struct ebpf_codec *codec, const struct btf *btf, uint32_t type, const char **why)
{
    struct builder builder = {.tree.codec = codec, .btf = btf};
    uint32_t root;
    int error = ebpf_tree_begin(&builder.tree);

    /* 0: nothing tells; then what is asked is BPF's, whose pointers have 8 bytes */
    builder.pointer_size = btf__pointer_size(btf) == 4 ? 4 : 8;
    if (!error)
        error = ebpf_tree_add_nodes(&builder.tree, 1, &root);
    if (!error)
        error = layout(&builder, root, type, 0);
    if (!error)
        codec->size = codec->nodes[0].size;
    *why = builder.tree.why;
    return error;
}
