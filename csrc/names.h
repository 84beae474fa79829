/* Names of attach, link, program and map types. */
#ifndef EBPF_NAMES_H
#define EBPF_NAMES_H

#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

enum ebpf_names { EBPF_ATTACH_TYPE, EBPF_LINK_TYPE, EBPF_PROGRAM_TYPE, EBPF_MAP_TYPE, EBPF_COMMAND };

const char *ebpf_name(enum ebpf_names which, uint32_t number);             /* NULL when newer than our tables */
void ebpf_push_name(lua_State *L, enum ebpf_names which, uint32_t number); /* the name, else the number */

#pragma GCC visibility pop

#endif
