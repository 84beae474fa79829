/* Layout: the tree of a C type, from its BTF. BTF comes from files and strangers' programs: nothing in it is believed.
 * No bpf(2) command.
 * What is allocated is the codec's, however this ends. */
#define _GNU_SOURCE
#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

enum {
    DEPTH = 32,         /* of types in each other; C has them nest a few levels */
    CHAIN = 64,         /* of typedefs and qualifiers */
    NODES = 1 << 16,    /* a table of more fields is a mistake, or an attack */
    SIZE = 1 << 28,     /* bytes */
    NAME = 1 << 10,     /* bytes; the kernel takes 512 */
    CONSTANTS = 1 << 20 /* of all enums together */
};

struct builder {
    struct ebpf_codec *codec;
    const struct btf *btf;
    uint32_t node_room, constant_room, name_room, text_room, pointer_size;
    const char *why;
};

static const char malformed[] = "the BTF is malformed";

static int fail(struct builder *builder, int error, const char *why)
{
    builder->why = why;
    return error;
}

/* The array with room for `more` elements behind `count`, doubled so that growing is cheap; NULL when memory is out. */
static void *grow(struct builder *builder, void *array, uint32_t *room, uint32_t count, uint32_t more, size_t size)
{
    uint32_t wanted = *room ? *room : 16;
    void *grown;

    if (count + more <= *room)
        return array;
    while (wanted < count + more)
        wanted *= 2;
    grown = realloc(array, wanted * size);
    builder->why = grown ? NULL : "out of memory";
    if (grown)
        *room = wanted;
    return grown;
}

static int grow_nodes(struct builder *builder, uint32_t more)
{
    struct ebpf_codec *codec = builder->codec;
    void *grown = grow(builder, codec->nodes, &builder->node_room, codec->node_count, more, sizeof(*codec->nodes));

    codec->nodes = grown ? grown : codec->nodes;
    return grown ? 0 : ENOMEM;
}

static int grow_text(struct builder *builder, uint32_t more)
{
    struct ebpf_codec *codec = builder->codec;
    void *grown = grow(builder, codec->text, &builder->text_room, codec->text_size, more, 1);

    codec->text = grown ? grown : codec->text;
    return grown ? 0 : ENOMEM;
}

static int grow_names(struct builder *builder)
{
    struct ebpf_codec *codec = builder->codec;
    void *grown = grow(builder, codec->names, &builder->name_room, codec->name_count, 1, sizeof(*codec->names));

    codec->names = grown ? grown : codec->names;
    return grown ? 0 : ENOMEM;
}

static int grow_constants(struct builder *builder, uint32_t more)
{
    struct ebpf_codec *codec = builder->codec;
    uint32_t room = builder->constant_room, count = codec->constant_count;
    void *constants = grow(builder, codec->constants, &room, count, more, sizeof(*codec->constants));
    void *by_name;

    codec->constants = constants ? constants : codec->constants;
    if (!constants)
        return ENOMEM;
    by_name = grow(builder, codec->by_name, &builder->constant_room, count, more, sizeof(*codec->by_name));
    codec->by_name = by_name ? by_name : codec->by_name;
    return by_name ? 0 : ENOMEM;
}

static int add_nodes(struct builder *builder, uint32_t count, uint32_t *first)
{
    struct ebpf_codec *codec = builder->codec;
    int error;

    if (count > NODES - codec->node_count)
        return fail(builder, E2BIG, "the type has more fields than a table should");
    error = grow_nodes(builder, count);
    if (error)
        return error;
    *first = codec->node_count;
    memset(codec->nodes + *first, 0, count * sizeof(*codec->nodes));
    codec->node_count += count;
    return 0;
}

/* Copies a text of the BTF; 0 stands for the empty one. */
static int add_text(struct builder *builder, const char *text, uint32_t *at)
{
    struct ebpf_codec *codec = builder->codec;
    size_t length = text ? strnlen(text, NAME) : NAME;
    int error;

    if (length == NAME)
        return fail(builder, EINVAL, malformed);
    *at = 0;
    if (length == 0)
        return 0;
    error = grow_text(builder, (uint32_t)length + 1);
    if (error)
        return error;
    *at = codec->text_size;
    memcpy(codec->text + *at, text, length + 1);
    codec->text_size += (uint32_t)length + 1;
    return 0;
}

/* A name that becomes a Lua string; 0 stands for none. */
static int add_name(struct builder *builder, uint32_t offset, uint32_t *name)
{
    struct ebpf_codec *codec = builder->codec;
    uint32_t at;
    int error = add_text(builder, btf__name_by_offset(builder->btf, offset), &at);

    *name = 0;
    if (error || at == 0)
        return error;
    error = grow_names(builder);
    if (error)
        return error;
    codec->names[codec->name_count] = at;
    *name = codec->name_count++;
    return 0;
}

struct resolved {
    const struct btf_type *type;
    const char *name; /* the first in the chain; "" */
    bool network;
};

/* What the kernel keeps in values for itself: it gives them as zero and ignores what is written. */
static bool kernels_own(const char *name)
{
    static const char *const names[] = {
        "bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer",   "bpf_wq",      "bpf_task_work",
        "bpf_list_head", "bpf_list_node",     "bpf_rb_root", "bpf_rb_node", "bpf_refcount",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Follows typedefs and qualifiers to the type itself. */
static int resolve(struct builder *builder, uint32_t id, struct resolved *found)
{
    memset(found, 0, sizeof(*found));
    found->name = "";
    for (int i = 0; i < CHAIN; i++) {
        const struct btf_type *type = btf__type_by_id(builder->btf, id);
        const char *name = type ? btf__name_by_offset(builder->btf, type->name_off) : NULL;

        if (!name)
            return fail(builder, EINVAL, malformed);
        if (*name && !*found->name && !btf_is_type_tag(type) && !btf_is_var(type))
            found->name = name;
        found->type = type;
        if (!btf_is_mod(type) && !btf_is_typedef(type) && !btf_is_var(type))
            return 0;
        if (btf_is_typedef(type) && (!strcmp(name, "__be16") || !strcmp(name, "__be32") || !strcmp(name, "__be64")))
            found->network = true;
        id = type->type;
    }
    return fail(builder, EINVAL, malformed);
}

/* Pointers to kernel objects are the kernel's too: tagged "kptr", "kptr_untrusted", "percpu_kptr". */
static bool is_kptr(struct builder *builder, const struct btf_type *type)
{
    const struct btf_type *to = btf_is_ptr(type) ? btf__type_by_id(builder->btf, type->type) : NULL;
    const char *tag = to && btf_is_type_tag(to) ? btf__name_by_offset(builder->btf, to->name_off) : NULL;

    return tag && (starts_with(tag, "kptr") || starts_with(tag, "percpu_kptr"));
}

static int layout(struct builder *builder, uint32_t index, uint32_t id, int depth);

static int layout_integer(struct builder *builder, const struct btf_type *type, bool network, struct ebpf_node *node)
{
    uint32_t size = type->size, bits = btf_int_bits(type), offset = btf_int_offset(type);

    node->size = size;
    if (bits == 0 || bits + offset > size * 8)
        return fail(builder, EINVAL, malformed);
    if (size == 16) {
        node->kind = EBPF_BYTES;
        return 0;
    }
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fail(builder, EINVAL, malformed);
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
    return type->size <= 16 ? 0 : fail(builder, EINVAL, malformed);
}

static int compare_bits(const void *a, const void *b)
{
    const struct ebpf_constant *left = a, *right = b;

    if (left->bits != right->bits)
        return left->bits < right->bits ? -1 : 1;
    return left->name < right->name ? -1 : left->name > right->name; /* in the order of declaration */
}

static int compare_names(const void *a, const void *b, void *data)
{
    const struct ebpf_codec *codec = data;
    const uint32_t *left = a, *right = b;

    return strcmp(ebpf_codec_name(codec, codec->constants[*left].name),
                  ebpf_codec_name(codec, codec->constants[*right].name));
}

static int add_constant(struct builder *builder, uint32_t name_offset, uint64_t bits)
{
    struct ebpf_codec *codec = builder->codec;
    struct ebpf_constant *constant = &codec->constants[codec->constant_count];
    int error = add_name(builder, name_offset, &constant->name);

    constant->bits = bits;
    codec->by_name[codec->constant_count] = codec->constant_count;
    if (!error && constant->name)
        codec->constant_count++;
    return error;
}

static int layout_enum(struct builder *builder, const struct btf_type *type, uint32_t index)
{
    struct ebpf_codec *codec = builder->codec;
    uint32_t size = type->size, count = btf_vlen(type), first = codec->constant_count;
    uint64_t mask = size < 8 ? (UINT64_C(1) << (size * 8 % 64)) - 1 : UINT64_MAX;
    int error = count > CONSTANTS - first ? E2BIG : grow_constants(builder, count);

    if (error == E2BIG)
        return fail(builder, E2BIG, "the type has too many names in its enums");
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fail(builder, EINVAL, malformed);
    for (uint32_t i = 0; i < count && !error; i++)
        if (btf_is_enum64(type))
            error = add_constant(builder, btf_enum64(type)[i].name_off, btf_enum64_value(&btf_enum64(type)[i]) & mask);
        else
            error = add_constant(builder, btf_enum(type)[i].name_off, (uint64_t)btf_enum(type)[i].val & mask);
    if (error)
        return error;
    codec->nodes[index].kind = EBPF_ENUM;
    codec->nodes[index].size = size;
    codec->nodes[index].flags |= btf_kflag(type) ? EBPF_SIGNED : 0;
    codec->nodes[index].first = first;
    codec->nodes[index].count = count = codec->constant_count - first;
    if (count == 0)
        return 0;
    qsort(codec->constants + first, count, sizeof(*codec->constants), compare_bits);
    qsort_r(codec->by_name + first, count, sizeof(*codec->by_name), compare_names, codec);
    return 0;
}

/* "char", but neither "signed char" nor "unsigned char", is a letter. */
static bool is_char(struct builder *builder, const struct btf_type *type)
{
    const char *name = btf_is_int(type) ? btf__name_by_offset(builder->btf, type->name_off) : NULL;

    return name && type->size == 1 && strcmp(name, "char") == 0;
}

static int layout_array(struct builder *builder, const struct btf_type *type, uint32_t index, int depth)
{
    struct ebpf_codec *codec = builder->codec;
    const struct btf_array *array = btf_array(type);
    struct resolved element;
    struct ebpf_node *node, *child;
    uint32_t first;
    int error = resolve(builder, array->type, &element);

    if (!error)
        error = add_nodes(builder, 1, &first);
    if (!error)
        error = layout(builder, first, array->type, depth + 1);
    if (error)
        return error;
    node = &codec->nodes[index];
    child = &codec->nodes[first];
    if ((uint64_t)child->size * array->nelems > SIZE)
        return fail(builder, E2BIG, "the type is too large");
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
        return fail(builder, EINVAL, malformed);
    node->offset = (uint32_t)(bit / 8);
    node->bit_offset = (uint8_t)(bit % 8);
    return 0;
}

/* Members without a name are their parent's own, if they are structs or unions; else they are only padding. */
static bool has_no_value(struct builder *builder, uint32_t name, const struct resolved *member)
{
    const char *own = btf__name_by_offset(builder->btf, member->type->name_off);

    if (btf_is_composite(member->type))
        return own && kernels_own(own);
    return name == 0 || is_kptr(builder, member->type);
}

static int layout_member(struct builder *builder, const struct btf_type *type, uint32_t i, uint32_t index, int depth)
{
    const struct btf_member *member = &btf_members(type)[i];
    struct ebpf_codec *codec = builder->codec;
    struct ebpf_node *node;
    struct resolved resolved;
    uint32_t name;
    int error = add_name(builder, member->name_off, &name);

    if (!error)
        error = resolve(builder, member->type, &resolved);
    if (error)
        return error;
    if (has_no_value(builder, name, &resolved))
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
    struct ebpf_codec *codec = builder->codec;
    uint32_t count = btf_vlen(type), first, kept = 0, fields = 0;
    int error = add_nodes(builder, count, &first);

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
            codec->nodes[first + kept].flags &= (uint8_t)~EBPF_FLEXIBLE; /* nothing can follow what has no end */
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
    struct ebpf_codec *codec = builder->codec;
    const struct btf_var_secinfo *variable = btf_var_secinfos(type);
    uint32_t count = btf_vlen(type), first;
    int error = add_nodes(builder, count, &first);

    if (count && type->size == 0) /* the linker's to say: libbpf looks it up when it opens the object */
        return fail(builder, ENOTSUP, "a section has a layout in the BTF of an Object, and none in its file's");
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct btf_type *var = btf__type_by_id(builder->btf, variable[i].type);

        if (!var || !btf_is_var(var) || type->size > SIZE)
            return fail(builder, EINVAL, malformed);
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
    struct ebpf_node *node = &builder->codec->nodes[index];

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
        error = add_text(builder, found.name, &text);
    if (error)
        return error;
    builder->codec->nodes[index].type = text;
    if (builder->codec->depth < (uint32_t)depth)
        builder->codec->depth = (uint32_t)depth;
    return layout_type(builder, &found, index, depth);
}

int ebpf_layout(struct ebpf_codec *codec, const struct btf *btf, uint32_t type, const char **why)
{
    struct builder builder = {.codec = codec, .btf = btf};
    uint32_t root;
    int error;

    /* 0: nothing tells; then what is asked is BPF's, whose pointers have 8 bytes */
    builder.pointer_size = btf__pointer_size(btf) == 4 ? 4 : 8;
    error = grow_text(&builder, 1);
    if (!error)
        error = grow_names(&builder);
    if (!error) {
        codec->text[0] = '\0';
        codec->names[0] = 0;
        codec->text_size = codec->name_count = 1;
        error = add_nodes(&builder, 1, &root);
    }
    if (!error)
        error = layout(&builder, root, type, 0);
    if (!error)
        codec->size = codec->nodes[0].size;
    *why = builder.why;
    return error;
}
