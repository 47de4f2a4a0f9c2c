/*
 * strips.c - constants of a few rows at a time.
 */
#include "hdf5/dataset/strips.h"

#include <string.h>

#include "hdf5/dataset/constants.h"

/* Of the largest constant: all constants of a strip stay in the L2 cache. */
#define STRIP_BYTES ((size_t)48 << 10)

static size_t stages_of(const calibrated *c, unsigned k)
{
    const char *s = strchr(c->axes[k], 's');
    return s ? (size_t)c->constants[k].dims[s - c->axes[k]] : 1;
}

static size_t row_bytes(const calibrated *c, unsigned k)
{
    return (size_t)c->dims[c->rank - 1] * c->constants[k].element;
}

/* Rows lie one after the other, and preparing them changes no dtype: that would depend on the
 * other pixels of the plane. */
static bool suits(const calibrated *c, unsigned k)
{
    const char *axes = c->axes[k];
    const unsigned kept = H5CALIB_CONSTANT_MASK | H5CALIB_CONSTANT_COMPARED;
    axes += *axes == 'c';
    axes += *axes == 's';
    return strcmp(axes, "yx") == 0 &&
           (c->constants[k].dtype >= H5CALIB_F16 || (c->algorithm->constants[k].flags & kept));
}

static size_t rows_of_strip(const calibrated *c)
{
    size_t rows = (size_t)c->dims[c->rank - 2];
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        if (!c->constants[k].view)
            continue;
        const size_t fit = suits(c, k) ? STRIP_BYTES / (stages_of(c, k) * row_bytes(c, k)) : 0;
        rows = fit < rows ? fit : rows;
    }
    return rows;
}

bool h5calib_strips_possible(binding *b, calibrated *c)
{
    if (c->strips_looked)
        return c->strip_rows > 0;
    c->strips_looked = true;
    const size_t rows = h5calib_constants_lie_plainly(b, c) ? rows_of_strip(c) : 0;
    if (rows > 0 && (c->strip_calibrator = h5calib_calibrator_of_rows(c->calibrator, rows)))
        c->strip_rows = rows;
    return c->strip_rows > 0;
}

/* Rows of one constant, plane after plane, where the system keeps them or read into memory. */
static bool take_rows(const calibrated *c, unsigned k, uint32_t number, size_t row,
                      h5calib_strip *strip, h5calib_array *out)
{
    const h5calib_source *s = &c->constants[k];
    const size_t stages = stages_of(c, k), line = row_bytes(c, k);
    const size_t bytes = c->strip_rows * line, plane = (size_t)c->dims[c->rank - 2] * line;
    const bool per_cell = c->axes[k][0] == 'c' && s->dims[0] > 1;
    uint64_t from = c->constants_at[k] + (per_cell ? number * stages * plane : 0) + row * line;
    *out =
        (h5calib_array){.dtype = s->dtype,
                        .cells = 1,
                        .stages = (uint32_t)stages,
                        .strides = {0, (ptrdiff_t)plane, (ptrdiff_t)line, (ptrdiff_t)s->element}};
    const char *in_place = NULL;
    const h5calib_opened file = h5calib_view_opened(s->view);
    if (strip->in_place)
        h5calib_inplace_get_all(&file, &from, 1, (stages - 1) * plane + bytes, true, &in_place,
                                &strip->windows[k]);
    out->data = in_place;
    if (in_place)
        return true;
    if (!strip->memory[k])
        strip->memory[k] = h5calib_allocate(stages * bytes);
    out->data = strip->memory[k];
    out->strides[1] = (ptrdiff_t)bytes;
    return strip->memory[k] &&
           h5calib_pread_pieces(s->view->fd, strip->memory[k], bytes, from, plane, stages);
}

const h5calib_cell *h5calib_strip_prepare(const calibrated *c, uint32_t number, size_t row,
                                          h5calib_strip *strip)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    memset(arrays, 0, sizeof arrays);
    for (unsigned k = 0; k < c->algorithm->n_constants; k++)
        if (c->constants[k].view && !take_rows(c, k, number, row, strip, &arrays[k]))
            return NULL;
    return strip->cell = h5calib_cell_borrow(c->strip_calibrator, arrays);
}

bool h5calib_strip_done(h5calib_strip *strip)
{
    bool ok = true;
    h5calib_cell_free(strip->cell);
    strip->cell = NULL;
    for (unsigned k = 0; k < H5CALIB_MAX_CONSTANTS; k++) {
        if (strip->windows[k] && !h5calib_inplace_release(strip->windows[k]))
            ok = false;
        strip->windows[k] = NULL;
    }
    return ok;
}

void h5calib_strip_free(h5calib_strip *strip)
{
    for (unsigned k = 0; k < H5CALIB_MAX_CONSTANTS; k++)
        h5calib_release(strip->memory[k]);
}
