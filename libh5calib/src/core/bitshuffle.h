/*
 * bitshuffle.h - decode chunks of the registered HDF5 filter 32008, bitshuffle with LZ4.
 *
 * A chunk is (numbers big-endian)
 *   8 bytes   its size when decoded
 *   4 bytes   the size of a block when decoded: a multiple of 8 elements
 *   blocks    each 4 bytes n, then n bytes: an LZ4 block (bitshuffle.c) of shuffled elements
 *             (unshuffle.c); the last one may be shorter, it too is a multiple of 8 elements
 *   the rest  the last elements, less than 8, as they are
 * What follows is not looked at.
 */
#ifndef H5CALIB_BITSHUFFLE_H
#define H5CALIB_BITSHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* No block is larger than this. */
#define H5CALIB_BITSHUFFLE_MOST ((size_t)1 << 20)

/* A chunk being decoded. Each thread needs its own; the bytes of the chunk may be shared. */
typedef struct h5calib_bitshuffle {
    const unsigned char *from;
    size_t stored;    /* bytes of the chunk */
    size_t elements;  /* of the decoded chunk */
    size_t element;   /* bytes: 1, 2, 4, 8 */
    size_t block;     /* elements of a full block */
    size_t first, at; /* a block, or the rest, begins with this element, at this byte */
} h5calib_bitshuffle;

/* Look at the header of a chunk that must decode to `bytes` bytes. False: it is damaged, or its
 * elements or blocks are of a size that is not for us. */
bool h5calib_bitshuffle_open(h5calib_bitshuffle *b, const void *stored, size_t n_stored,
                             size_t bytes, size_t element);

/* Elements [first, first + n) into `out`. Goes on from the block where the last call ended, or
 * from the first one for what lies before it; a block that is needed in part is decoded as a
 * whole. False: the chunk is damaged (or there is no memory for a large block), and `out` holds
 * anything. Nothing outside the chunk is read, nothing outside `out` written, whatever the bytes.
 */
bool h5calib_bitshuffle_read(h5calib_bitshuffle *b, size_t first, size_t n, void *out);

#endif
