/* Object, for those who ask libbpf about its programs. */
#ifndef EBPF_OBJECT_H
#define EBPF_OBJECT_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct bpf_object;

/* libbpf's object and all that it knows, as long as anybody needs it: the Object itself, and what only libbpf can take
 * apart or fill in after the Object is closed. */
struct ebpf_elf {
    struct bpf_object *object;
    unsigned users;
    bool failed; /* to load: libbpf tries once, and may have left constants where they can't be written */
};

struct ebpf_elf *ebpf_elf_keep(struct ebpf_elf *elf);
void ebpf_elf_drop(struct ebpf_elf *elf); /* NULL: nothing */

struct ebpf_object {
    struct ebpf_handle handle;
    struct ebpf_elf *elf;
    struct bpf_object *object; /* the elf's */
    int *targets; /* duplicates of the descriptors of programs that its own extend, open until they are loaded */
    int target_count;
    uint32_t *map_types; /* of each map, in the file's order: its key's, its value's; known before it is loaded */
    bool loaded;
    bool keeps;  /* the userdata has its table, of Sections */
    char name[]; /* the path, or the name given with the bytes */
};

extern const struct ebpf_class ebpf_object_class;

#pragma GCC visibility pop

#endif
