/*
 * raw.c - raw data of a piece of work, where HDF5 has to read it.
 */
#include "hdf5/work/raw.h"

#include <stdlib.h>

#include "core/sizes.h"
#include "hdf5/data/written.h"
#include "hdf5/system/policy.h"

static size_t values_per_pixel(const calibrated *c)
{
    return c->algorithm->raw_layout == H5CALIB_RAW_ONE ? 1 : 2;
}

size_t h5calib_raw_frame_bytes(const calibrated *c, const h5calib_box *at)
{
    return values_per_pixel(c) * at->rows * at->columns * c->raw.element;
}

/* The box in the axes of the raw dataset. */
static void raw_box(const calibrated *c, const h5calib_box *at, hsize_t *start, hsize_t *count)
{
    const int lead = c->rank - 2;
    const h5calib_raw_layout layout = c->algorithm->raw_layout;
    int k = 0;
    for (int i = 0; i < c->rank; i++) {
        if (i == lead && layout == H5CALIB_RAW_FIRST) {
            start[k] = 0;
            count[k++] = 2;
        }
        start[k] = at->start[i];
        count[k++] = at->count[i];
    }
    if (layout == H5CALIB_RAW_LAST) {
        start[k] = 0;
        count[k] = 2;
    }
}

/* ---- what was never written ---------------------------------------------------------------- */

static bool may_be_unwritten(binding *b, calibrated *c)
{
    if (!c->unwritten_is_missing)
        return false;
    if (c->written == H5CALIB_WRITTEN_NOT_LOOKED)
        c->written =
            h5calib_all_written(b, &c->raw) ? H5CALIB_ALL_WRITTEN : H5CALIB_NOT_ALL_WRITTEN;
    return c->written == H5CALIB_NOT_ALL_WRITTEN;
}

/* A pixel of which one value was never written is missing: marks of values become marks of
 * pixels, in place. */
static void join_values(const calibrated *c, const h5calib_box *at, unsigned char *marks,
                        size_t frames)
{
    const size_t pixels = at->rows * at->columns;
    const bool planes = c->algorithm->raw_layout == H5CALIB_RAW_FIRST;
    if (values_per_pixel(c) == 1)
        return;
    for (size_t f = 0; f < frames; f++)
        for (size_t i = 0; i < pixels; i++) {
            const unsigned char *from = marks + 2 * f * pixels + (planes ? i : 2 * i);
            marks[f * pixels + i] = from[0] | from[planes ? pixels : 1];
        }
}

/* ---- reading ------------------------------------------------------------------------------- */

/* `n` frames of the box from frame `first` of it on, which lie at `start`. */
static bool read_frames(binding *b, h5calib_work *w, size_t first, size_t n, const hsize_t *start,
                        const hsize_t *count, char *message, size_t size)
{
    const calibrated *c = w->c;
    const size_t bytes = h5calib_raw_frame_bytes(c, &w->at);
    if (!h5calib_source_read(b, &c->raw, start, count, w->raw + first * bytes, message, size))
        return false;
    if (!w->missing)
        return true;
    /* room for all values of all frames: those before are pixels already */
    unsigned char *marks = w->missing + first * w->at.rows * w->at.columns;
    if (h5calib_mark_unwritten(b, &c->raw, start, count, marks)) {
        join_values(c, &w->at, marks, n);
        return true;
    }
    h5calib_say(message, size, "HDF5 does not tell what of the raw data in '%s' was ever written",
                c->raw.view->path);
    return false;
}

static bool read_selected(binding *b, h5calib_work *w, char *message, size_t size)
{
    const calibrated *c = w->c;
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    raw_box(c, &w->at, start, count);
    const uint64_t *frames = c->frames + w->at.start[0];
    for (size_t i = 0, n; i < w->at.frames; i += n) {
        for (n = 1; i + n < w->at.frames && frames[i + n] == frames[i] + n; n++)
            ;
        start[0] = frames[i];
        count[0] = n;
        if (!read_frames(b, w, i, n, start, count, message, size))
            return false;
    }
    return true;
}

static bool allocate(binding *b, h5calib_work *w, char *message, size_t size)
{
    calibrated *c = w->c;
    const uint64_t frames = w->at.frames;
    const bool marks = may_be_unwritten(b, c);
    const size_t element = c->raw.element;
    const size_t values = h5calib_raw_frame_bytes(c, &w->at) / element;
    uint64_t n;
    if (!h5calib_product(&frames, 1, values, H5CALIB_MOST_BYTES / 16, &n))
        n = UINT64_MAX / 16;
    if (!h5calib_within_bound("raw data of the frames asked for", n * (element + marks), message,
                              size))
        return false;
    w->raw = malloc((size_t)n * element + 1);
    if (marks)
        w->missing = calloc((size_t)n + 1, 1);
    if (w->raw && (w->missing || !marks))
        return true;
    h5calib_say(message, size, "out of memory for raw data");
    return false;
}

bool h5calib_raw_read(binding *b, h5calib_work *w, char *message, size_t size)
{
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    if (!allocate(b, w, message, size))
        return false;
    if (w->c->frames)
        return read_selected(b, w, message, size);
    raw_box(w->c, &w->at, start, count);
    return read_frames(b, w, 0, w->at.frames, start, count, message, size);
}
