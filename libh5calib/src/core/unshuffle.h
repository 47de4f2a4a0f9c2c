/*
 * unshuffle.h - elements from their bits, as the bitshuffle filter lays them out.
 */
#ifndef H5CALIB_UNSHUFFLE_H
#define H5CALIB_UNSHUFFLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `elements` (a multiple of 8) elements of 1, 2, 4 or 8 bytes from their bits. */
void h5calib_unshuffle(const unsigned char *rows, size_t elements, size_t element,
                       unsigned char *out);

#if defined(_MSC_VER) || (defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define H5CALIB_LITTLE_ENDIAN 1
#else
#define H5CALIB_LITTLE_ENDIAN 0
#endif

/* Eight bytes of memory as a number, the first one lowest, on every CPU. */
static inline uint64_t h5calib_load_8(const unsigned char *from)
{
    uint64_t x = 0;
    if (H5CALIB_LITTLE_ENDIAN)
        memcpy(&x, from, 8); /* compilers do not see through the loop */
    else
        for (int i = 0; i < 8; i++)
            x |= (uint64_t)from[i] << 8 * i;
    return x;
}

static inline void h5calib_store_8(unsigned char *to, uint64_t x)
{
    if (H5CALIB_LITTLE_ENDIAN)
        memcpy(to, &x, 8);
    else
        for (int i = 0; i < 8; i++)
            to[i] = (unsigned char)(x >> 8 * i);
}

#endif
