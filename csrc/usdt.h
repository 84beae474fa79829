/* A link of USDT probes: many links of the kernel's on perf events, that libbpf makes and takes apart as one. */
#ifndef EBPF_USDT_H
#define EBPF_USDT_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct ebpf_object;
struct bpf_program;

/* Pushes the link, or nil, message, errno. */
int ebpf_usdt_attach(lua_State *L, struct ebpf_object *object, struct bpf_program *program);

/* What struct ebpf_link holds of it. */
struct ebpf_usdt;

void ebpf_usdt_free(struct ebpf_usdt *usdt);
bool ebpf_usdt_ours(const struct ebpf_usdt *usdt); /* of this process, not of the one that forked it */
const char *ebpf_usdt_section(const struct ebpf_usdt *usdt);
void ebpf_usdt_push_info(lua_State *L, const struct ebpf_usdt *usdt);

#pragma GCC visibility pop

#endif
