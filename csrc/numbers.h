/* Integers between C and Lua: u64 are integers on Lua >= 5.3; below, a number under 2^53, else a decimal string. */
#ifndef EBPF_NUMBERS_H
#define EBPF_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

void ebpf_push_large(lua_State *L, uint64_t value); /* as a string of digits */

static inline void ebpf_push_u64(lua_State *L, uint64_t value)
{
#if LUA_VERSION_NUM >= 503
    lua_pushinteger(L, (lua_Integer)value);
#else
    if (value < UINT64_C(1) << 53)
        lua_pushnumber(L, (lua_Number)value);
    else
        ebpf_push_large(L, value);
#endif
}

/* The number at index, which is one, if it is whole and not negative; beyond 2^53 an integer of Lua >= 5.3 only. */
static inline bool ebpf_whole_number(lua_State *L, int index, uint64_t *value)
{
#if LUA_VERSION_NUM >= 503
    int whole;

    *value = (uint64_t)lua_tointegerx(L, index, &whole);
    return whole && (lua_Integer)*value >= 0;
#else
    lua_Number number = lua_tonumber(L, index);

    if (!(number >= 0 && number < 9007199254740992.0))
        return false;
    *value = (uint64_t)number;
    return (lua_Number)*value == number;
#endif
}

void ebpf_push_s64(lua_State *L, int64_t value);
uint64_t ebpf_check_u64(lua_State *L, int index);
uint32_t ebpf_check_u32(lua_State *L, int index);
uint32_t ebpf_opt_u32(lua_State *L, int index, uint32_t fallback);

/* False when the value at index is no integer that fits; nothing is raised. */
int ebpf_test_u64(lua_State *L, int index, uint64_t *value);

/* An integer of any sign: the bits are those of a uint64_t or, if negative, of an int64_t. */
struct ebpf_integer {
    uint64_t bits;
    bool negative;
    bool whole; /* all 64 bits are meant: Lua >= 5.3 has the upper half of u64 as negative integers */
};

enum ebpf_read { EBPF_INTEGER_READ, EBPF_NO_INTEGER, EBPF_TOO_LARGE };

/* From a number without a fraction or a string of digits. Nothing is raised or allocated. */
enum ebpf_read ebpf_read_integer(lua_State *L, int index, struct ebpf_integer *integer);

/* Unsigned integers of 1, 2, 4 or 8 bytes in memory, in the machine's byte order. */
int ebpf_integer_size(uint32_t size);
uint64_t ebpf_load_integer(const char *bytes, uint32_t size);
void ebpf_push_integer(lua_State *L, const char *bytes, uint32_t size);

/* False when it fits neither a signed nor an unsigned one of the size. */
int ebpf_store_integer(char *bytes, const struct ebpf_integer *integer, uint32_t size);

#pragma GCC visibility pop

#endif
