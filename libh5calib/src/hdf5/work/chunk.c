/*
 * chunk.c - compute a box of a calibrated dataset: raw data and constants in,
 * calibrated values out.
 *
 * The work is cut into blocks of pixels, each for some frames of one memory cell.
 * A block reads its raw pixels into a small buffer (or finds them in memory, where
 * HDF5 had to read them) and runs the kernel while they are in the processor's
 * cache, as are the constants for the next frame of the same cell. Blocks may be
 * done by any thread, in any order.
 */
#include "hdf5/work/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "core/processor.h"
#include "hdf5/dataset/constants.h"
#include "hdf5/work/raw.h"

#define LEAST_BLOCK 16384
#define MOST_BLOCK 131072    /* raw pixels read are to stay in the cache */
#define MOST_IN_PLACE 524288 /* they are not read */
#define MOST_IN_TURN 65536   /* constants for one frame after the other are to stay as near */
/* Of raw frames that follow each other: worth mapping their file. */
#define ALL_AROUND_BYTES ((size_t)16 << 20)
/* Decoded pixels stay in the processor's cache until they are calibrated. */
#define DECODED_PIECE 16384
/* Fewer pixels than this are not worth waking another thread. */
#define PARALLEL_PIXELS 32768

_Static_assert(sizeof(h5calib_job) + sizeof(size_t) <= H5CALIB_FRAME_BYTES, "limits.c counts less");

/* Can the helpers read all of it themselves? */
static bool mapped(binding *b, const h5calib_work *w)
{
    const calibrated *c = w->c;
    const size_t row = (size_t)w->at.start[c->rank - 2];
    if (!c->map || w->at.columns != c->dims[c->rank - 1])
        return false;
    h5calib_rawmap_expect(b, c->map, w->n_jobs);
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->jobs[i].constants != H5CALIB_MASKED &&
            !h5calib_rawmap_resolve(b, c->map, w->jobs[i].raw_frame, row, w->at.rows))
            return false;
    return true;
}

/* ---- pixels --------------------------------------------------------------------------------- */

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
    return h5calib_rawmap_get(c->map, j->raw_frame, pixel, s->n, scratch, plane);
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
    const bool raw_stayed = h5calib_rawmap_done(scratch);
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
        h5calib_rawmap_look(c->map, frames, n, pixel, s->n, scratch->all_around, raw, &plane,
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

/* One block: some pixels of every frame of a group. Where the rows of the box do not
 * join into one run, a block is one row. */
static bool run_block(void *data, size_t number, unsigned worker)
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

static void cut(h5calib_work *w)
{
    const calibrated *c = w->c;
    const size_t pixels = w->at.rows * w->at.columns;
    w->block = w->n_groups * pixels / (4 * (size_t)w->threads); /* so that all end together */
    const size_t most = w->n_groups < w->n_jobs && !w->together ? MOST_IN_TURN
                        : w->in_place                           ? MOST_IN_PLACE
                                                                : MOST_BLOCK;
    w->block = w->block < LEAST_BLOCK ? LEAST_BLOCK : w->block > most ? most : w->block;
    if (w->in_strips) { /* reading them takes most of the time */
        const size_t strip = c->strip_rows * w->at.columns;
        w->block = (LEAST_BLOCK + strip - 1) / strip * strip;
    }
    if (w->decodes && w->joined) {
        /* a chunk is read by each worker that decodes a part of it */
        const size_t most = h5calib_rawmap_decodes_parts(c->map) ? 2 * (size_t)w->threads : 1;
        const size_t parts = w->n_groups && w->n_groups < most ? most / w->n_groups : 1;
        w->block = (pixels / parts / 4096 + 1) * 4096;
    }
    if (h5calib_calibrator_whole_frame(c->calibrator) || !w->joined)
        w->block = pixels ? pixels : 1;
    w->piece = w->block;
    if (w->decodes && !h5calib_calibrator_whole_frame(c->calibrator) && w->piece > DECODED_PIECE)
        w->piece = DECODED_PIECE;
    w->spans = w->joined ? (pixels + w->block - 1) / w->block : w->at.rows;
    w->task = (h5calib_task){.block = run_block, .data = w, .n_blocks = w->n_groups * w->spans};
    w->task.most_workers = pixels * w->n_jobs < PARALLEL_PIXELS ? 1 : w->threads;
}

/* Is all of a large part of the raw file asked for? */
static bool all_around(const h5calib_work *w)
{
    return !w->c->frames && w->at.rows == w->c->dims[w->c->rank - 2] &&
           w->at.frames * h5calib_raw_frame_bytes(w->c, &w->at) >= ALL_AROUND_BYTES;
}

static bool make_scratch(h5calib_work *w)
{
    w->scratch = calloc(w->task.most_workers, sizeof *w->scratch);
    if (w->in_strips)
        w->strips = calloc(w->task.most_workers, sizeof *w->strips);
    for (size_t i = 0; w->scratch && i < w->task.most_workers; i++)
        w->scratch[i] =
            (h5calib_scratch){.in_place = w->in_place != 0, .all_around = all_around(w)};
    for (size_t i = 0; w->strips && i < w->task.most_workers; i++)
        w->strips[i].in_place = w->in_place != 0;
    return w->scratch && (w->strips || !w->in_strips);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

void h5calib_work_end(h5calib_work *w)
{
    free(w->raw);
    free(w->missing);
    free(w->jobs);
    free(w->groups);
    for (size_t i = 0; w->scratch && i < w->task.most_workers; i++)
        h5calib_scratch_free(&w->scratch[i]);
    free(w->scratch);
    for (size_t i = 0; w->strips && i < w->task.most_workers; i++)
        h5calib_strip_free(&w->strips[i]);
    free(w->strips);
    h5calib_inplace_end(w->in_place);
    w->binding->works -= w->holds;
    memset(w, 0, sizeof *w);
}

/* The frames, and where they go. */
static bool begin_work(binding *b, h5calib_work *w, calibrated *c, const h5calib_box *at,
                       const int64_t *legacy_cell, void *const *out, size_t n_boxes,
                       unsigned threads, char *message, size_t size)
{
    size_t frames = 0;
    *w = (h5calib_work){.binding = b, .c = c, .at = at[0], .threads = threads};
    /* On AMD's Zen 4 asking for memory takes more time than it saves: 5 to 20 % of AGIPD's, none of
     * JUNGFRAU's. */
    w->fetch = !h5calib_processor_has(H5CALIB_PROCESSOR_AMD);
    w->joined = at->columns == c->dims[c->rank - 1] && at->columns == at->extent[c->rank - 1];
    for (size_t i = 0; i < n_boxes; i++)
        frames += at[i].frames;
    w->jobs = calloc(frames + 1, sizeof *w->jobs);
    w->groups = malloc((frames + 1) * sizeof *w->groups);
    if (!w->jobs || !w->groups) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n_boxes; i++)
        if (!h5calib_jobs_add(w, &at[i], legacy_cell, out[i], message, size))
            return false;
    return true;
}

/* Blocks, memory for them, and what lies outside the dataset. */
static bool arrange(h5calib_work *w, const h5calib_box *at, void *const *out, size_t n_boxes,
                    char *message, size_t size)
{
    const calibrated *c = w->c;
    w->decodes = !w->raw && h5calib_rawmap_decodes(c->map);
    w->in_place = w->raw || w->decodes ? 0 : h5calib_inplace_begin();
    if (w->in_place)
        h5calib_constants_trim(w->binding); /* tells how much may be looked at, before any is */
    h5calib_jobs_group(w);
    w->together = w->in_place != 0;
    cut(w);
    if (!make_scratch(w)) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    for (size_t k = 0; k < n_boxes; k++) {
        size_t n = 1;
        for (int i = 0; i < c->rank; i++)
            n *= (size_t)at[k].extent[i];
        if (at[k].clipped)
            h5calib_fill_masked(c->calibrator, out[k], c->dtype, n);
    }
    return true;
}

bool h5calib_work_prepare(binding *b, h5calib_work *w, calibrated *c, const h5calib_box *at,
                          const int64_t *legacy_cell, void *out, unsigned threads, char *message,
                          size_t size)
{
    if (begin_work(b, w, c, at, legacy_cell, &out, 1, threads, message, size) &&
        (mapped(b, w) || h5calib_raw_read(b, w, message, size)) &&
        h5calib_jobs_choose_constants(b, w, message, size) &&
        arrange(w, at, &out, 1, message, size))
        return true;
    h5calib_work_end(w);
    return false;
}

bool h5calib_work_prepare_mapped(binding *b, h5calib_work *w, calibrated *c, const h5calib_box *at,
                                 void *const *out, size_t n_boxes, unsigned threads)
{
    if (begin_work(b, w, c, at, NULL, out, n_boxes, threads, NULL, 0) && mapped(b, w) &&
        h5calib_jobs_choose_constants(b, w, NULL, 0) && arrange(w, at, out, n_boxes, NULL, 0))
        return true;
    h5calib_work_end(w);
    return false;
}

void h5calib_work_failed(const h5calib_work *w, char *message, size_t size)
{
    h5calib_say(message, size,
                "raw data or constants of '%s' cannot be read: a file is shorter than it says, a "
                "compressed chunk is damaged, or there is no memory left",
                w->c->raw.view->path);
}

bool h5calib_box_compute(binding *b, calibrated *c, const h5calib_box *at,
                         const int64_t *legacy_cell, void *out, unsigned threads, char *message,
                         size_t size)
{
    h5calib_work w;
    if (!h5calib_work_prepare(b, &w, c, at, legacy_cell, out, threads, message, size))
        return false;
    bool ok = h5calib_team_do(&w.task);
    if (!ok)
        h5calib_work_failed(&w, message, size);
    h5calib_work_end(&w);
    h5calib_constants_trim(b);
    return ok;
}
