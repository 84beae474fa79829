/* IPv4 and IPv6 addresses and prefixes, between text and bytes in network order. */
#ifndef EBPF_ADDRESS_H
#define EBPF_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

struct ebpf_prefix {
    uint32_t length; /* bits */
    uint32_t size;   /* of the address: 4 or 16 bytes */
    char address[16];
};

/* size: 4 or 16 */
void ebpf_address_push(lua_State *L, const char *bytes, uint32_t size);

/* The bytes of an address of this size; false if the text is none. */
bool ebpf_address_parse(const char *text, size_t length, char *bytes, uint32_t size);

/* "10.0.0.0/8", "2001:db8::/32"; an address alone is a prefix of all its bits. NULL, or why not; then *prefix is whatever. */
const char *ebpf_prefix_parse(const char *text, size_t length, struct ebpf_prefix *prefix);

/* Pushes the text, without the bits beyond its length; a prefix of all its bits too has its length in it. */
void ebpf_prefix_push(lua_State *L, const struct ebpf_prefix *prefix);

#pragma GCC visibility pop

#endif
