/* Layout: the nodes, names, texts and constants of a Codec that is being made, in arrays that grow.
 * No bpf(2) command.
 * What is allocated is the codec's, however this ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

enum {
    NODES = 1 << 16,    /* a table of more fields is a mistake, or an attack */
    NAME = 1 << 10,     /* bytes; the kernel takes 512 */
    CONSTANTS = 1 << 20 /* of all enums together */
};

const char ebpf_tree_malformed[] = "the BTF is malformed";

int ebpf_tree_fail(struct ebpf_tree *tree, int error, const char *why)
{
    tree->why = why;
    return error;
}

/* The array with room for `more` elements behind `count`, doubled so that growing is cheap; NULL when memory is out. */
static void *grow(struct ebpf_tree *tree, void *array, uint32_t *room, uint32_t count, uint32_t more, size_t size)
{
    uint32_t wanted = *room ? *room : 16;
    void *grown;

    if (count + more <= *room)
        return array;
    while (wanted < count + more)
        wanted *= 2;
    grown = realloc(array, wanted * size);
    tree->why = grown ? NULL : "out of memory";
    if (grown)
        *room = wanted;
    return grown;
}

static int grow_nodes(struct ebpf_tree *tree, uint32_t more)
{
    struct ebpf_codec *codec = tree->codec;
    void *grown = grow(tree, codec->nodes, &tree->node_room, codec->node_count, more, sizeof(*codec->nodes));

    codec->nodes = grown ? grown : codec->nodes;
    return grown ? 0 : ENOMEM;
}

static int grow_text(struct ebpf_tree *tree, uint32_t more)
{
    struct ebpf_codec *codec = tree->codec;
    void *grown = grow(tree, codec->text, &tree->text_room, codec->text_size, more, 1);

    codec->text = grown ? grown : codec->text;
    return grown ? 0 : ENOMEM;
}

static int grow_names(struct ebpf_tree *tree)
{
    struct ebpf_codec *codec = tree->codec;
    void *grown = grow(tree, codec->names, &tree->name_room, codec->name_count, 1, sizeof(*codec->names));

    codec->names = grown ? grown : codec->names;
    return grown ? 0 : ENOMEM;
}

static int grow_constants(struct ebpf_tree *tree, uint32_t more)
{
    struct ebpf_codec *codec = tree->codec;
    uint32_t room = tree->constant_room, count = codec->constant_count;
    void *constants = grow(tree, codec->constants, &room, count, more, sizeof(*codec->constants));
    void *by_name;

    codec->constants = constants ? constants : codec->constants;
    if (!constants)
        return ENOMEM;
    by_name = grow(tree, codec->by_name, &tree->constant_room, count, more, sizeof(*codec->by_name));
    codec->by_name = by_name ? by_name : codec->by_name;
    return by_name ? 0 : ENOMEM;
}

int ebpf_tree_add_nodes(struct ebpf_tree *tree, uint32_t count, uint32_t *first)
{
    struct ebpf_codec *codec = tree->codec;
    int error;

    if (count > NODES - codec->node_count)
        return ebpf_tree_fail(tree, E2BIG, "the type has more fields than a table should");
    error = grow_nodes(tree, count);
    if (error)
        return error;
    *first = codec->node_count;
    memset(codec->nodes + *first, 0, count * sizeof(*codec->nodes));
    codec->node_count += count;
    return 0;
}

int ebpf_tree_add_text(struct ebpf_tree *tree, const char *text, uint32_t *at)
{
    struct ebpf_codec *codec = tree->codec;
    size_t length = text ? strnlen(text, NAME) : NAME;
    int error;

    if (length == NAME)
        return ebpf_tree_fail(tree, EINVAL, ebpf_tree_malformed);
    *at = 0;
    if (length == 0)
        return 0;
    error = grow_text(tree, (uint32_t)length + 1);
    if (error)
        return error;
    *at = codec->text_size;
    memcpy(codec->text + *at, text, length + 1);
    codec->text_size += (uint32_t)length + 1;
    return 0;
}

int ebpf_tree_add_name(struct ebpf_tree *tree, const char *text, uint32_t *name)
{
    struct ebpf_codec *codec = tree->codec;
    uint32_t at;
    int error = ebpf_tree_add_text(tree, text, &at);

    *name = 0;
    if (error || at == 0)
        return error;
    error = grow_names(tree);
    if (error)
        return error;
    codec->names[codec->name_count] = at;
    *name = codec->name_count++;
    return 0;
}

int ebpf_tree_expect_constants(struct ebpf_tree *tree, uint32_t count)
{
    if (count > CONSTANTS - tree->codec->constant_count)
        return ebpf_tree_fail(tree, E2BIG, "the type has too many names in its enums");
    return grow_constants(tree, count);
}

int ebpf_tree_add_constant(struct ebpf_tree *tree, const char *name, uint64_t bits)
{
    struct ebpf_codec *codec = tree->codec;
    struct ebpf_constant *constant = &codec->constants[codec->constant_count];
    int error = ebpf_tree_add_name(tree, name, &constant->name);

    constant->bits = bits;
    codec->by_name[codec->constant_count] = codec->constant_count;
    if (!error && constant->name)
        codec->constant_count++;
    return error;
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

void ebpf_tree_sort_constants(struct ebpf_tree *tree, uint32_t first)
{
    struct ebpf_codec *codec = tree->codec;
    uint32_t count = codec->constant_count - first;

    if (count == 0)
        return;
    qsort(codec->constants + first, count, sizeof(*codec->constants), compare_bits);
    qsort_r(codec->by_name + first, count, sizeof(*codec->by_name), compare_names, codec);
}

int ebpf_tree_begin(struct ebpf_tree *tree)
{
    struct ebpf_codec *codec = tree->codec;
    int error = grow_text(tree, 1);

    if (!error)
        error = grow_names(tree);
    if (error)
        return error;
    codec->text[0] = '\0';
    codec->names[0] = 0;
    codec->text_size = codec->name_count = 1;
    return 0;
}
