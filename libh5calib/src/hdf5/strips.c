/*
 * strips.c - constants of a few rows at a time.
 */
#include "strips.h"

#include <string.h>

#include "constants.h"

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

static bool read_rows(const calibrated *c, unsigned k, uint32_t number, size_t row, char *to)
{
    const h5calib_source *s = &c->constants[k];
    const size_t stages = stages_of(c, k), line = row_bytes(c, k);
    const size_t bytes = c->strip_rows * line, plane = (size_t)c->dims[c->rank - 2] * line;
    const bool per_cell = c->axes[k][0] == 'c' && s->dims[0] > 1;
    uint64_t from = c->constants_at[k] + (per_cell ? number * stages * plane : 0) + row * line;
    for (size_t stage = 0; stage < stages; stage++, from += plane, to += bytes)
        if (!h5calib_pread(s->view->fd, to, bytes, from))
            return false;
    return true;
}

const h5calib_cell *h5calib_strip_prepare(const calibrated *c, uint32_t number, size_t row,
                                          h5calib_strip *strip)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    h5calib_cell_give_back(strip->cell, strip->memory);
    strip->cell = NULL;
    memset(arrays, 0, sizeof arrays);
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        if (!c->constants[k].view)
            continue;
        const ptrdiff_t line = (ptrdiff_t)row_bytes(c, k);
        if (!strip->memory[k])
            strip->memory[k] = h5calib_allocate(stages_of(c, k) * c->strip_rows * row_bytes(c, k));
        if (!strip->memory[k] || !read_rows(c, k, number, row, strip->memory[k]))
            return NULL;
        arrays[k] = (h5calib_array){.data = strip->memory[k],
                                    .dtype = c->constants[k].dtype,
                                    .cells = 1,
                                    .stages = (uint32_t)stages_of(c, k),
                                    .strides = {0, (ptrdiff_t)c->strip_rows * line, line,
                                                (ptrdiff_t)c->constants[k].element}};
    }
    h5calib_cell_create(c->strip_calibrator, arrays, 0, strip->memory, &strip->cell, NULL, 0);
    return strip->cell;
}

void h5calib_strip_free(h5calib_strip *strip)
{
    h5calib_cell_give_back(strip->cell, strip->memory);
    for (unsigned k = 0; k < H5CALIB_MAX_CONSTANTS; k++)
        h5calib_release(strip->memory[k]);
}
