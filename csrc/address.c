/* Addresses: IPv4 and IPv6, alone and with a prefix length, between text and bytes in network order.
 * No bpf(2) command; nothing is owned. */
#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "modules.h"

enum { TEXT = INET6_ADDRSTRLEN + sizeof("/128") };

static int family_of(uint32_t size)
{
    return size == 4 ? AF_INET : AF_INET6;
}

static void format(char *text, const char *bytes, uint32_t size)
{
    if (!inet_ntop(family_of(size), bytes, text, TEXT))
        *text = '\0';
}

void ebpf_address_push(lua_State *L, const char *bytes, uint32_t size)
{
    char text[TEXT];

    format(text, bytes, size);
    lua_pushstring(L, text);
}

bool ebpf_address_parse(const char *text, size_t length, char *bytes, uint32_t size)
{
    char copy[TEXT], found[16];

    if (length >= sizeof(copy) || memchr(text, '\0', length))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(family_of(size), copy, found) != 1)
        return false;
    memcpy(bytes, found, size);
    return true;
}

/* Sets the bits from the nth on to zero; whether any was set. */
static bool clear_from(char *bytes, uint32_t size, uint32_t n)
{
    bool any = false;

    for (uint32_t i = n / 8; i < size; i++) {
        unsigned char kept = i == n / 8 ? (unsigned char)(0xff00u >> n % 8) : 0;

        any |= ((unsigned char)bytes[i] & ~kept) != 0;
        bytes[i] = (char)((unsigned char)bytes[i] & kept);
    }
    return any;
}

/* At most three digits, without a zero in front. */
static bool parse_length(const char *text, size_t length, uint32_t *value)
{
    *value = 0;
    if (length == 0 || length > 3 || (length > 1 && *text == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

const char *ebpf_prefix_parse(const char *text, size_t length, struct ebpf_prefix *prefix)
{
    const char *slash = memchr(text, '/', length);
    size_t address = slash ? (size_t)(slash - text) : length;

    memset(prefix, 0, sizeof(*prefix));
    if (ebpf_address_parse(text, address, prefix->address, 4))
        prefix->size = 4;
    else if (ebpf_address_parse(text, address, prefix->address, 16))
        prefix->size = 16;
    else
        return "no IPv4 or IPv6 address";
    prefix->length = prefix->size * 8;
    if (slash && (!parse_length(slash + 1, length - address - 1, &prefix->length) || prefix->length > prefix->size * 8))
        return prefix->size == 4 ? "the prefix length is no number from 0 to 32"
                                 : "the prefix length is no number from 0 to 128";
    if (clear_from(prefix->address, prefix->size, prefix->length))
        return "the address has bits set beyond its prefix";
    return NULL;
}

void ebpf_prefix_push(lua_State *L, const struct ebpf_prefix *prefix)
{
    struct ebpf_prefix clear = *prefix;
    char text[TEXT];
    size_t end;

    clear_from(clear.address, clear.size, clear.length);
    format(text, clear.address, clear.size);
    end = strlen(text);
    snprintf(text + end, sizeof(text) - end, "/%u", (unsigned)clear.length);
    lua_pushstring(L, text);
}

/* lpm(text) -> the prefix as reading a map gives it, nil | nil, why */
static int address_lpm(lua_State *L)
{
    struct ebpf_prefix prefix;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *why = ebpf_prefix_parse(text, length, &prefix);

    if (!why) {
        ebpf_prefix_push(L, &prefix);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* bytes(text) -> 4 or 16 bytes; nil */
static int address_bytes(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    char bytes[16];

    if (ebpf_address_parse(text, length, bytes, 4))
        lua_pushlstring(L, bytes, 4);
    else if (ebpf_address_parse(text, length, bytes, 16))
        lua_pushlstring(L, bytes, 16);
    else
        lua_pushnil(L);
    return 1;
}

/* text(bytes) -> the address; nil if there are neither 4 nor 16 */
static int address_text(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);

    if (length == 4 || length == 16)
        ebpf_address_push(L, bytes, (uint32_t)length);
    else
        lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"lpm", address_lpm},
    {"bytes", address_bytes},
    {"text", address_text},
    {NULL, NULL},
};

int ebpf_open_address(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    return 1;
}
