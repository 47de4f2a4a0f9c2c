/*
 * planes.c - a constant at one gain stage, from the user's array.
 *
 * Planes keep the dtype the user stored. Pixels that cannot be calibrated become
 * NaN here, once, so that kernels need no masks: a mask bit in the plane that
 * the algorithm names (in one of its own where gain stages depend on that plane), a constant that
 * is not finite or a divisor of zero in its own plane. Integer planes are made float for that, only
 * if they have such a pixel (wide integers float64).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/planes.h"

typedef void load_function(const void *from, h5calib_dtype dtype, size_t step, size_t n,
                           double *to);
load_function h5calib_load_double_portable;

#define COPY(type)                                                                                 \
    for (size_t y = y0; y < y1; y++)                                                               \
        for (size_t x = x0; x < x1; x++)                                                           \
    memcpy((type *)to + y * nx + x, from + (ptrdiff_t)y * sy + (ptrdiff_t)x * sx, sizeof(type))

/* Copy ny x nx elements with any strides, in squares, for the sake of arrays
 * that lie transposed. */
static void copy_strided(void *to, const char *from, size_t size, size_t ny, size_t nx,
                         ptrdiff_t sy, ptrdiff_t sx)
{
    const size_t square = 32;
    if (sx == (ptrdiff_t)size) {
        for (size_t y = 0; y < ny; y++)
            memcpy((char *)to + y * nx * size, from + (ptrdiff_t)y * sy, nx * size);
        return;
    }
    for (size_t y0 = 0; y0 < ny; y0 += square) {
        for (size_t x0 = 0; x0 < nx; x0 += square) {
            const size_t y1 = y0 + square < ny ? y0 + square : ny;
            const size_t x1 = x0 + square < nx ? x0 + square : nx;
            switch (size) {
            case 1: COPY(uint8_t); break;
            case 2: COPY(uint16_t); break;
            case 4: COPY(uint32_t); break;
            default: COPY(uint64_t); break;
            }
        }
    }
}

size_t h5calib_plane_pixels(const h5calib_calibrator *c, const h5calib_plane *plane)
{
    return plane->uniform ? H5CALIB_TILE : c->ny * c->nx;
}

bool h5calib_plane_lies_there(const h5calib_calibrator *c, const h5calib_array *array)
{
    const ptrdiff_t size = (ptrdiff_t)h5calib_dtype_size(array->dtype);
    return array->strides[3] == size && array->strides[2] == size * (ptrdiff_t)c->nx;
}

bool h5calib_plane_take(const h5calib_calibrator *c, const h5calib_array *array, uint32_t cell,
                        unsigned stage, bool in_array, bool may_be_uniform, h5calib_plane *plane)
{
    const char *from = (const char *)array->data + (ptrdiff_t)stage * array->strides[1];
    const size_t size = h5calib_dtype_size(array->dtype);
    if (array->cells > 1)
        from += (ptrdiff_t)cell * array->strides[0];
    plane->dtype = array->dtype;
    plane->size = (unsigned)size;
    plane->uniform = may_be_uniform && array->strides[2] == 0 && array->strides[3] == 0;
    plane->in_array = in_array;
    plane->data = in_array ? (void *)(uintptr_t)from
                           : h5calib_allocate(h5calib_plane_pixels(c, plane) * size);
    if (!plane->data)
        return false;
    if (in_array)
        return true;
    if (plane->uniform)
        copy_strided(plane->data, from, size, 1, H5CALIB_TILE, 0, 0);
    else
        copy_strided(plane->data, from, size, c->ny, c->nx, array->strides[2], array->strides[3]);
    return true;
}

bool h5calib_plane_convert(const h5calib_calibrator *c, h5calib_plane *plane, h5calib_dtype dtype,
                           bool reciprocal)
{
    const size_t n = h5calib_plane_pixels(c, plane);
    void *converted = h5calib_allocate(n * h5calib_dtype_size(dtype));
    if (!converted)
        return false;
    double values[H5CALIB_TILE];
    for (size_t i = 0; i < n; i += H5CALIB_TILE) {
        const size_t m = n - i < H5CALIB_TILE ? n - i : H5CALIB_TILE;
        h5calib_load_double_portable((char *)plane->data + i * plane->size, plane->dtype, 1, m,
                                     values);
        for (size_t j = 0; j < m; j++) {
            const double v = reciprocal ? 1 / values[j] : values[j];
            if (dtype == H5CALIB_F32)
                ((float *)converted)[i + j] = (float)v;
            else
                ((double *)converted)[i + j] = v;
        }
    }
    if (!plane->in_array)
        h5calib_release(plane->data);
    plane->in_array = plane->borrowed = false;
    plane->data = converted;
    plane->dtype = dtype;
    plane->size = (unsigned)h5calib_dtype_size(dtype);
    return true;
}

/* A borrowed plane becomes the cell's own. */
static bool copy_plane(const h5calib_calibrator *c, h5calib_plane *plane)
{
    const size_t bytes = h5calib_plane_pixels(c, plane) * plane->size;
    void *copy = h5calib_allocate(bytes);
    if (!copy)
        return false;
    plane->data = memcpy(copy, plane->data, bytes);
    plane->in_array = plane->borrowed = false;
    return true;
}

static bool set_nan(const h5calib_calibrator *c, h5calib_plane *plane, size_t i)
{
    if (!h5calib_is_float(plane->dtype)) {
        const h5calib_dtype wider = plane->size > 2 ? H5CALIB_F64 : H5CALIB_F32;
        if (!h5calib_plane_convert(c, plane, wider, false))
            return false;
    }
    if (plane->borrowed && !copy_plane(c, plane))
        return false;
    if (plane->dtype == H5CALIB_F16)
        ((uint16_t *)plane->data)[i] = 0x7e00;
    else if (plane->dtype == H5CALIB_F32)
        ((float *)plane->data)[i] = NAN;
    else
        ((double *)plane->data)[i] = NAN;
    return true;
}

/* The first whole number above x. None is above 65535, where kernels look once more in vain. */
static uint16_t first_above(float x)
{
    return x < 0 ? 0 : x < UINT16_MAX ? (uint16_t)((uint16_t)x + 1) : UINT16_MAX;
}

/* What is looked at next: processors fetch ahead by themselves within a page only. */
static void fetch_tile(const h5calib_plane *plane, size_t first, size_t n)
{
    if (first < n && plane->borrowed)
        for (size_t line = 0; line < H5CALIB_TILE * plane->size; line += 64)
            H5CALIB_FETCH((const char *)plane->data + first * plane->size + line);
}

uint16_t *h5calib_planes_least_above(const h5calib_calibrator *c, const h5calib_plane *planes,
                                     unsigned n_planes)
{
    const size_t n = c->ny * c->nx, blocks = h5calib_blocks(c);
    enum { BLOCKS_OF_TILE = H5CALIB_TILE / H5CALIB_BLOCK };
    for (unsigned p = 0; p < n_planes; p++)
        if (planes[p].dtype != H5CALIB_F16 && planes[p].dtype != H5CALIB_F32)
            return NULL;
    uint16_t *least = h5calib_allocate(n_planes * blocks * sizeof *least);
    for (size_t i = 0; least && i < n; i += H5CALIB_TILE) {
        const size_t left = n - i < H5CALIB_TILE ? n - i : H5CALIB_TILE;
        float values[BLOCKS_OF_TILE];
        for (size_t k = 0; k < BLOCKS_OF_TILE; k++)
            values[k] = INFINITY;
        for (unsigned p = n_planes; p-- > 0;) {
            fetch_tile(&planes[p], i + H5CALIB_TILE, n);
            h5calib_checks_in_use()->lower((char *)planes[p].data +
                                               (planes[p].uniform ? 0 : i * planes[p].size),
                                           planes[p].dtype, left, values);
            for (size_t k = 0; k * H5CALIB_BLOCK < left; k++)
                least[p * blocks + i / H5CALIB_BLOCK + k] = first_above(values[k]);
        }
    }
    return least;
}

bool h5calib_plane_fold(const h5calib_calibrator *c, h5calib_plane *plane, bool divisor,
                        bool positive)
{
    const size_t n = h5calib_plane_pixels(c, plane);
    const h5calib_checks *checks = h5calib_checks_in_use();
    double values[H5CALIB_TILE];
    for (size_t i = 0; i < n; i += H5CALIB_TILE) {
        const size_t m = n - i < H5CALIB_TILE ? n - i : H5CALIB_TILE;
        const void *from = (char *)plane->data + i * plane->size;
        fetch_tile(plane, i + H5CALIB_TILE, n);
        if (!positive && !checks->unusable(from, plane->dtype, m, divisor))
            continue;
        h5calib_load_double_portable(from, plane->dtype, 1, m, values);
        for (size_t j = 0; j < m; j++)
            if ((!isfinite(values[j]) || (divisor && values[j] == 0) ||
                 (positive && values[j] <= 0)) &&
                !set_nan(c, plane, i + j))
                return false;
    }
    return true;
}

H5CALIB_ANYWHERE(uint8_t, mask_u8);
H5CALIB_ANYWHERE(uint16_t, mask_u16);
H5CALIB_ANYWHERE(uint32_t, mask_u32);
H5CALIB_ANYWHERE(uint64_t, mask_u64);

bool h5calib_plane_fold_mask(const h5calib_calibrator *c, const h5calib_plane *mask,
                             h5calib_plane *plane)
{
    const uint32_t chosen = (uint32_t)c->parameters[H5CALIB_MASK_BITS];
    const uint64_t bits = chosen == UINT32_MAX ? UINT64_MAX : chosen;
    for (size_t i = 0; i < c->ny * c->nx; i++) {
        const size_t j = mask->uniform ? 0 : i;
        uint64_t value = 0;
        switch (mask->size) {
        case 1: value = ((mask_u8 *)mask->data)[j]; break;
        case 2: value = ((mask_u16 *)mask->data)[j]; break;
        case 4: value = ((mask_u32 *)mask->data)[j]; break;
        case 8: value = ((mask_u64 *)mask->data)[j]; break;
        }
        if ((value & bits) && !set_nan(c, plane, i))
            return false;
    }
    return true;
}

double h5calib_plane_mean(const h5calib_calibrator *c, const h5calib_plane *plane)
{
    const size_t n = h5calib_plane_pixels(c, plane);
    double values[H5CALIB_TILE], sum = 0;
    size_t finite = 0;
    for (size_t i = 0; i < n; i += H5CALIB_TILE) {
        const size_t m = n - i < H5CALIB_TILE ? n - i : H5CALIB_TILE;
        h5calib_load_double_portable((char *)plane->data + i * plane->size, plane->dtype, 1, m,
                                     values);
        for (size_t j = 0; j < m; j++) {
            if (!isfinite(values[j]))
                continue;
            sum += values[j];
            finite++;
        }
    }
    return sum / (double)finite;
}
