/* BTF of loaded programs, for those who read it by libbpf. */
#ifndef EBPF_BTF_H
#define EBPF_BTF_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

struct btf;

/* The kernel's BTF of this id, to be freed by btf__free; NULL with errno. */
struct btf *ebpf_btf_load(uint32_t id);

#pragma GCC visibility pop

#endif
