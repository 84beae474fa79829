/* Integers and bit-fields in memory, of any width and sign. */
#ifndef EBPF_BITS_H
#define EBPF_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ebpf_bits_mask(unsigned width)
{
    return width < 64 ? (UINT64_C(1) << width) - 1 : UINT64_MAX;
}

static inline int64_t ebpf_bits_signed(uint64_t bits, unsigned width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);

    return (int64_t)((bits ^ sign) - sign);
}

/* size: 1, 2, 4 or 8 */
static inline uint64_t ebpf_bits_load(const char *bytes, uint32_t size, bool network)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (size) {
    case 1:
        memcpy(&one, bytes, 1);
        return one;
    case 2:
        memcpy(&two, bytes, 2);
        return network ? be16toh(two) : two;
    case 4:
        memcpy(&four, bytes, 4);
        return network ? be32toh(four) : four;
    default:
        memcpy(&eight, bytes, 8);
        return network ? be64toh(eight) : eight;
    }
}

static inline void ebpf_bits_store(char *bytes, uint64_t bits, uint32_t size, bool network)
{
    uint8_t one = (uint8_t)bits;
    uint16_t two = network ? htobe16((uint16_t)bits) : (uint16_t)bits;
    uint32_t four = network ? htobe32((uint32_t)bits) : (uint32_t)bits;
    uint64_t eight = network ? htobe64(bits) : bits;

    memcpy(bytes,
           size == 1   ? (void *)&one
           : size == 2 ? (void *)&two
           : size == 4 ? (void *)&four
                       : (void *)&eight,
           size);
}

/* Where the nth bit of a field is, from its lowest. C counts bit-fields from the lowest bit of the first byte on where
 * bytes are little-endian, and from the highest where they are big-endian. */
static inline unsigned ebpf_bits_place(unsigned offset, unsigned width, unsigned n, unsigned *in_byte)
{
#if __BYTE_ORDER == __LITTLE_ENDIAN
    unsigned at = offset + n;

    (void)width;
    *in_byte = at % 8;
#else
    unsigned at = offset + width - 1 - n;

    *in_byte = 7 - at % 8;
#endif
    return at / 8;
}

/* width: 1 to 64; offset: below 8 */
static inline uint64_t ebpf_bits_field(const char *bytes, unsigned offset, unsigned width)
{
    uint64_t bits = 0;
    unsigned in_byte;

    for (unsigned n = 0; n < width; n++) {
        unsigned byte = ebpf_bits_place(offset, width, n, &in_byte);

        bits |= (uint64_t)((unsigned char)bytes[byte] >> in_byte & 1) << n;
    }
    return bits;
}

#endif
