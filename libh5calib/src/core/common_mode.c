/*
 * common_mode.c - what all pixels of a row, a column or a bank have in common, taken away.
 *
 * The median of the pixels that take part is subtracted from them: first of
 * banks, then of the rows of each bank, then of its columns. Banks lie side by
 * side from the frame's first pixel on; the last ones may be cut off by its end.
 * A median of an even number is half the sum of the two in the middle.
 */
#ifdef REAL

#define KEY KEY_OF(REAL)
#define SIGN ((KEY)1 << (8 * sizeof(KEY) - 1))

/* Bits of a number that sort as integers do. */
H5CALIB_INLINE TARGET KEY FN(key)(REAL value)
{
    KEY bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

H5CALIB_INLINE TARGET REAL FN(value_of)(KEY key)
{
    REAL value;
    key = key & SIGN ? key ^ SIGN : ~key;
    memcpy(&value, &key, sizeof value);
    return value;
}

/* The key of rank k, counted from 0, byte by byte: those that cannot be it are left out. */
static TARGET KEY FN(ranked)(KEY *keys, size_t n, size_t k)
{
    for (unsigned shift = 8 * sizeof(KEY); shift > 0 && n > 1;) {
        size_t counts[256] = {0}, byte = 0, kept = 0;
        shift -= 8;
        for (size_t i = 0; i < n; i++)
            counts[keys[i] >> shift & 255]++;
        while (k >= counts[byte])
            k -= counts[byte++];
        for (size_t i = 0; i < n; i++)
            if ((keys[i] >> shift & 255) == byte)
                keys[kept++] = keys[i];
        n = kept;
    }
    return keys[0];
}

static TARGET size_t FN(collect)(const h5calib_area *box, const REAL *frame,
                                 const unsigned char *used, KEY *keys)
{
    size_t n = 0;
    for (size_t y = 0; y < box->ny; y++)
        for (size_t x = 0; x < box->nx; x++) {
            const size_t i = box->first + y * box->row + x;
            keys[n] = FN(key)(frame[i]);
            n += used[i];
        }
    return n;
}

static TARGET void FN(correct)(const double *p, const h5calib_area *box, REAL *frame,
                               const unsigned char *used, KEY *keys)
{
    const size_t n = FN(collect)(box, frame, used, keys);
    const double least = p[H5CALIB_COMMON_MODE_PIXELS];
    if (n == 0 || (box->bank ? (double)n < least : (double)n <= least))
        return;
    REAL median = FN(value_of)(FN(ranked)(keys, n, n / 2));
    if (n % 2 == 0) {
        FN(collect)(box, frame, used, keys);
        median = (FN(value_of)(FN(ranked)(keys, n, n / 2 - 1)) + median) / 2;
    }
    const REAL size = median < 0 ? -median : median;
    if (!(size < (REAL)p[H5CALIB_COMMON_MODE_LIMIT]))
        return;
    for (size_t y = 0; y < box->ny; y++)
        for (size_t x = 0; x < box->nx; x++) {
            const size_t i = box->first + y * box->row + x;
            frame[i] = used[i] ? frame[i] - (median + 0) : frame[i]; /* + 0: zero has no sign */
        }
}

TARGET void FN(common_mode)(const h5calib_calibrator *calibrator, const double *p, size_t bank_ny,
                            size_t bank_nx, REAL *frame, const unsigned char *used, void *keys)
{
    static const int order[] = {H5CALIB_BANKS, H5CALIB_ROWS, H5CALIB_COLUMNS};
    const size_t ny = calibrator->ny, nx = calibrator->nx;
    const int mode = (int)p[H5CALIB_COMMON_MODE];
    for (int k = 0; k < 3; k++) {
        const size_t height = order[k] == H5CALIB_ROWS ? 1 : bank_ny;
        const size_t width = order[k] == H5CALIB_COLUMNS ? 1 : bank_nx;
        for (size_t y = 0; (mode & order[k]) && y < ny; y += height)
            for (size_t x = 0; x < nx; x += width) {
                const h5calib_area box = {.first = y * nx + x,
                                          .row = nx,
                                          .ny = ny - y < height ? ny - y : height,
                                          .nx = nx - x < width ? nx - x : width,
                                          .bank = order[k] == H5CALIB_BANKS};
                FN(correct)(p, &box, frame, used, keys);
            }
    }
}

#undef KEY
#undef SIGN

#else

#include <string.h>

#include "core/internal.h"

typedef struct h5calib_area {
    size_t first, row; /* its first pixel, and from one row to the next */
    size_t ny, nx;
    bool bank;
} h5calib_area;

#define KEY_OF_(real) key_of_##real
#define KEY_OF(real) KEY_OF_(real)
#define key_of_float uint32_t
#define key_of_double uint64_t

#define TEMPLATE "common_mode.c"
#include "core/variants.h"

#endif
