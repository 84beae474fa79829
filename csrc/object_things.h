/* Object: what object.c makes methods and functions of. */
#ifndef EBPF_OBJECT_THINGS_H
#define EBPF_OBJECT_THINGS_H

#include "compat.h"

#pragma GCC visibility push(hidden)

int ebpf_object_program(lua_State *L);
int ebpf_object_map(lua_State *L);
int ebpf_object_program_names(lua_State *L);
int ebpf_object_map_names(lua_State *L);
int ebpf_object_section(lua_State *L);

#pragma GCC visibility pop

#endif
