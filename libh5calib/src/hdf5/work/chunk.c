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
#include "hdf5/work/block.h"
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
    w->task =
        (h5calib_task){.block = h5calib_block_run, .data = w, .n_blocks = w->n_groups * w->spans};
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
