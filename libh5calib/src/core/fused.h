/*
 * fused.h - detectors with gain stages, a block of pixels at a time in registers.
 *
 * A block goes from raw data to the output in one pass, (x - a) / b * c ..., each
 * constant taken from the plane of the pixel's gain stage. What is not usual (other
 * dtypes, rounding, ...) is left to the kernels' tile functions; both do the same
 * operations in the same order, so they give the same bits.
 */
#ifndef H5CALIB_FUSED_H
#define H5CALIB_FUSED_H
enum { H5CALIB_MAX_FACTORS = 4 };

/* The constants of some pixels: what is subtracted, what then divides (or multiplies), and
 * further factors; each where the pixels begin, for high, medium and low gain. */
typedef struct h5calib_formula {
    h5calib_dtype dtype; /* of all: F32 or F16 */
    bool multiply;       /* the second constant is a factor too */
    bool uniform;        /* a plane holds H5CALIB_TILE pixels only */
    unsigned n;
    const void *from[H5CALIB_MAX_FACTORS][3];
} h5calib_formula;

/* Add a constant; false if it is in another dtype than those before, or in none of the two. */
static inline bool h5calib_formula_add(h5calib_formula *f, const h5calib_plane *planes,
                                       unsigned n_planes, size_t first)
{
    const h5calib_dtype dtype = planes[0].dtype;
    if (f->n == 0)
        f->dtype = dtype;
    if (dtype != f->dtype || (dtype != H5CALIB_F32 && dtype != H5CALIB_F16))
        return false;
    for (unsigned s = 0; s < n_planes; s++) {
        if (planes[s].dtype != dtype)
            return false;
        f->uniform |= planes[s].uniform;
        f->from[f->n][s] =
            (const char *)planes[s].data + (planes[s].uniform ? 0 : first * planes[s].size);
    }
    f->n++;
    return true;
}

/* Where a run is to fetch: so many pixels before a block is computed, what it needs if it is in
 * high gain, and its raw numbers, which may lie where the system keeps their file; those of several
 * frames come sooner, as the blocks of all others lie between. */
enum { H5CALIB_SOON = 1024, H5CALIB_RAW_SOON = 4096, H5CALIB_RAW_SOON_OF_MANY = 512 };
#endif

#ifdef FUSED
enum { FN(vectors) = H5CALIB_BLOCK / LANES };
#define EACH_VECTOR(v) for (int v = 0; v < FN(vectors); v++)

/* Which pixels of a block are in medium or low gain (low wins), and whether any are. */
typedef struct FN(block) {
    MASK medium[FN(vectors)], low[FN(vectors)];
    bool any_medium, any_low;
} FN(block);

/* The constants of a block in high gain, for all frames. */
typedef struct FN(high) {
    VEC of[H5CALIB_MAX_FACTORS][FN(vectors)];
} FN(high);

/* Where raw numbers and results of some frames are, copied from their runs: those might be what is
 * written to, for all that the compiler knows. */
typedef struct FN(frames) {
    const uint16_t *raw[2][H5CALIB_MOST_FRAMES];
    float *out[H5CALIB_MOST_FRAMES];
    VEC masked;
    bool stream, fetch;
    size_t raw_soon;
} FN(frames);

/* Can results go out as they are: float32, not rounded? */
H5CALIB_INLINE TARGET bool FN(plain_output)(const h5calib_calibrator *c, const h5calib_run *run)
{
    return run->out_dtype == H5CALIB_F32 && c->output == H5CALIB_OUTPUT_VALUE && !c->rounding;
}

/* n_values: a pixel has in raw data. */
H5CALIB_INLINE TARGET void FN(frames_of)(const h5calib_run *runs, size_t n_runs, int n_values,
                                         size_t i, FN(frames) * frames)
{
    for (size_t k = 0; k < n_runs; k++) {
        for (int value = 0; value < n_values; value++)
            frames->raw[value][k] = (const uint16_t *)runs[k].raw[value] + i;
        frames->out[k] = (float *)runs[k].out + i;
    }
    frames->masked = SIMD(set)((float)runs->masked);
    frames->stream = runs->stream;
    frames->fetch = runs->fetch;
    frames->raw_soon = n_runs > 1 ? H5CALIB_RAW_SOON_OF_MANY : H5CALIB_RAW_SOON;
}

H5CALIB_INLINE TARGET void FN(load_block)(const void *from, h5calib_dtype dtype, size_t b, VEC *to)
{
    EACH_VECTOR(v)
    to[v] = dtype == H5CALIB_F16 ? SIMD(load_half)((const uint16_t *)from + b + v * LANES)
                                 : SIMD(load)((const float *)from + b + v * LANES);
}

H5CALIB_INLINE TARGET void FN(load_high)(const h5calib_formula *f, h5calib_dtype dtype, unsigned n,
                                         size_t b, FN(high) * high)
{
    for (unsigned k = 0; k < n; k++)
        FN(load_block)(f->from[k][0], dtype, b, high->of[k]);
}

/* Constant k for a block; NULL: all of it is in high gain. */
H5CALIB_INLINE TARGET void FN(staged)(const h5calib_formula *f, unsigned k, h5calib_dtype dtype,
                                      const FN(high) * high, const FN(block) * block, size_t b,
                                      VEC *to)
{
    VEC other[FN(vectors)];
    EACH_VECTOR(v) to[v] = high->of[k][v];
    if (!block)
        return;
    if (block->any_medium) {
        FN(load_block)(f->from[k][1], dtype, b, other);
        EACH_VECTOR(v) to[v] = SIMD(select)(block->medium[v], other[v], to[v]);
    }
    if (block->any_low) {
        FN(load_block)(f->from[k][2], dtype, b, other);
        EACH_VECTOR(v) to[v] = SIMD(select)(block->low[v], other[v], to[v]);
    }
}

/* What block b of a frame needs if it is in high gain, where the result goes through the caches. */
H5CALIB_INLINE TARGET void FN(fetch_high)(const h5calib_formula *f, h5calib_dtype dtype, unsigned n,
                                          const float *out, size_t b)
{
    const size_t size = dtype == H5CALIB_F16 ? 2 : 4;
    for (unsigned k = 0; k < n; k++)
        for (size_t line = 0; line < H5CALIB_BLOCK * size; line += 64)
            H5CALIB_FETCH((const char *)f->from[k][0] + b * size + line);
    for (size_t line = 0; line < H5CALIB_BLOCK * sizeof(float); line += 64)
        H5CALIB_FETCH_TO_WRITE((const char *)(out + b) + line);
}

/* dtype, multiply and n are those of the formula, given as constants. */
H5CALIB_INLINE TARGET void FN(apply)(const h5calib_formula *f, h5calib_dtype dtype, bool multiply,
                                     unsigned n, const FN(high) * high, const FN(block) * block,
                                     size_t b, VEC *value)
{
    VEC constant[FN(vectors)];
    FN(staged)(f, 0, dtype, high, block, b, constant);
    EACH_VECTOR(v) value[v] = SIMD(subtract)(value[v], constant[v]);
    if (n < 2)
        return;
    FN(staged)(f, 1, dtype, high, block, b, constant);
    EACH_VECTOR(v)
    value[v] =
        multiply ? SIMD(multiply)(value[v], constant[v]) : SIMD(divide)(value[v], constant[v]);
    for (unsigned k = 2; k < n; k++) {
        FN(staged)(f, k, dtype, high, block, b, constant);
        EACH_VECTOR(v) value[v] = SIMD(multiply)(value[v], constant[v]);
    }
}

/* A block of results, masked_value for NaN. */
H5CALIB_INLINE TARGET void FN(put)(VEC masked, bool stream, float *to, VEC *value)
{
    EACH_VECTOR(v) value[v] = SIMD(if_nan)(value[v], masked);
    if (stream) {
        EACH_VECTOR(v) SIMD(stream)(to + v * LANES, value[v]);
    } else {
        EACH_VECTOR(v) SIMD(store)(to + v * LANES, value[v]);
    }
}

/* Call loop(dtype, multiply) with constants. */
#define EACH_FORMULA(f, loop)                                                                      \
    if ((f).dtype == H5CALIB_F16) {                                                                \
        if ((f).multiply)                                                                          \
            loop(H5CALIB_F16, true);                                                               \
        else                                                                                       \
            loop(H5CALIB_F16, false);                                                              \
    } else {                                                                                       \
        if ((f).multiply)                                                                          \
            loop(H5CALIB_F32, true);                                                               \
        else                                                                                       \
            loop(H5CALIB_F32, false);                                                              \
    }
#endif
