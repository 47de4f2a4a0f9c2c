/*
 * chunk.c - compute one chunk: raw data and constants in, calibrated values out.
 */
#include "chunk.h"

#include <stdlib.h>
#include <string.h>

#include "constants.h"

/* Pixels calibrated for one frame before the next frame's turn: frames of the
 * same memory cell then find their constants in the processor's cache. */
#define BLOCK_PIXELS 16384

/* The part of a chunk that lies inside the dataset. */
typedef struct box {
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    size_t frames, rows, columns;
    bool clipped; /* the chunk reaches beyond the dataset */
} box;

/* One frame of a chunk on its way. */
typedef struct job {
    const h5calib_cell *cell; /* NULL: nothing is known of its cell, all masked */
    const h5calib_cell *next; /* with a weight: the next cell */
    double weight;
    const char *raw;
    char *out;
} job;

size_t h5calib_calibrated_chunk_bytes(const calibrated *c)
{
    size_t n = h5calib_dtype_size(c->dtype);
    for (int i = 0; i < c->rank; i++)
        n *= (size_t)c->chunk[i];
    return n;
}

static bool locate(const calibrated *c, uint64_t number, box *at)
{
    at->clipped = false;
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
    }
    at->frames = 1;
    for (int i = 0; i < c->rank - 2; i++)
        at->frames *= (size_t)at->count[i];
    at->rows = (size_t)at->count[c->rank - 2];
    at->columns = (size_t)at->count[c->rank - 1];
    return number == 0;
}

/* ---- raw data --------------------------------------------------------------------------- */

static size_t values_per_pixel(const calibrated *c)
{
    return c->algorithm->raw_layout == H5CALIB_RAW_ONE ? 1 : 2;
}

static size_t raw_frame_bytes(const calibrated *c, const box *at)
{
    return values_per_pixel(c) * at->rows * at->columns * c->raw.element;
}

/* The box in the axes of the raw dataset. */
static void raw_box(const calibrated *c, const box *at, hsize_t *start, hsize_t *count)
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

static bool read_selected(binding *b, const calibrated *c, const box *at, char *raw, char *message,
                          size_t size)
{
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    raw_box(c, at, start, count);
    const uint64_t *frames = c->frames + at->start[0];
    for (size_t i = 0, n; i < at->frames; i += n) {
        for (n = 1; i + n < at->frames && frames[i + n] == frames[i] + n; n++)
            ;
        if (frames[i] >= c->n_raw_frames || n > c->n_raw_frames - frames[i]) {
            h5calib_say(message, size, "the frame selection asks for raw frame %llu of %llu",
                        (unsigned long long)(frames[i] + n - 1),
                        (unsigned long long)c->n_raw_frames);
            return false;
        }
        start[0] = frames[i];
        count[0] = n;
        if (!h5calib_source_read(b, &c->raw, start, count, raw + i * raw_frame_bytes(c, at),
                                 message, size))
            return false;
    }
    return true;
}

static bool read_raw(binding *b, const calibrated *c, const box *at, char *raw, char *message,
                     size_t size)
{
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    if (c->frames)
        return read_selected(b, c, at, raw, message, size);
    raw_box(c, at, start, count);
    return h5calib_source_read(b, &c->raw, start, count, raw, message, size);
}

/* ---- frames -------------------------------------------------------------------------------- */

/* Frame number `i` of the box, counted over the whole dataset and in the chunk. */
static void place_frame(const calibrated *c, const box *at, size_t i, uint64_t *in_dataset,
                        size_t *in_chunk)
{
    uint64_t whole = 0, whole_step = 1;
    size_t part = 0, part_step = 1;
    for (int k = c->rank - 3; k >= 0; k--) {
        hsize_t index = i % at->count[k];
        i /= (size_t)at->count[k];
        whole += (at->start[k] + index) * whole_step;
        part += (size_t)index * part_step;
        whole_step *= c->dims[k];
        part_step *= (size_t)c->chunk[k];
    }
    *in_dataset = whole;
    *in_chunk = part;
}

/* Constants of a frame: no cell where an unknown memory cell is to be masked. */
static bool choose_cell(binding *b, calibrated *c, uint64_t frame, job *j, char *message, size_t size)
{
    uint32_t cell = 0;
    j->cell = j->next = NULL;
    j->weight = 0;
    if (c->n_cells > 1 && c->cell_ids) {
        uint64_t raw = c->frames ? c->frames[frame] : frame;
        int64_t number = c->cell_ids[raw];
        if (!h5calib_calibrator_locate(c->calibrator, number, c->n_cells, &cell, &j->weight)) {
            if (h5calib_calibrator_masks_bad_cells(c->calibrator))
                return true;
            h5calib_say(message, size,
                        "frame %llu was stored in memory cell %lld, the constants have cells 0 to %u",
                        (unsigned long long)frame, (long long)number, c->n_cells - 1);
            return false;
        }
    }
    j->cell = h5calib_constants_get(b, c, cell, message, size);
    if (j->cell && j->weight > 0)
        j->next = h5calib_constants_get(b, c, cell + 1, message, size);
    return j->cell && (j->next || j->weight == 0);
}

/* ---- pixels --------------------------------------------------------------------------------- */

static h5calib_run run_at(const calibrated *c, const box *at, const job *j, size_t row,
                          size_t first, size_t count)
{
    const size_t y0 = (size_t)at->start[c->rank - 2], x0 = (size_t)at->start[c->rank - 1];
    const size_t nx = (size_t)c->dims[c->rank - 1], width = (size_t)c->chunk[c->rank - 1];
    const size_t pixel = row * at->columns + first, element = c->raw.element;
    const size_t plane = at->rows * at->columns * element;
    h5calib_run run = {.raw_step = 1,
                       .raw_dtype = c->raw.dtype,
                       .out_dtype = c->dtype,
                       .next = j->next,
                       .weight = j->weight};
    switch (c->algorithm->raw_layout) {
    case H5CALIB_RAW_LAST:
        run.raw_step = 2;
        run.raw[0] = j->raw + 2 * pixel * element;
        run.raw[1] = j->raw + (2 * pixel + 1) * element;
        break;
    case H5CALIB_RAW_FIRST:
        run.raw[0] = j->raw + pixel * element;
        run.raw[1] = j->raw + plane + pixel * element;
        break;
    default: run.raw[0] = j->raw + pixel * element; break;
    }
    run.out = j->out + (row * width + first) * h5calib_dtype_size(c->dtype);
    run.first = (y0 + row) * nx + x0 + first;
    run.count = count;
    return run;
}

static bool run_pixels(const calibrated *c, const box *at, const job *j, size_t row, size_t first,
                       size_t count)
{
    h5calib_run run = run_at(c, at, j, row, first, count);
    if (j->cell)
        return h5calib_calibrate_run(c->calibrator, j->cell, &run) == H5CALIB_OK;
    h5calib_fill_masked(c->calibrator, run.out, c->dtype, count);
    return true;
}

/* All frames of the chunk, block by block. A chunk as wide as the frame is one
 * run of pixels, a narrower one has a run for each of its rows. */
static bool run_jobs(const calibrated *c, const box *at, const job *jobs)
{
    const bool whole = h5calib_calibrator_whole_frame(c->calibrator);
    const bool joined = at->columns == c->dims[c->rank - 1] && at->columns == c->chunk[c->rank - 1];
    const size_t rows = joined ? 1 : at->rows;
    const size_t length = joined ? at->rows * at->columns : at->columns;
    const size_t block = whole ? length : BLOCK_PIXELS;
    for (size_t row = 0; row < rows; row++)
        for (size_t first = 0; first < length; first += block) {
            size_t count = length - first < block ? length - first : block;
            for (size_t i = 0; i < at->frames; i++)
                if (!run_pixels(c, at, &jobs[i], row, first, count))
                    return false;
        }
    return true;
}

static bool compute(binding *b, calibrated *c, const box *at, const int64_t *cell, char *out,
                    char *raw, job *jobs, char *message, size_t size)
{
    const size_t frame_bytes =
        (size_t)(c->chunk[c->rank - 2] * c->chunk[c->rank - 1]) * h5calib_dtype_size(c->dtype);
    if (!read_raw(b, c, at, raw, message, size))
        return false;
    if (at->clipped)
        h5calib_fill_masked(c->calibrator, out, c->dtype,
                            h5calib_calibrated_chunk_bytes(c) / h5calib_dtype_size(c->dtype));
    for (size_t i = 0; i < at->frames; i++) {
        uint64_t frame;
        size_t place;
        place_frame(c, at, i, &frame, &place);
        jobs[i].raw = raw + i * raw_frame_bytes(c, at);
        jobs[i].out = out + place * frame_bytes;
        jobs[i].next = NULL;
        jobs[i].weight = 0;
        if (cell)
            jobs[i].cell = h5calib_constants_get(b, c, (uint32_t)*cell, message, size);
        else if (!choose_cell(b, c, frame, &jobs[i], message, size))
            return false;
        if (cell && !jobs[i].cell)
            return false;
    }
    if (run_jobs(c, at, jobs))
        return true;
    h5calib_say(message, size, "out of memory");
    return false;
}

static bool compute_box(binding *b, calibrated *c, const box *at, const int64_t *cell, void *out,
                        char *message, size_t size)
{
    char *raw = malloc(at->frames * raw_frame_bytes(c, at) + 1);
    job *jobs = malloc(at->frames * sizeof *jobs + 1);
    bool ok = raw && jobs;
    if (!ok)
        h5calib_say(message, size, "out of memory for a chunk of raw data");
    ok = ok && compute(b, c, at, cell, out, raw, jobs, message, size);
    free(jobs);
    free(raw);
    h5calib_constants_trim(b);
    return ok;
}

bool h5calib_chunk(binding *b, calibrated *c, uint64_t number, void *out, char *message, size_t size)
{
    box at;
    if (!locate(c, number, &at)) {
        h5calib_say(message, size, "the stub names chunk %llu, the dataset has fewer",
                    (unsigned long long)number);
        return false;
    }
    return compute_box(b, c, &at, NULL, out, message, size);
}

bool h5calib_chunk_legacy(binding *b, calibrated *c, uint64_t frame, uint32_t cell, void *out,
                          char *message, size_t size)
{
    box at;
    const int64_t number = cell;
    if (!locate(c, frame, &at)) {
        h5calib_say(message, size, "a chunk asks for raw frame %llu, there are %llu",
                    (unsigned long long)frame, (unsigned long long)c->dims[0]);
        return false;
    }
    if (cell >= c->n_cells) {
        h5calib_say(message, size, "a chunk asks for memory cell %u, the constants have %u", cell,
                    c->n_cells);
        return false;
    }
    return compute_box(b, c, &at, &number, out, message, size);
}
