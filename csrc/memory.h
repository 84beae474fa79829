/* Values in memory that programs read and write meanwhile: those of Mapping and Section. */
#ifndef EBPF_MEMORY_H
#define EBPF_MEMORY_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* What is at some place: of a type, or just bytes. */
struct ebpf_memory {
    uint32_t offset, size;
    const struct ebpf_codec *codec; /* NULL: an integer where the size is one's, else a byte string */
    bool plain, is_signed;          /* an aligned integer in the machine's byte order: read and written at once */
};

enum { EBPF_MEMORY_ROOM = 2048 };

void ebpf_memory_describe(struct ebpf_memory *memory, uint32_t offset, uint32_t size, const struct ebpf_codec *codec);

/* Room for a value and its mask: `room`, of EBPF_MEMORY_ROOM bytes, or a userdata that is pushed. May run finalizers, and
 * what follows must not: so first the room, then where the value is, then one of these. */
char *ebpf_memory_room(lua_State *L, const struct ebpf_memory *memory, char *room);

/* Pushes the value that is at `bytes`, from a copy in the room: pushing may run finalizers, and these unmap the bytes. */
void ebpf_memory_push(lua_State *L, const struct ebpf_memory *memory, const char *bytes, char *room);

/* The Lua value at index into the room; an error that names `what` if it doesn't fit. Then from there to the place. */
void ebpf_memory_check(lua_State *L, int index, const struct ebpf_memory *memory, const char *what, char *room);
void ebpf_memory_store(const struct ebpf_memory *memory, char *bytes, const char *room);

#pragma GCC visibility pop

#endif
