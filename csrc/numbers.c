/* Integers between C and Lua, one rule for every version (numbers.h).
 * No bpf(2) command; nothing is owned. */
#include "numbers.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"

void ebpf_push_large(lua_State *L, uint64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRIu64, value);
    lua_pushstring(L, digits);
}

void ebpf_push_s64(lua_State *L, int64_t value)
{
#if LUA_VERSION_NUM >= 503
    lua_pushinteger(L, (lua_Integer)value);
#else
    char digits[24];

    if (value > -(INT64_C(1) << 53) && value < (INT64_C(1) << 53)) {
        lua_pushnumber(L, (lua_Number)value);
        return;
    }
    snprintf(digits, sizeof(digits), "%" PRId64, value);
    lua_pushstring(L, digits);
#endif
}

/* A NUL in the text is no end of it. */
static int parse_u64(const char *text, size_t length, uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return 0;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end == text + length;
}

int ebpf_test_u64(lua_State *L, int index, uint64_t *value)
{
    int type = lua_type(L, index);
    lua_Number number;
    const char *text;
    size_t length;

    if (type == LUA_TSTRING) {
        text = lua_tolstring(L, index, &length);
        return parse_u64(text, length, value);
    }
    if (type != LUA_TNUMBER)
        return 0;
#if LUA_VERSION_NUM >= 503
    int whole;

    *value = (uint64_t)lua_tointegerx(L, index, &whole);
    if (whole)
        return 1;
#endif
    number = lua_tonumber(L, index);
    if (!(number >= -9223372036854775808.0 && number < 18446744073709551616.0))
        return 0;
    *value = number < 0 ? (uint64_t)(int64_t)number : (uint64_t)number;
    return number < 0 ? (lua_Number)(int64_t)*value == number : (lua_Number)*value == number;
}

static enum ebpf_read read_digits(const char *text, size_t length, struct ebpf_integer *integer)
{
    size_t sign = length > 0 && *text == '-';

    if (length == sign || strspn(text + sign, "0123456789") != length - sign)
        return EBPF_NO_INTEGER;
    if (!parse_u64(text + sign, length - sign, &integer->bits))
        return EBPF_TOO_LARGE;
    integer->negative = sign && integer->bits != 0;
    if (!integer->negative)
        return EBPF_INTEGER_READ;
    if (integer->bits > UINT64_C(1) << 63)
        return EBPF_TOO_LARGE;
    integer->bits = -integer->bits;
    return EBPF_INTEGER_READ;
}

static enum ebpf_read read_number(lua_Number number, struct ebpf_integer *integer)
{
    if (!(number >= -9223372036854775808.0 && number < 18446744073709551616.0))
        return number - number == 0 ? EBPF_TOO_LARGE : EBPF_NO_INTEGER;
    integer->negative = number < 0;
    integer->bits = number < 0 ? (uint64_t)(int64_t)number : (uint64_t)number;
    if ((number < 0 ? (lua_Number)(int64_t)integer->bits : (lua_Number)integer->bits) != number)
        return EBPF_NO_INTEGER;
    return EBPF_INTEGER_READ;
}

enum ebpf_read ebpf_read_integer(lua_State *L, int index, struct ebpf_integer *integer)
{
    size_t length;
    const char *text;

    integer->whole = false;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        return read_digits(text, length, integer);
    case LUA_TNUMBER:
#if LUA_VERSION_NUM >= 503
        if (lua_isinteger(L, index)) {
            integer->bits = (uint64_t)lua_tointeger(L, index);
            integer->whole = integer->negative = lua_tointeger(L, index) < 0;
            return EBPF_INTEGER_READ;
        }
#endif
        return read_number(lua_tonumber(L, index), integer);
    default:
        return EBPF_NO_INTEGER;
    }
}

uint64_t ebpf_check_u64(lua_State *L, int index)
{
    uint64_t value;

    if (!ebpf_test_u64(L, index, &value))
        luaL_argerror(L, index, lua_pushfstring(L, "integer expected, got %s", luaL_typename(L, index)));
    return value;
}

uint32_t ebpf_check_u32(lua_State *L, int index)
{
    uint64_t value = ebpf_check_u64(L, index);

    luaL_argcheck(L, value <= UINT32_MAX, index, "does not fit an unsigned 32-bit integer");
    return (uint32_t)value;
}

uint32_t ebpf_opt_u32(lua_State *L, int index, uint32_t fallback)
{
    return lua_isnoneornil(L, index) ? fallback : ebpf_check_u32(L, index);
}

int ebpf_integer_size(uint32_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

uint64_t ebpf_load_integer(const char *bytes, uint32_t size)
{
    return ebpf_bits_load(bytes, size, false);
}

void ebpf_push_integer(lua_State *L, const char *bytes, uint32_t size)
{
    ebpf_push_u64(L, ebpf_load_integer(bytes, size));
}

int ebpf_store_integer(char *bytes, const struct ebpf_integer *integer, uint32_t size)
{
    bool fits = integer->negative ? (int64_t)integer->bits >= -(int64_t)ebpf_bits_mask(size * 8 - 1) - 1
                                  : integer->bits <= ebpf_bits_mask(size * 8);

    if (fits)
        ebpf_bits_store(bytes, integer->bits, size, false);
    return fits;
}
