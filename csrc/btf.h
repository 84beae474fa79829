/* Btf: types, for those who make Codecs of them. */
#ifndef EBPF_BTF_H
#define EBPF_BTF_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct btf;

struct ebpf_btf {
    struct ebpf_handle handle;
    struct btf *btf;
};

extern const struct ebpf_class ebpf_btf_class;

/* Pushes a closed one: it exists before what it owns, so that no error can lose it. */
struct ebpf_btf *ebpf_btf_new(lua_State *L);
void ebpf_btf_own(struct ebpf_btf *handle, struct btf *btf, uint32_t id);

/* The kernel's BTF of this id, to be freed by btf__free; NULL with errno. */
struct btf *ebpf_btf_load(uint32_t id);

#pragma GCC visibility pop

#endif
