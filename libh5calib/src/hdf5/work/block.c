/*
 * block.c - compute a block of a piece of work. No HDF5.
 */
#include "hdf5/work/block.h"

#include "hdf5/work/raw.h"

/* Pixels [first, first + n) of a row of the box, or of all rows where they are joined. */
typedef struct span {
    size_t row, first, n;
} span;

static h5calib_run run_at(const h5calib_work *w, const h5calib_job *j, const span *s,
                          const char *raw, size_t plane)
{
    const calibrated *c = w->c;
    const size_t y0 = (size_t)w->at.start[c->rank - 2], x0 = (size_t)w->at.start[c->rank - 1];
    const size_t nx = (size_t)c->dims[c->rank - 1], width = (size_t)w->at.extent[c->rank - 1];
    const bool pairs = c->algorithm->raw_layout == H5CALIB_RAW_LAST;
    h5calib_run run = {.raw_step = pairs ? 2 : 1,
                       .raw_dtype = c->raw.dtype,
                       .out_dtype = c->dtype,
                       .stream = w->at.stream,
                       .fetch = w->fetch,
                       .next = j->next,
                       .weight = j->weight};
    run.raw[0] = raw;
    if (c->algorithm->raw_layout != H5CALIB_RAW_ONE)
        run.raw[1] = raw + (pairs ? c->raw.element : plane);
    run.out = j->out + (s->row * width + s->first) * h5calib_dtype_size(c->dtype);
    if (w->missing)
        run.missing = w->missing + (j->number * w->at.rows + s->row) * w->at.columns + s->first;
    run.first = (y0 + s->row) * nx + x0 + s->first;
    run.count = s->n;
    return run;
}

/* Raw pixels of a span, wherever they are. */
static const char *raw_pixels(const h5calib_work *w, const h5calib_job *j, const span *s,
                              h5calib_scratch *scratch, size_t *plane)
{
    const calibrated *c = w->c;
    if (w->raw) {
        const size_t step = (c->algorithm->raw_layout == H5CALIB_RAW_LAST ? 2 : 1) * c->raw.element;
        *plane = w->at.rows * w->at.columns * c->raw.element;
        return w->raw + j->number * h5calib_raw_frame_bytes(c, &w->at) +
               (s->row * w->at.columns + s->first) * step;
    }
    const size_t row = (size_t)w->at.start[c->rank - 2] + s->row;
    const size_t pixel = row * (size_t)c->dims[c->rank - 1] + s->first;
    return h5calib_pixels_get(c->map, j->raw_frame, pixel, s->n, scratch, plane);
}

/* First row of the strip of constants that holds a pixel of the frame; the last one begins
 * where it still has all its rows. */
static size_t strip_at(const calibrated *c, size_t pixel)
{
    const size_t ny = (size_t)c->dims[c->rank - 2], nx = (size_t)c->dims[c->rank - 1];
    const size_t row = pixel / nx / c->strip_rows * c->strip_rows;
    return row < ny - c->strip_rows ? row : ny - c->strip_rows;
}

/* How many pixels of a span, from its first on, have their constants in one strip. */
static size_t inside_strip(const h5calib_work *w, const span *s)
{
    const calibrated *c = w->c;
    const size_t nx = (size_t)c->dims[c->rank - 1], strip = c->strip_rows * nx;
    const size_t pixel = ((size_t)w->at.start[c->rank - 2] + s->row) * nx + s->first;
    const size_t left = strip - pixel % strip;
    return left < s->n ? left : s->n;
}

static bool calibrate_piece(const h5calib_work *w, const h5calib_job *j, h5calib_run *run,
                            h5calib_strip *strip)
{
    const calibrated *c = w->c;
    if (j->constants == H5CALIB_KEPT)
        return h5calib_calibrate_run(c->calibrator, j->cell, run) == H5CALIB_OK;
    const size_t row = strip_at(c, run->first);
    const h5calib_cell *cell = h5calib_strip_prepare(c, j->cell_number, row, strip);
    run->first -= row * (size_t)c->dims[c->rank - 1];
    return cell && h5calib_calibrate_run(c->strip_calibrator, cell, run) == H5CALIB_OK;
}

static bool compute_piece(const h5calib_work *w, const h5calib_job *j, const span *s,
                          h5calib_scratch *scratch, h5calib_strip *strip)
{
    size_t plane;
    const char *raw = raw_pixels(w, j, s, scratch, &plane);
    if (!raw)
        return false;
    h5calib_run run = run_at(w, j, s, raw, plane);
    return calibrate_piece(w, j, &run, strip);
}

static bool run_piece(const h5calib_work *w, const h5calib_job *j, const span *s,
                      h5calib_scratch *scratch, h5calib_strip *strip)
{
    bool ok = compute_piece(w, j, s, scratch, strip);
    const bool raw_stayed = h5calib_pixels_done(scratch);
    if ((!strip || h5calib_strip_done(strip)) && raw_stayed)
        return ok;
    scratch->in_place = false; /* somebody changes a file: no more of that */
    if (strip)
        strip->in_place = false;
    ok = compute_piece(w, j, s, scratch, strip);
    if (strip)
        h5calib_strip_done(strip);
    return ok;
}

static bool run_span(const h5calib_work *w, const h5calib_job *j, const span *s,
                     h5calib_scratch *scratch, h5calib_strip *strip)
{
    const calibrated *c = w->c;
    if (j->constants == H5CALIB_MASKED) {
        h5calib_run run = run_at(w, j, s, NULL, 0);
        h5calib_fill_masked(c->calibrator, run.out, c->dtype, s->n);
        return true;
    }
    for (span part = *s; part.first < s->first + s->n; part.first += part.n) {
        const size_t left = s->first + s->n - part.first;
        part.n = left < w->piece ? left : w->piece;
        if (j->constants == H5CALIB_IN_STRIPS)
            part.n = inside_strip(w, &part);
        if (!run_piece(w, j, &part, scratch, strip))
            return false;
    }
    return true;
}

/* Pixels of some frames of one group, looked at where the system keeps them and computed at once;
 * what cannot be looked at is read, frame by frame. */
static bool run_together(const h5calib_work *w, const h5calib_job *jobs, size_t n, const span *s,
                         h5calib_scratch *scratch)
{
    const calibrated *c = w->c;
    const size_t nx = (size_t)c->dims[c->rank - 1];
    const size_t pixel = ((size_t)w->at.start[c->rank - 2] + s->row) * nx + s->first;
    h5calib_run runs[H5CALIB_MOST_FRAMES];
    h5calib_window *windows[H5CALIB_MOST_FRAMES];
    const h5calib_job *of[H5CALIB_MOST_FRAMES];
    const char *raw[H5CALIB_MOST_FRAMES] = {NULL};
    uint64_t frames[H5CALIB_MOST_FRAMES] = {0};
    size_t n_runs = 0, plane;
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        frames[i] = jobs[i].raw_frame;
    if (scratch->in_place)
        h5calib_pixels_look(c->map, frames, n, pixel, s->n, scratch->all_around, raw, &plane,
                            windows);
    for (size_t i = 0; i < n; i++) {
        if (raw[i]) {
            windows[n_runs] = windows[i];
            of[n_runs] = &jobs[i];
            runs[n_runs++] = run_at(w, &jobs[i], s, raw[i], plane);
        } else {
            ok = ok && run_span(w, &jobs[i], s, scratch, NULL);
        }
    }
    ok = ok && h5calib_calibrate_runs(c->calibrator, jobs->cell, runs, n_runs) == H5CALIB_OK;
    if (h5calib_inplace_release_all(windows, n_runs))
        return ok;
    scratch->in_place = false; /* somebody changes the file: no more of that */
    for (size_t i = 0; i < n_runs; i++)
        ok = ok && run_span(w, of[i], s, scratch, NULL);
    return ok;
}

bool h5calib_block_run(void *data, size_t number, unsigned worker)
{
    const h5calib_work *w = data;
    const size_t group = number / w->spans, part = number % w->spans;
    span s = {.row = w->joined ? 0 : part, .first = w->joined ? part * w->block : 0};
    s.n = w->joined ? w->at.rows * w->at.columns - s.first : w->at.columns;
    if (s.n > w->block)
        s.n = w->block;
    const size_t pixel_bytes = h5calib_dtype_size(w->c->dtype);
    const h5calib_job *jobs = &w->jobs[w->groups[group]];
    const size_t n_jobs = w->groups[group + 1] - w->groups[group];
    if (n_jobs > 1 && w->together && jobs->constants == H5CALIB_KEPT)
        return run_together(w, jobs, n_jobs, &s, &w->scratch[worker]);
    for (size_t i = w->groups[group]; i < w->groups[group + 1]; i++) {
        if (w->in_strips && w->joined) /* most likely the first results in this memory */
            h5calib_will_write(w->jobs[i].out + s.first * pixel_bytes, s.n * pixel_bytes);
        if (!run_span(w, &w->jobs[i], &s, &w->scratch[worker],
                      w->strips ? &w->strips[worker] : NULL))
            return false;
    }
    return true;
}
