/* What core.c assembles: each pushes one table. */
#ifndef EBPF_MODULES_H
#define EBPF_MODULES_H

#include "compat.h"

#pragma GCC visibility push(hidden)

int ebpf_open_abi(lua_State *L);
int ebpf_open_address(lua_State *L);
int ebpf_open_attachment(lua_State *L);
int ebpf_open_auto(lua_State *L);
int ebpf_open_btf(lua_State *L);
int ebpf_open_cgroup(lua_State *L);
int ebpf_open_clock(lua_State *L);
int ebpf_open_codec(lua_State *L);
int ebpf_open_device(lua_State *L);
int ebpf_open_fail(lua_State *L); /* {errno = names both ways, set_explainer = f, strerror = f} */
int ebpf_open_iter(lua_State *L);
int ebpf_open_link(lua_State *L);
int ebpf_open_link_create(lua_State *L);
int ebpf_open_map(lua_State *L);
int ebpf_open_mapping(lua_State *L);
int ebpf_open_mprog(lua_State *L);
int ebpf_open_names(lua_State *L); /* {attach_type=, link_type=, program_type=, map_type=, command=}, each both ways */
int ebpf_open_netns(lua_State *L);
int ebpf_open_object(lua_State *L);
int ebpf_open_perfbuf(lua_State *L);
int ebpf_open_pin(lua_State *L);
int ebpf_open_probe(lua_State *L);
int ebpf_open_program(lua_State *L);
int ebpf_open_ringbuf(lua_State *L);
int ebpf_open_rootlet(lua_State *L);
int ebpf_open_rootlet_program(lua_State *L);
int ebpf_open_section(lua_State *L);
int ebpf_open_struct_ops(lua_State *L);
int ebpf_open_token(lua_State *L);
int ebpf_open_user_ringbuf(lua_State *L);
int ebpf_open_xdp(lua_State *L);

#pragma GCC visibility pop

#endif
