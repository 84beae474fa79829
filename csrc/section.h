/* Section: an Object's variables, for object.c. */
#ifndef EBPF_SECTION_H
#define EBPF_SECTION_H

#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes the Section of this name of the Object at index, the same one each time, or nil where its file has none. */
void ebpf_section_push(lua_State *L, int object, const char *name);

/* To be called once the Object at index is loaded: its Sections turn from what variables begin with to what they are. */
void ebpf_section_settle(lua_State *L, int object);

#pragma GCC visibility pop

#endif
