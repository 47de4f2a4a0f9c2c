/*
 * test_bitshuffle.c - chunks of bitshuffle with LZ4 are decoded, by every variant, as a naive
 * reference shuffled them; whatever is wrong with a chunk, no byte outside is touched.
 *
 * Everything lies in memory of exactly its size, so that AddressSanitizer sees one byte too many;
 * without it, bytes around the output do.
 */
#include <stdbool.h>

#include "check.h"
#include "core/bitshuffle.h"
#include "core/core.h"

enum { GUARD = 64 };
static uint64_t state = 2026;

static size_t below(size_t n)
{
    return (size_t)(random_bits(&state) % n);
}

static uint8_t *copy_of(const void *from, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    CHECK(copy, "no memory");
    if (n)
        memcpy(copy, from, n);
    return copy;
}

/* By the definition: bit by bit. */
static void shuffle(const uint8_t *from, size_t elements, size_t element, uint8_t *rows)
{
    memset(rows, 0, elements * element);
    for (size_t i = 0; i < elements; i++)
        for (size_t bit = 0; bit < 8 * element; bit++)
            if (from[i * element + bit / 8] >> bit % 8 & 1)
                rows[bit * (elements / 8) + i / 8] |= (uint8_t)(1 << i % 8);
}

static uint8_t *put_length(uint8_t *to, size_t length)
{
    if (length < 15)
        return to;
    for (length -= 15; length >= 255; length -= 255)
        *to++ = 255;
    *to++ = (uint8_t)length;
    return to;
}

/* One LZ4 sequence; no match: the last one. */
static uint8_t *put_sequence(uint8_t *to, const uint8_t *literals, size_t n, size_t offset,
                             size_t match)
{
    const size_t length = match ? match - 4 : 0;
    *to++ = (uint8_t)((n < 15 ? n : 15) << 4 | (length < 15 ? length : 15));
    to = put_length(to, n);
    memcpy(to, literals, n);
    to += n;
    if (match) {
        *to++ = (uint8_t)offset;
        *to++ = (uint8_t)(offset >> 8);
        to = put_length(to, length);
    }
    return to;
}

static size_t match_at(const uint8_t *from, size_t at, size_t offset, size_t n)
{
    size_t length = 0;
    while (at + length + 5 < n && from[at + length] == from[at + length - offset])
        length++;
    return length;
}

/* An LZ4 block. Offsets are tried in any order, so that there are all kinds of matches. */
static uint8_t *put_lz4(uint8_t *to, const uint8_t *from, size_t n, bool matches)
{
    size_t anchor = 0;
    for (size_t at = 1; matches && at + 12 <= n; at++)
        for (size_t tries = 0; tries < 12; tries++) {
            const size_t offset = 1 + below(at < 40 ? at : tries < 8 ? 40 : at);
            size_t length = offset > 65535 ? 0 : match_at(from, at, offset, n);
            if (length < 4)
                continue;
            if (below(4) == 0) /* not as long as it could be */
                length = 4 + below(length - 3);
            to = put_sequence(to, from + anchor, at - anchor, offset, length);
            anchor = at + length;
            at = anchor - 1;
            break;
        }
    return put_sequence(to, from + anchor, n - anchor, 0, 0);
}

static void put_number(uint8_t *to, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)(value >> 8 * (n - 1 - i));
}

typedef struct {
    uint8_t *data, *stored;
    size_t bytes, n, element;
} chunk;

static chunk make(size_t elements, size_t element, size_t block, bool matches)
{
    chunk c = {.bytes = elements * element, .element = element};
    c.data = malloc(c.bytes + 1);
    uint8_t *const room = malloc(64 + 3 * c.bytes + elements), *to = room + 12;
    uint8_t *rows = malloc(c.bytes + 1);
    CHECK(c.data && room && rows, "no memory");
    const size_t period = 1 + below(70);
    for (size_t i = 0; i < c.bytes; i++) /* repeats itself after all kinds of lengths */
        c.data[i] = i >= period * element && below(300) ? c.data[i - period * element]
                                                        : (uint8_t)random_bits(&state);
    put_number(room, c.bytes, 8);
    put_number(room + 8, block * element, 4);
    size_t at = 0;
    while (elements - at >= 8) {
        const size_t left = (elements - at) / 8 * 8, n = left < block ? left : block;
        shuffle(c.data + at * element, n, element, rows);
        uint8_t *end = put_lz4(to + 4, rows, n * element, matches);
        put_number(to, (uint64_t)(end - to - 4), 4);
        to = end;
        at += n;
    }
    memcpy(to, c.data + at * element, (elements - at) * element);
    to += (elements - at) * element;
    c.n = (size_t)(to - room);
    c.stored = copy_of(room, c.n);
    free(room);
    free(rows);
    return c;
}

static void drop(chunk *c)
{
    free(c->data);
    free(c->stored);
}

/* Read in memory of exactly that size, and between guards. */
static bool read_guarded(h5calib_bitshuffle *b, size_t first, size_t n, uint8_t *out, bool exact)
{
    const size_t bytes = n * b->element, guard = exact ? 0 : GUARD;
    uint8_t *memory = malloc(bytes + 2 * guard + 1);
    CHECK(memory, "no memory");
    memset(memory, 0xa5, bytes + 2 * guard);
    uint8_t *all = exact ? realloc(memory, bytes ? bytes : 1) : memory;
    const bool fine = h5calib_bitshuffle_read(b, first, n, all + guard);
    for (size_t i = 0; i < guard; i++)
        CHECK(all[i] == 0xa5 && all[guard + bytes + i] == 0xa5, "written outside");
    if (out)
        memcpy(out, all + guard, bytes);
    free(all);
    return fine;
}

static void check_part(h5calib_bitshuffle *b, const chunk *c, size_t first, size_t n)
{
    uint8_t *out = malloc(n * c->element + 1);
    CHECK(read_guarded(b, first, n, out, below(2)), "[%zu, +%zu) of %zu", first, n, c->bytes);
    CHECK(memcmp(out, c->data + first * c->element, n * c->element) == 0,
          "[%zu, +%zu) of %zu x %zu", first, n, c->bytes, c->element);
    free(out);
}

static void check_values(void)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 64, 520, 1024, 4096, 4100, 9001, 20011};
    static const size_t blocks[] = {8, 24, 136, 520, 1024, 4096, 8192, 65536};
    for (size_t element = 1; element <= 8; element *= 2)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++) {
                chunk c = make(lengths[l], element, blocks[k], (l + k) % 4 != 0);
                h5calib_bitshuffle b;
                CHECK(h5calib_bitshuffle_open(&b, c.stored, c.n, c.bytes, element), "%zu", c.n);
                check_part(&b, &c, 0, lengths[l]);
                for (int i = 0; i < 6; i++) {
                    const size_t first = below(lengths[l] + 1);
                    check_part(&b, &c, first, below(lengths[l] - first + 1));
                }
                for (size_t at = 0, n; at < lengths[l]; at += n) { /* one part after the other */
                    n = 1 + below(3000);
                    n = n < lengths[l] - at ? n : lengths[l] - at;
                    check_part(&b, &c, at, n);
                }
                CHECK(!read_guarded(&b, 1, lengths[l], NULL, true), "past the end");
                CHECK(!read_guarded(&b, (size_t)-1, 2, NULL, true), "past the end, overflowing");
                drop(&c);
            }
}

/* A damaged chunk in memory of its own: what it decodes to, if it does, does not matter. */
static bool try(const uint8_t *stored, size_t n, const chunk *c)
{
    uint8_t *copy = copy_of(stored, n);
    h5calib_bitshuffle b;
    const size_t elements = c->bytes / c->element;
    bool fine = h5calib_bitshuffle_open(&b, copy, n, c->bytes, c->element);
    if (fine) {
        fine = read_guarded(&b, 0, elements, NULL, below(2));
        const size_t first = below(elements);
        read_guarded(&b, first, below(elements - first + 1), NULL, below(2));
    }
    free(copy);
    return fine;
}

static void check_damage(void)
{
    for (size_t element = 1; element <= 8; element *= 2) {
        chunk c = make(301, element, 64, true);
        for (size_t n = 0; n < c.n; n++)
            CHECK(!try(c.stored, n, &c), "%zu of %zu bytes", n, c.n);
        CHECK(try(c.stored, c.n, &c), "whole");
        uint8_t *spoilt = copy_of(c.stored, c.n);
        for (int i = 0; i < 3000; i++) {
            for (size_t flips = 1 + below(4); flips > 0; flips--)
                spoilt[12 + below(c.n - 12)] = (uint8_t)(below(3) ? random_bits(&state) : 255);
            try(spoilt, c.n, &c);
            memcpy(spoilt, c.stored, c.n);
        }
        free(spoilt);
        drop(&c);
    }
}

/* One block of bytes that decodes to `bytes`: is it taken? */
static bool takes(size_t bytes, const char *lz4, size_t n)
{
    static uint8_t stored[24000];
    CHECK(16 + n <= sizeof stored, "%zu", n);
    chunk c = {.bytes = bytes, .element = 1};
    put_number(stored, bytes, 8);
    put_number(stored + 8, bytes, 4);
    put_number(stored + 12, n, 4);
    memcpy(stored + 16, lz4, n);
    return try(stored, 16 + n, &c);
}
#define TAKES(bytes, lz4) takes(bytes, lz4, sizeof lz4 - 1)

/* The first byte is a token (octal: 0200 is eight literals and no match). */
static void check_lz4(void)
{
    CHECK(TAKES(8, "\200abcdefgh"), "literals");
    CHECK(!TAKES(8, "\160abcdefg"), "too few");
    CHECK(!TAKES(8, "\220abcdefghi"), "too many");
    CHECK(!TAKES(8, "\200abcdefg"), "literals missing");
    CHECK(!TAKES(8, "\360"), "length missing");
    CHECK(!TAKES(8, ""), "empty");
    CHECK(!TAKES(16, "\067abc\3\0\040xy"), "a match too near the end");
    CHECK(TAKES(16, "\064abc\3\0\120vwxyz"), "a match as near the end as may be");
    CHECK(!TAKES(16, "\024a\1\0\160tuvwxyz\0"), "bytes behind the end");
    CHECK(!TAKES(16, "\064abc\0\0\120vwxyz"), "offset 0");
    CHECK(!TAKES(16, "\064abc\4\0\120vwxyz"), "before the beginning");
    CHECK(!TAKES(16, "\004\1\0\200stuvwxyz"), "before the beginning, at once");
    CHECK(!TAKES(16, "\064abc\3\0"), "ends with a match");
    CHECK(!TAKES(16, "\064abc\3"), "half an offset");
    CHECK(!TAKES(16, "\120abcde\1\0\160tuvwxyz"), "a match within the last 12 bytes");
    CHECK(!TAKES(24, "\077abc\3\0\377\377\377\377\377"), "a length without end");
    CHECK(!TAKES(24, "\077abc\3\0\377\377\1\120vwxyz"), "a match of 529");
    CHECK(!TAKES(2048, "\360"), "length missing");
    CHECK(!TAKES(2048, "\360\377\377"), "a length without end");
    CHECK(!TAKES(2048, "\077abc\3\0\377\377"), "a length without end");
    static char many[23000];
    memset(many, 255, 100);
    many[0] = '\360';
    CHECK(!takes(8, many, sizeof many), "25260 literals, said to be");
    CHECK(!takes(8192, many, sizeof many), "25260 literals, said to be");
    memset(many + 80, 0, 20);
    CHECK(!takes(8, many, 81 + 15 + 79 * 255), "20160 literals");
    CHECK(!takes(8192, many, 81 + 15 + 79 * 255), "20160 literals");
}

static void check_header(void)
{
    chunk c = make(100, 2, 64, true);
    h5calib_bitshuffle b;
    CHECK(h5calib_bitshuffle_open(&b, c.stored, c.n, 200, 2), "as it is");
    CHECK(!h5calib_bitshuffle_open(&b, c.stored, c.n, 202, 2), "another size");
    CHECK(!h5calib_bitshuffle_open(&b, c.stored, c.n, 200, 3), "elements of 3 bytes");
    CHECK(!h5calib_bitshuffle_open(&b, c.stored, c.n, 200, 0), "elements of 0 bytes");
    CHECK(!h5calib_bitshuffle_open(&b, c.stored, 11, 200, 2), "half a header");
    static const uint32_t wrong[] = {0, 1, 8, 120, 130, 0x100010, 0xfffffff0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_number(c.stored + 8, wrong[i], 4);
        CHECK(!h5calib_bitshuffle_open(&b, c.stored, c.n, 200, 2), "blocks of %u", wrong[i]);
    }
    drop(&c);
    c = make((1 << 18) + 9, 4, 1 << 18, true);
    CHECK(h5calib_bitshuffle_open(&b, c.stored, c.n, c.bytes, 4), "a block of 1 MiB");
    check_part(&b, &c, 0, (1 << 18) + 9);
    check_part(&b, &c, 5, 1 << 18);
    drop(&c);
}

int main(void)
{
    const char *name;
    for (size_t v = 0; (name = h5calib_cpu_variant_at(v)); v++) {
        CHECK(h5calib_set_cpu_variant(name) == H5CALIB_OK, "%s", name);
        check_values();
        check_damage();
        check_lz4();
        check_header();
        printf("%s: fine\n", name);
    }
    return 0;
}
