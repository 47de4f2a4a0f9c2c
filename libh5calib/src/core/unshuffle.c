/*
 * unshuffle.c - elements from their bits, as the bitshuffle filter lays them out.
 *
 * N elements (a multiple of 8) of E bytes are stored as 8 E rows of N / 8 bytes. Row 8 k + r has
 * bit r of byte k, in the order of memory, of all elements: that of element i is bit i % 8 of
 * byte i / 8. So each byte of the eight rows of one k is a column of an 8 x 8 matrix of bits;
 * transposed, it gives byte k of eight elements. Done here in two steps, a strip of elements at a
 * time that stays in the L1 cache: `columns` makes planes, each one byte of all elements, and
 * `zip` makes elements of them, two bytes of two, four of two twos and so on.
 */
#include <stdint.h>
#include <string.h>

#include "core/internal.h"
#include "core/unshuffle.h"

#ifdef H5CALIB_X86
#include <immintrin.h>
#endif

enum { STRIP = 4096 }; /* bytes */

/* Eight rows, each `stride` bytes after the one before, of n columns: 8 n bytes. */
typedef void transpose(const uint8_t *rows, size_t stride, size_t n, uint8_t *out);
/* Items of `unit` bytes, in turn one of a and one of b, each of n bytes. */
typedef void interleave(const uint8_t *a, const uint8_t *b, size_t n, size_t unit, uint8_t *out);

/* Swap the bits of a that `mask` << shift names with those of b that `mask` names. */
static inline void swap(uint64_t *a, uint64_t *b, int shift, uint64_t mask)
{
    const uint64_t differ = (*a >> shift ^ *b) & mask;
    *b ^= differ;
    *a ^= differ << shift;
}

/* Eight columns of bytes: first the bits of each, then, in the same way, the bytes. */
static void transpose_8(const uint8_t *rows, size_t stride, uint8_t *out)
{
    uint64_t x[8];
    for (int r = 0; r < 8; r++)
        x[r] = h5calib_load_8(rows + (size_t)r * stride);
    for (int r = 0; r < 4; r++)
        swap(&x[r], &x[r + 4], 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    for (int r = 0; r < 4; r++)
        swap(&x[r + r / 2 * 2], &x[r + r / 2 * 2 + 2], 2, UINT64_C(0x3333333333333333));
    for (int r = 0; r < 8; r += 2)
        swap(&x[r], &x[r + 1], 1, UINT64_C(0x5555555555555555));
    for (int r = 0; r < 4; r++)
        swap(&x[r], &x[r + 4], 32, UINT64_C(0x00000000ffffffff));
    for (int r = 0; r < 4; r++)
        swap(&x[r + r / 2 * 2], &x[r + r / 2 * 2 + 2], 16, UINT64_C(0x0000ffff0000ffff));
    for (int r = 0; r < 8; r += 2)
        swap(&x[r], &x[r + 1], 8, UINT64_C(0x00ff00ff00ff00ff));
    for (int r = 0; r < 8; r++)
        h5calib_store_8(out + 8 * r, x[r]);
}

static void transpose_portable(const uint8_t *rows, size_t stride, size_t n, uint8_t *out)
{
    size_t c = 0;
    for (; c + 8 <= n; c += 8)
        transpose_8(rows + c, stride, out + 8 * c);
    if (c < n) {
        uint8_t last[8][8] = {{0}}, bytes[64];
        for (size_t r = 0; r < 8; r++)
            memcpy(last[r], rows + r * stride + c, n - c);
        transpose_8(last[0], 8, bytes);
        memcpy(out + 8 * c, bytes, 8 * (n - c));
    }
}

#define INTERLEAVE(unit)                                                                           \
    for (size_t i = 0; i < n; i += unit) {                                                         \
        memcpy(out + 2 * i, a + i, unit);                                                          \
        memcpy(out + 2 * i + unit, b + i, unit);                                                   \
    }                                                                                              \
    break

static void interleave_portable(const uint8_t *a, const uint8_t *b, size_t n, size_t unit,
                                uint8_t *out)
{
    switch (unit) {
    case 1: INTERLEAVE(1);
    case 2: INTERLEAVE(2);
    case 4: INTERLEAVE(4);
    }
}

#ifdef H5CALIB_X86
#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx2,avx512f,avx512bw")))

/* A step of the transposition of bytes in each 16 bytes of eight vectors: the low and the high
 * halves of each two vectors, `apart` from each other, interleaved by items of `bits`. */
#define UNPACK(wide, bits, from, apart, to)                                                        \
    for (int i = 0; i < 4; i++) {                                                                  \
        const int k = i / (apart) * 2 * (apart) + i % (apart);                                     \
        (to)[2 * i] = wide##_unpacklo_epi##bits((from)[k], (from)[k + (apart)]);                   \
        (to)[2 * i + 1] = wide##_unpackhi_epi##bits((from)[k], (from)[k + (apart)]);               \
    }

AVX2 static inline __m256i swap_avx2(__m256i *a, __m256i b, int shift, int mask)
{
    const __m256i differ = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(*a, shift), b),
                                            _mm256_set1_epi8((char)mask));
    *a = _mm256_xor_si256(*a, _mm256_slli_epi16(differ, shift));
    return _mm256_xor_si256(b, differ);
}

/* 32 columns */
AVX2 static void transpose_avx2(const uint8_t *rows, size_t stride, size_t n, uint8_t *out)
{
    size_t c = 0;
    for (; c + 32 <= n; c += 32) {
        __m256i x[8], y[8];
        for (int r = 0; r < 8; r++)
            x[r] = _mm256_loadu_si256((const __m256i *)(rows + (size_t)r * stride + c));
        for (int r = 0; r < 4; r++)
            x[r + 4] = swap_avx2(&x[r], x[r + 4], 4, 0x0f);
        for (int r = 0; r < 4; r++)
            x[r + r / 2 * 2 + 2] = swap_avx2(&x[r + r / 2 * 2], x[r + r / 2 * 2 + 2], 2, 0x33);
        for (int r = 0; r < 8; r += 2)
            x[r + 1] = swap_avx2(&x[r], x[r + 1], 1, 0x55);
        UNPACK(_mm256, 8, x, 1, y)
        UNPACK(_mm256, 16, y, 2, x)
        UNPACK(_mm256, 32, x, 4, y)
        __m256i *to = (__m256i *)(out + 8 * c);
        for (int i = 0; i < 4; i++) {
            _mm256_storeu_si256(to + i, _mm256_permute2x128_si256(y[2 * i], y[2 * i + 1], 0x20));
            _mm256_storeu_si256(to + i + 4,
                                _mm256_permute2x128_si256(y[2 * i], y[2 * i + 1], 0x31));
        }
    }
    transpose_portable(rows + c, stride, n - c, out + 8 * c);
}

#define INTERLEAVE_AVX2(bits)                                                                      \
    for (; i + 32 <= n; i += 32) {                                                                 \
        const __m256i x = _mm256_loadu_si256((const __m256i *)(a + i));                            \
        const __m256i y = _mm256_loadu_si256((const __m256i *)(b + i));                            \
        const __m256i low = _mm256_unpacklo_epi##bits(x, y);                                       \
        const __m256i high = _mm256_unpackhi_epi##bits(x, y);                                      \
        __m256i *to = (__m256i *)(out + 2 * i);                                                    \
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(low, high, 0x20));                       \
        _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(low, high, 0x31));                   \
    }                                                                                              \
    break

AVX2 static void interleave_avx2(const uint8_t *a, const uint8_t *b, size_t n, size_t unit,
                                 uint8_t *out)
{
    size_t i = 0;
    switch (unit) {
    case 1: INTERLEAVE_AVX2(8);
    case 2: INTERLEAVE_AVX2(16);
    case 4: INTERLEAVE_AVX2(32);
    }
    interleave_portable(a + i, b + i, n - i, unit, out + 2 * i);
}

/* Pairs of columns in the order in which UNPACK leaves them one after the other. */
static const uint16_t pairs[32] = {0, 4, 8,  12, 16, 20, 24, 28, 1, 5, 9,  13, 17, 21, 25, 29,
                                   2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31};

AVX512 static inline __m512i swap_avx512(__m512i *a, __m512i b, unsigned shift, int mask)
{
    enum { CHOOSE = 0xca }; /* a bit of the second where the first has one, else of the third */
    const __m512i low = _mm512_set1_epi8((char)mask),
                  high = _mm512_set1_epi8((char)(mask << shift));
    const __m512i right = _mm512_srli_epi16(*a, shift), left = _mm512_slli_epi16(b, shift);
    *a = _mm512_ternarylogic_epi64(high, left, *a, CHOOSE);
    return _mm512_ternarylogic_epi64(low, right, b, CHOOSE);
}

/* 64 columns */
AVX512 static void transpose_avx512(const uint8_t *rows, size_t stride, size_t n, uint8_t *out)
{
    const __m512i order = _mm512_loadu_si512(pairs);
    size_t c = 0;
    for (; c + 64 <= n; c += 64) {
        __m512i x[8], y[8];
        for (int r = 0; r < 8; r++)
            x[r] =
                _mm512_permutexvar_epi16(order, _mm512_loadu_si512(rows + (size_t)r * stride + c));
        for (int r = 0; r < 4; r++)
            x[r + 4] = swap_avx512(&x[r], x[r + 4], 4, 0x0f);
        for (int r = 0; r < 4; r++)
            x[r + r / 2 * 2 + 2] = swap_avx512(&x[r + r / 2 * 2], x[r + r / 2 * 2 + 2], 2, 0x33);
        for (int r = 0; r < 8; r += 2)
            x[r + 1] = swap_avx512(&x[r], x[r + 1], 1, 0x55);
        UNPACK(_mm512, 8, x, 1, y)
        UNPACK(_mm512, 16, y, 2, x)
        UNPACK(_mm512, 32, x, 4, y)
        for (int i = 0; i < 8; i++)
            _mm512_storeu_si512(out + 8 * c + 64 * i, y[i]);
    }
    transpose_portable(rows + c, stride, n - c, out + 8 * c);
}

#define INTERLEAVE_AVX512(bits)                                                                    \
    for (; i + 64 <= n; i += 64) {                                                                 \
        const __m512i x = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(a + i));              \
        const __m512i y = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(b + i));              \
        _mm512_storeu_si512(out + 2 * i, _mm512_unpacklo_epi##bits(x, y));                         \
        _mm512_storeu_si512(out + 2 * i + 64, _mm512_unpackhi_epi##bits(x, y));                    \
    }                                                                                              \
    break

AVX512 static void interleave_avx512(const uint8_t *a, const uint8_t *b, size_t n, size_t unit,
                                     uint8_t *out)
{
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    size_t i = 0;
    switch (unit) {
    case 1: INTERLEAVE_AVX512(8);
    case 2: INTERLEAVE_AVX512(16);
    case 4: INTERLEAVE_AVX512(32);
    }
    interleave_portable(a + i, b + i, n - i, unit, out + 2 * i);
}
#endif

typedef struct unshuffler {
    transpose *transpose;
    interleave *interleave;
} unshuffler;

static unshuffler choose(void)
{
#ifdef H5CALIB_X86
    switch (h5calib_variant_in_use()) {
    case H5CALIB_AVX2: return (unshuffler){transpose_avx2, interleave_avx2};
    case H5CALIB_AVX512: return (unshuffler){transpose_avx512, interleave_avx512};
    default: break;
    }
#endif
    return (unshuffler){transpose_portable, interleave_portable};
}

void h5calib_unshuffle(const unsigned char *rows, size_t elements, size_t element,
                       unsigned char *out)
{
    _Alignas(64) uint8_t planes[STRIP], wider[STRIP];
    const unshuffler with = choose();
    const size_t stride = elements / 8, most = STRIP / 8 / element;
    if (element == 1) {
        with.transpose(rows, stride, stride, out);
        return;
    }
    for (size_t c = 0; c < stride; c += most) {
        const size_t columns = stride - c < most ? stride - c : most, strip = 8 * columns;
        for (size_t k = 0; k < element; k++)
            with.transpose(rows + 8 * k * stride + c, stride, columns, planes + k * strip);
        uint8_t *from = planes, *to = wider;
        for (size_t unit = 1; unit < element; unit *= 2) {
            if (2 * unit == element)
                to = out + 8 * c * element;
            for (size_t k = 0; k < element; k += 2 * unit)
                with.interleave(from + k * strip, from + (k + unit) * strip, unit * strip, unit,
                                to + k * strip);
            uint8_t *const done = to;
            to = from;
            from = done;
        }
    }
}
