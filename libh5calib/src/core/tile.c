/*
 * tile.c - operations on tiles, for every CPU variant (see variants.h, template.h).
 */
#ifdef REAL

#define LOAD(type)                                                                                 \
    {                                                                                              \
        H5CALIB_ANYWHERE(type, raw_number);                                                        \
        const raw_number *x = from;                                                                \
        if (step == 1) {                                                                           \
            EACH(j, n)                                                                             \
            to[j] = (REAL)x[j];                                                                    \
        } else {                                                                                   \
            EACH(j, n)                                                                             \
            to[j] = (REAL)x[2 * j];                                                                \
        }                                                                                          \
        break;                                                                                     \
    }

H5CALIB_NOINLINE TARGET void FN(load)(const void *from, h5calib_dtype dtype, size_t step, size_t n,
                                      REAL *to)
{
    switch (dtype) {
    case H5CALIB_I8: LOAD(int8_t)
    case H5CALIB_U8: LOAD(uint8_t)
    case H5CALIB_I16: LOAD(int16_t)
    case H5CALIB_U16: LOAD(uint16_t)
    case H5CALIB_I32: LOAD(int32_t)
    case H5CALIB_U32: LOAD(uint32_t)
    case H5CALIB_I64: LOAD(int64_t)
    case H5CALIB_U64: LOAD(uint64_t)
    case H5CALIB_F32: LOAD(float)
    case H5CALIB_F64: LOAD(double)
    case H5CALIB_F16: {
        const h5calib_raw_u16 *x = from;
        size_t j = 0;
        if (step == 1) {
            for (; j + HALVES(VARIANT) <= n; j += HALVES(VARIANT))
                HALVES_LOAD(VARIANT)(x + j, to + j);
        }
        for (; j < n; j++)
            to[j] = (REAL)half(x[step * j]);
        break;
    }
    }
}

TARGET const REAL *FN(raw)(const h5calib_run *run, int value, size_t i, size_t n, REAL *scratch)
{
    const size_t size = h5calib_dtype_size(run->raw_dtype) * run->raw_step;
    const void *from = (const char *)run->raw[value] + i * size;
    if (run->raw_dtype == DTYPE_OF(REAL) && run->raw_step == 1 &&
        (uintptr_t)from % sizeof(REAL) == 0)
        return from;
    FN(load)(from, run->raw_dtype, run->raw_step, n, scratch);
    return scratch;
}

TARGET const REAL *FN(plane)(const h5calib_plane *plane, size_t first, size_t n, REAL *scratch)
{
    const void *from = (const char *)plane->data + (plane->uniform ? 0 : first * plane->size);
    if (plane->dtype == DTYPE_OF(REAL) && (uintptr_t)from % sizeof(REAL) == 0)
        return from;
    FN(load)(from, plane->dtype, 1, n, scratch);
    return scratch;
}

TARGET void FN(stages_summary)(FN(stages) * stages, size_t n)
{
    stages->in_tile = 0;
    for (size_t b = 0; b < n; b += H5CALIB_BLOCK) {
        INT bits = 0;
        if (n - b >= H5CALIB_BLOCK) {
            for (size_t j = b; j < b + H5CALIB_BLOCK; j++)
                bits |= stages->of[j];
        } else {
            for (size_t j = b; j < n; j++)
                bits |= stages->of[j];
        }
        stages->in_block[b / H5CALIB_BLOCK] = (unsigned char)bits;
        stages->in_tile |= (unsigned)bits;
    }
}

/* Pixels [b, b + n) of a tile. A plane that none of them needs is not touched:
 * that of another stage stands in for it. */
H5CALIB_INLINE TARGET void FN(staged_block)(const h5calib_plane *planes, const FN(stages) * stages,
                                            size_t first, size_t b, size_t n, REAL *to)
{
    _Alignas(64) REAL converted[3][H5CALIB_BLOCK];
    const unsigned needed = stages->in_block[b / H5CALIB_BLOCK];
    const INT *stage = stages->of + b;
    const REAL *from[3] = {NULL, NULL, NULL}, *any = NULL;
    for (int s = 0; s < 3; s++)
        if (needed & (1u << s))
            any = from[s] = FN(plane)(&planes[s], first + b, n, converted[s]);
    const REAL *high = from[0] ? from[0] : any, *medium = from[1] ? from[1] : any;
    const REAL *low = from[2] ? from[2] : any;
    EACH(j, n)
    {
        const REAL h = high[j], m = medium[j], l = low[j];
        const REAL upper = stage[j] & H5CALIB_MEDIUM ? m : h;
        to[b + j] = stage[j] & H5CALIB_LOW ? l : upper;
    }
}

TARGET const REAL *FN(staged_plane)(const h5calib_plane *planes, const FN(stages) * stages,
                                    size_t first, size_t n, REAL *scratch)
{
    size_t b = 0;
    switch (stages->in_tile & H5CALIB_STAGES) {
    case H5CALIB_HIGH: return FN(plane)(&planes[0], first, n, scratch);
    case H5CALIB_MEDIUM: return FN(plane)(&planes[1], first, n, scratch);
    case H5CALIB_LOW: return FN(plane)(&planes[2], first, n, scratch);
    }
    for (; b + H5CALIB_BLOCK <= n; b += H5CALIB_BLOCK)
        FN(staged_block)(planes, stages, first, b, H5CALIB_BLOCK, scratch);
    if (b < n)
        FN(staged_block)(planes, stages, first, b, n - b, scratch);
    return scratch;
}

TARGET void FN(select_plane)(const h5calib_plane *planes, unsigned n_planes,
                             const FN(stages) * stages, size_t first, size_t n, REAL none, REAL *to)
{
    SCRATCH(scratch);
    EACH(j, n)
    to[j] = none;
    for (unsigned s = 0; s < n_planes; s++) {
        if (!(stages->in_tile & (1u << s)))
            continue;
        const REAL *plane = FN(plane)(&planes[s], first, n, scratch);
        EACH(j, n)
        to[j] = stages->of[j] & (1 << s) ? plane[j] : to[j];
    }
}

TARGET void FN(replace)(REAL *values, const FN(stages) * stages, INT bit, REAL value, size_t n)
{
    EACH(j, n)
    {
        const REAL v = values[j];
        values[j] = (stages->of[j] & bit) && v == v ? value : v;
    }
}

/* To the nearest whole number, half to even: adding and subtracting 2^23 (2^52)
 * leaves no room for a fraction. */
static TARGET void FN(round)(REAL *values, size_t n)
{
    const REAL whole = sizeof(REAL) == 4 ? (REAL)8388608.0 : (REAL)4503599627370496.0;
    EACH(j, n)
    {
        const REAL v = values[j], size = v < 0 ? -v : v;
        const REAL rounded = (size + whole) - whole;
        const REAL x = size < whole ? rounded : size;
        values[j] = SIGNED_AS(REAL)(x, v);
    }
}

#define STORE(type, least, most)                                                                   \
    {                                                                                              \
        type *to = (type *)run->out + i;                                                           \
        EACH(j, n)                                                                                 \
        {                                                                                          \
            const REAL v = values[j];                                                              \
            const bool above = v >= (REAL)(most), below = v < (REAL)(least);                       \
            const type inside = (type)(above || below ? 0 : v);                                    \
            to[j] = above ? most : below ? least : inside;                                         \
        }                                                                                          \
        break;                                                                                     \
    }

TARGET void FN(finish)(const h5calib_calibrator *calibrator, const h5calib_run *run, size_t i,
                       size_t n, REAL *values)
{
    const REAL masked = (REAL)run->masked;
    if (calibrator->output == H5CALIB_OUTPUT_MASK) {
        EACH(j, n)
        values[j] = values[j] == values[j] ? 0 : 1;
    } else if (calibrator->rounding) {
        FN(round)(values, n);
    }
#ifdef FUSED
    if (run->stream && n % H5CALIB_BLOCK == 0) {
        for (size_t b = 0; b < n; b += H5CALIB_BLOCK) {
            VEC block[FN(vectors)];
            FN(load_block)(values, H5CALIB_F32, b, block);
            FN(put)(SIMD(set)((float)run->masked), true, (float *)run->out + i + b, block);
        }
        return;
    }
#endif
    REAL *to = run->out_dtype == DTYPE_OF(REAL) ? (REAL *)run->out + i : values;
    EACH(j, n)
    to[j] = values[j] == values[j] ? values[j] : masked;
    switch (run->out_dtype) {
    case H5CALIB_I8: STORE(int8_t, INT8_MIN, INT8_MAX)
    case H5CALIB_U8: STORE(uint8_t, 0, UINT8_MAX)
    case H5CALIB_I16: STORE(int16_t, INT16_MIN, INT16_MAX)
    case H5CALIB_U16: STORE(uint16_t, 0, UINT16_MAX)
    case H5CALIB_I32: STORE(int32_t, INT32_MIN, INT32_MAX)
    case H5CALIB_U32: STORE(uint32_t, 0, UINT32_MAX)
    case H5CALIB_I64: STORE(int64_t, INT64_MIN, INT64_MAX)
    case H5CALIB_U64: STORE(uint64_t, 0, UINT64_MAX)
    default: break; /* floating point: they are there already */
    }
}

TARGET void FN(finish_stages)(const h5calib_run *run, size_t i, size_t n, const INT *stages,
                              INT none)
{
    unsigned char *to = (unsigned char *)run->out + i;
    EACH(j, n)
    {
        INT stage = 0;
        for (int s = 1; s < 7; s++)
            stage += stages[j] >> s & 1 ? s : 0;
        to[j] = (unsigned char)(stages[j] & none ? H5CALIB_NO_STAGE : stage);
    }
}

#ifndef H5CALIB_CHECKS
#define H5CALIB_CHECKS /* of bits, hence once for both REALs */
/* Is any of n values infinite or NaN or, in a divisor, zero? */
#define LOOK(bits, exponent, sign)                                                                 \
    {                                                                                              \
        H5CALIB_ANYWHERE(bits, any_bits);                                                          \
        const any_bits *x = from;                                                                  \
        bits found = 0;                                                                            \
        for (size_t j = 0; j < n; j++)                                                             \
            found |= (bits)((x[j] & (exponent)) == (exponent)) |                                   \
                     (bits)(divisor & ((x[j] & (bits) ~(sign)) == 0));                             \
        return found != 0;                                                                         \
    }
static TARGET bool FN(unusable)(const void *from, h5calib_dtype dtype, size_t n, bool divisor)
{
    switch (dtype) {
    case H5CALIB_F16: LOOK(uint16_t, 0x7c00, 0x8000)
    case H5CALIB_F32: LOOK(uint32_t, UINT32_C(0x7f800000), UINT32_C(0x80000000))
    case H5CALIB_F64: LOOK(uint64_t, UINT64_C(0x7ff0000000000000), UINT64_C(0x8000000000000000))
    default: return divisor; /* integers: only a zero can be unusable */
    }
}

static TARGET void FN(lower_block)(const void *from, h5calib_dtype dtype, size_t n, float *least)
{
    SCRATCH(values);
    const REAL most = *least;
    EACH(j, H5CALIB_BLOCK)
    values[j] = most;
    FN(load)(from, dtype, 1, n, values);
    EACH(j, H5CALIB_BLOCK)
    values[j] = values[j] < most ? values[j] : most; /* a NaN is not less than anything */
    for (size_t half = H5CALIB_BLOCK / 2; half > 0; half /= 2) {
        EACH(j, half)
        values[j] = values[j + half] < values[j] ? values[j + half] : values[j];
    }
    *least = (float)values[0];
}

/* Positive float16 are in the order of their bits, and smaller than NaN and what is negative. */
static TARGET void FN(lower_halves)(const h5calib_raw_u16 *from, size_t n, float *least)
{
    for (size_t i = 0; i + H5CALIB_BLOCK <= n; i += H5CALIB_BLOCK) {
        uint16_t lowest = from[i], highest = from[i];
        for (size_t j = i; j < i + H5CALIB_BLOCK; j++) {
            lowest = from[j] < lowest ? from[j] : lowest;
            highest = from[j] > highest ? from[j] : highest;
        }
        if (highest > 0x7c00)
            FN(lower_block)(from + i, H5CALIB_F16, H5CALIB_BLOCK, &least[i / H5CALIB_BLOCK]);
        else if (half(lowest) < least[i / H5CALIB_BLOCK])
            least[i / H5CALIB_BLOCK] = half(lowest);
    }
}

static TARGET void FN(lower)(const void *from, h5calib_dtype dtype, size_t n, float *least)
{
    size_t i = 0;
    if (dtype == H5CALIB_F16) {
        FN(lower_halves)(from, n, least);
        i = n / H5CALIB_BLOCK * H5CALIB_BLOCK;
    }
    for (; i < n; i += H5CALIB_BLOCK)
        FN(lower_block)((const char *)from + i * h5calib_dtype_size(dtype), dtype,
                        n - i < H5CALIB_BLOCK ? n - i : H5CALIB_BLOCK, &least[i / H5CALIB_BLOCK]);
}

const h5calib_checks FN(checks) = {FN(unusable), FN(lower)};
#undef LOOK
#else
#undef H5CALIB_CHECKS /* for the next variant */
#endif

#undef LOAD
#undef STORE

#else

#include <math.h>

#include "core/halves.h"
#include "core/internal.h"

#define H5CALIB_PASTE_(a, b) a##b
#define H5CALIB_PASTE(a, b) H5CALIB_PASTE_(a, b)
#define DTYPE_OF(real) H5CALIB_PASTE(dtype_of_, real)
#define SIGNED_AS(real) H5CALIB_PASTE(signed_as_, real)
#define HALVES(variant) H5CALIB_PASTE(halves_, variant)
#define HALVES_LOAD(variant)                                                                       \
    H5CALIB_PASTE(H5CALIB_PASTE(load_halves_, variant), H5CALIB_PASTE(_, REAL))

#define dtype_of_float H5CALIB_F32
#define dtype_of_double H5CALIB_F64

H5CALIB_INLINE float signed_as_float(float size, float sign)
{
    return copysignf(size, sign);
}
H5CALIB_INLINE double signed_as_double(double size, double sign)
{
    return copysign(size, sign);
}

#define TEMPLATE "tile.c"
#include "core/variants.h"

#endif
