/*
 * box.c - a part of a calibrated dataset, and where its values go.
 */
#include "hdf5/work/box.h"

static void measure(const calibrated *c, h5calib_box *at)
{
    at->frames = 1;
    for (int i = 0; i < c->rank - 2; i++)
        at->frames *= (size_t)at->count[i];
    at->rows = (size_t)at->count[c->rank - 2];
    at->columns = (size_t)at->count[c->rank - 1];
}

bool h5calib_box_of_chunk(const calibrated *c, uint64_t number, h5calib_box *at)
{
    at->clipped = at->stream = false;
    at->frame_step = 0;
    for (int i = c->rank - 1; i >= 0; i--) {
        hsize_t grid = (c->dims[i] + c->chunk[i] - 1) / c->chunk[i];
        if (grid == 0)
            return false;
        at->start[i] = number % grid * c->chunk[i];
        number /= grid;
        at->count[i] = c->dims[i] - at->start[i];
        if (at->count[i] < c->chunk[i])
            at->clipped = true;
        else
            at->count[i] = c->chunk[i];
        at->extent[i] = c->chunk[i];
    }
    measure(c, at);
    return number == 0;
}

bool h5calib_box_of_selection(const calibrated *c, const uint64_t *start, const uint64_t *count,
                              h5calib_box *at)
{
    at->clipped = at->stream = false;
    at->frame_step = 0;
    for (int i = 0; i < c->rank; i++) {
        if (start[i] > c->dims[i] || count[i] > c->dims[i] - start[i])
            return false;
        at->start[i] = start[i];
        at->count[i] = at->extent[i] = count[i];
    }
    measure(c, at);
    return true;
}
