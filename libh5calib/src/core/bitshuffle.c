/*
 * bitshuffle.c - chunks of the HDF5 filter 32008 (bitshuffle.h), and LZ4 blocks.
 *
 * An LZ4 block is a series of sequences:
 *   token     high four bits: number of literals, low four: length of the match less 4;
 *             15 goes on in the bytes that follow, each added, until one is not 255
 *   literals  bytes to copy
 *   offset    2 bytes, little-endian: the match is what lies so many bytes before, and may
 *             reach into what it makes itself
 * The last one ends after its literals. A match begins at least 12 bytes before the end of the
 * decoded block and ends at least 5 before it.
 */
#include "core/bitshuffle.h"
#include "core/unshuffle.h"

#include <stdint.h>
#include <string.h>

#include "core/core.h"

/* Short copies write whole pieces, up to so many bytes too many, so there is room for them
 * behind a decoded block. */
enum { PIECE = 32 };
/* Blocks of the usual size are decoded on the stack. */
enum { USUAL = 8192 };
enum { BEFORE_END = 12, LAST_LITERALS = 5, HEADER = 12, SIZE = 4 };

/* All is read before anything is written, so they may overlap. */
static inline void copy_8(uint8_t *to, const uint8_t *from)
{
    h5calib_store_8(to, h5calib_load_8(from));
}

static inline void copy_32(uint8_t *to, const uint8_t *from)
{
    uint64_t piece[4];
    memcpy(piece, from, 32);
    memcpy(to, piece, 32);
}

/* Read what follows a 15. False: no end, or more than `most`. */
static bool read_length(const uint8_t **from, const uint8_t *end, size_t most, size_t *length)
{
    uint8_t more = 255;
    while (more == 255) {
        if (*from == end || *length > most)
            return false;
        more = *(*from)++;
        *length += more;
    }
    return true;
}

/* `length` bytes from `offset` before; up to PIECE - 1 more are overwritten. Most are short and
 * of any offset, so these are done without a branch that the CPU could only guess. */
static inline void copy_match(uint8_t *to, size_t offset, size_t length)
{
    /* By offset, from 8 on all alike: the bytes there are, the factor that repeats them, and the
     * least multiple of the offset that is not below 8. */
    static const uint64_t there_are[9] = {0,
                                          0xff,
                                          0xffff,
                                          0xffffff,
                                          UINT64_C(0xffffffff),
                                          UINT64_MAX >> 24,
                                          UINT64_MAX >> 16,
                                          UINT64_MAX >> 8,
                                          UINT64_MAX};
    static const uint64_t repeat[9] = {0,
                                       UINT64_C(0x0101010101010101),
                                       UINT64_C(0x0001000100010001),
                                       UINT64_C(0x0001000001000001),
                                       UINT64_C(0x0000000100000001),
                                       UINT64_C(1) << 40 | 1,
                                       UINT64_C(1) << 48 | 1,
                                       UINT64_C(1) << 56 | 1,
                                       1};
    static const uint8_t multiple[8] = {0, 8, 8, 9, 8, 10, 12, 14};
    const size_t kind = offset < 8 ? offset : 8;
    h5calib_store_8(to, (h5calib_load_8(to - offset) & there_are[kind]) * repeat[kind]);
    if (length <= 8)
        return;
    size_t back = offset < 8 ? multiple[offset] : offset;
    if (length <= 2 * PIECE) {
        for (size_t i = 8; i < length; i += 8)
            copy_8(to + i, to + i - back);
        return;
    }
    for (size_t i = 8, n; i < length; i += n) {
        n = back < length - i ? back : length - i;
        memcpy(to + i, to + i - back, n);
        back *= 2; /* what repeats after so many bytes repeats after twice as many */
    }
}

/* An LZ4 block of exactly n bytes that decodes to exactly `bytes`, with PIECE bytes more behind. */
static bool decode_lz4(const uint8_t *from, size_t n, uint8_t *out, size_t bytes)
{
    const uint8_t *const end = from + n;
    uint8_t *to = out, *const out_end = out + bytes;
    while (from < end) {
        const unsigned token = *from++;
        size_t literals = token >> 4, length = token & 15;
        if (literals == 15 && !read_length(&from, end, bytes, &literals))
            return false;
        if (literals > (size_t)(end - from) || literals > (size_t)(out_end - to))
            return false;
        if (literals <= 8 && end - from >= 8)
            copy_8(to, from);
        else if (literals <= PIECE && end - from >= PIECE)
            copy_32(to, from);
        else
            memcpy(to, from, literals);
        from += literals;
        to += literals;
        if (from == end)
            return to == out_end;

        if (end - from < 2 || out_end - to < BEFORE_END)
            return false;
        const size_t offset = from[0] | (size_t)from[1] << 8;
        from += 2;
        if (length == 15 && !read_length(&from, end, bytes, &length))
            return false;
        length += 4;
        if (offset == 0 || offset > (size_t)(to - out) ||
            length > (size_t)(out_end - to) - LAST_LITERALS)
            return false;
        copy_match(to, offset, length);
        to += length;
    }
    return false;
}

static uint64_t big_endian(const uint8_t *at, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

bool h5calib_bitshuffle_open(h5calib_bitshuffle *b, const void *stored, size_t n_stored,
                             size_t bytes, size_t element)
{
    if (element != 1 && element != 2 && element != 4 && element != 8)
        return false;
    if (n_stored < HEADER || bytes % element != 0 || big_endian(stored, 8) != bytes)
        return false;
    const size_t block = (size_t)big_endian((const uint8_t *)stored + 8, 4);
    if (block == 0 || block % (8 * element) != 0 || block > H5CALIB_BITSHUFFLE_MOST)
        return false;
    *b = (h5calib_bitshuffle){.from = stored,
                              .stored = n_stored,
                              .elements = bytes / element,
                              .element = element,
                              .block = block / element,
                              .at = HEADER};
    return true;
}

/* Elements of the block at hand; 0 where only the rest remains. */
static size_t block_elements(const h5calib_bitshuffle *b)
{
    const size_t left = (b->elements - b->first) / 8 * 8;
    return left < b->block ? left : b->block;
}

/* The bytes of the block at hand. */
static bool find_block(const h5calib_bitshuffle *b, const uint8_t **from, size_t *n)
{
    if (b->stored - b->at < SIZE)
        return false;
    *from = b->from + b->at + SIZE;
    *n = (size_t)big_endian(b->from + b->at, SIZE);
    return *n <= b->stored - b->at - SIZE;
}

/* Put the block (or the rest) at hand that holds `element`. */
static bool go_to(h5calib_bitshuffle *b, size_t element)
{
    if (element < b->first) {
        b->first = 0;
        b->at = HEADER;
    }
    for (;;) {
        const uint8_t *from;
        size_t n;
        const size_t elements = block_elements(b);
        if (elements == 0 || element - b->first < elements)
            return true;
        if (!find_block(b, &from, &n))
            return false;
        b->first += elements;
        b->at += SIZE + n;
    }
}

/* Elements [skip, skip + n) of the block at hand. `scratch` has room for two blocks and a PIECE. */
static bool read_block(const h5calib_bitshuffle *b, size_t skip, size_t n, uint8_t *out,
                       uint8_t *scratch)
{
    const uint8_t *from;
    size_t n_from;
    const size_t elements = block_elements(b), bytes = elements * b->element;
    if (!find_block(b, &from, &n_from) || !decode_lz4(from, n_from, scratch, bytes))
        return false;
    if (n == elements) {
        h5calib_unshuffle(scratch, elements, b->element, out);
    } else {
        uint8_t *whole = scratch + bytes; /* what lies there is not needed any more */
        h5calib_unshuffle(scratch, elements, b->element, whole);
        memcpy(out, whole + skip * b->element, n * b->element);
    }
    return true;
}

static bool read_all(h5calib_bitshuffle *b, size_t first, size_t n, uint8_t *out, uint8_t *scratch)
{
    while (n > 0) {
        if (!go_to(b, first))
            return false;
        const size_t elements = block_elements(b), skip = first - b->first;
        if (elements == 0) { /* the rest, as it is */
            if (b->stored - b->at < (b->elements - b->first) * b->element)
                return false;
            memcpy(out, b->from + b->at + skip * b->element, n * b->element);
            return true;
        }
        const size_t part = n < elements - skip ? n : elements - skip;
        if (!read_block(b, skip, part, out, scratch))
            return false;
        first += part;
        n -= part;
        out += part * b->element;
    }
    return true;
}

bool h5calib_bitshuffle_read(h5calib_bitshuffle *b, size_t first, size_t n, void *out)
{
    _Alignas(64) uint8_t usual[2 * USUAL + PIECE];
    if (first > b->elements || n > b->elements - first)
        return false;
    const size_t bytes = b->block * b->element;
    if (bytes <= USUAL)
        return read_all(b, first, n, out, usual);
    uint8_t *scratch = h5calib_allocate(2 * bytes + PIECE);
    if (!scratch)
        return false;
    const bool fine = read_all(b, first, n, out, scratch);
    h5calib_release(scratch);
    return fine;
}
