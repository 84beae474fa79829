/* Layout: the tree of a Codec while it is made (layout_tree.c), and what of BTF has no place in it (layout_kernel.c). */
#ifndef EBPF_LAYOUT_H
#define EBPF_LAYOUT_H

#include "codec.h"

#pragma GCC visibility push(hidden)

struct btf_type;

struct ebpf_tree {
    struct ebpf_codec *codec;
    uint32_t node_room, constant_room, name_room, text_room;
    const char *why; /* of the last failure */
};

extern const char ebpf_tree_malformed[];

/* All give 0, or an errno with tree->why. */
int ebpf_tree_begin(struct ebpf_tree *tree);
int ebpf_tree_fail(struct ebpf_tree *tree, int error, const char *why);

/* Nodes that are neighbours, all zero: where the first is. Pointers to nodes are void then. */
int ebpf_tree_add_nodes(struct ebpf_tree *tree, uint32_t count, uint32_t *first);

/* Copies a text; 0 stands for the empty one. NULL, and one that is too long, is malformed. */
int ebpf_tree_add_text(struct ebpf_tree *tree, const char *text, uint32_t *at);

/* A name that becomes a Lua string; 0 stands for none. */
int ebpf_tree_add_name(struct ebpf_tree *tree, const char *text, uint32_t *name);

/* Room for the constants of an enum; then each, in the order of declaration; and at its end those from `first` on are
 * sorted. One without a name is left out. */
int ebpf_tree_expect_constants(struct ebpf_tree *tree, uint32_t count);
int ebpf_tree_add_constant(struct ebpf_tree *tree, const char *name, uint64_t bits);
void ebpf_tree_sort_constants(struct ebpf_tree *tree, uint32_t first);

/* Whether a member of this type, without typedefs and qualifiers, has no value: it is the kernel's own, or padding. */
bool ebpf_layout_valueless(const struct btf *btf, const struct btf_type *type, bool named);

#pragma GCC visibility pop

#endif
