/* calibration.c - the public interface: whole frames in memory, several threads. */
#include <stdatomic.h>
#include <stdlib.h>
#ifndef _WIN32
#include <pthread.h>
#endif

#include "core/internal.h"

/* Threads take work in pieces: some pixels of some frames of one memory cell, so
 * that the constants of those pixels stay in the cache. */
#define PIECE_PIXELS 131072
#define MAX_THREADS 256

struct h5calib_calibration {
    h5calib_calibrator *calibrator;
    uint32_t n_cells; /* 1 where no constant has a cell axis */
    h5calib_cell **cells;
};

/* Frames of one cell: order[first], order[first + 1], ... */
typedef struct piece_frames {
    size_t first, count;
    const h5calib_cell *cell; /* NULL: unknown, the frames become masked */
    const h5calib_cell *next; /* NULL: it is the last */
} piece_frames;

typedef struct job {
    const h5calib_calibrator *calibrator;
    h5calib_run run; /* of frame 0 */
    const int64_t *cell_ids;
    uint32_t n_cells;
    const size_t *order;
    const piece_frames *groups;
    size_t n_groups, pixels, piece_pixels;
    atomic_size_t next;
    atomic_int status;
    const char *_Atomic kernel; /* that ran */
} job;

static h5calib_status check_arrays(const h5calib_algorithm *a, const h5calib_array *constants,
                                   uint32_t *n_cells, char *message, size_t message_size)
{
    const char *counted = NULL;
    *n_cells = 1;
    for (unsigned k = 0; k < a->n_constants; k++) {
        const h5calib_array *array = &constants[k];
        const char *name = a->constants[k].name;
        if (!array->data || array->cells == 1)
            continue;
        if (array->cells == 0 || !(a->constants[k].flags & H5CALIB_CONSTANT_PER_CELL)) {
            h5calib_say(message, message_size, "%s: %s has %u cells, it must have %s", a->name,
                        name, (unsigned)array->cells,
                        array->cells ? "no cell axis" : "one at least");
            return H5CALIB_E_CONSTANT;
        }
        if (counted && array->cells != *n_cells) {
            h5calib_say(message, message_size, "%s: %s has %u cells, but %s has %u", a->name, name,
                        (unsigned)array->cells, counted, (unsigned)*n_cells);
            return H5CALIB_E_CONSTANT;
        }
        counted = name;
        *n_cells = array->cells;
    }
    return H5CALIB_OK;
}

static h5calib_status make_cells(h5calib_calibration *made, const h5calib_array *constants,
                                 char *message, size_t message_size)
{
    made->cells = calloc(made->n_cells, sizeof *made->cells);
    if (!made->cells) {
        h5calib_say(message, message_size, "out of memory");
        return H5CALIB_E_MEMORY;
    }
    h5calib_status status = H5CALIB_OK;
    for (uint32_t i = 0; i < made->n_cells && !status; i++)
        status = h5calib_cell_create(made->calibrator, constants, i, NULL, &made->cells[i], message,
                                     message_size);
    return status;
}

h5calib_status h5calib_calibration_create(const h5calib_config *config,
                                          const h5calib_array *constants, size_t n_constants,
                                          h5calib_calibration **out, char *message,
                                          size_t message_size)
{
    unsigned stages[H5CALIB_MAX_CONSTANTS] = {0};
    if (out)
        *out = NULL;
    if (!config || !out || (n_constants && !constants) || n_constants > H5CALIB_MAX_CONSTANTS) {
        h5calib_say(message, message_size, "a pointer is NULL, or there are too many constants");
        return H5CALIB_E_ARGUMENT;
    }
    for (size_t k = 0; k < n_constants; k++)
        stages[k] = constants[k].data ? constants[k].stages : 0;
    h5calib_calibration *made = calloc(1, sizeof *made);
    if (!made) {
        h5calib_say(message, message_size, "out of memory");
        return H5CALIB_E_MEMORY;
    }
    h5calib_status status = h5calib_calibrator_create(config, stages, n_constants,
                                                      &made->calibrator, message, message_size);
    if (!status)
        status = check_arrays(h5calib_calibrator_algorithm(made->calibrator), constants,
                              &made->n_cells, message, message_size);
    if (!status)
        status = make_cells(made, constants, message, message_size);
    if (status)
        h5calib_calibration_free(made);
    else
        *out = made;
    return status;
}

void h5calib_calibration_free(h5calib_calibration *calibration)
{
    if (!calibration)
        return;
    for (uint32_t i = 0; calibration->cells && i < calibration->n_cells; i++)
        h5calib_cell_free(calibration->cells[i]);
    free(calibration->cells);
    h5calib_calibrator_free(calibration->calibrator);
    free(calibration);
}

static h5calib_status do_piece(job *j, size_t piece)
{
    const size_t blocks = (j->pixels + j->piece_pixels - 1) / j->piece_pixels;
    const piece_frames *group = &j->groups[piece / blocks];
    const size_t raw_size = h5calib_dtype_size(j->run.raw_dtype);
    const size_t out_size = h5calib_dtype_size(j->run.out_dtype);
    const size_t values = j->run.raw[1] ? 2 : 1;
    h5calib_run run = j->run;
    run.first = piece % blocks * j->piece_pixels;
    run.count = j->pixels - run.first < j->piece_pixels ? j->pixels - run.first : j->piece_pixels;
    h5calib_run runs[H5CALIB_MOST_FRAMES];
    size_t n_runs = 0;
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const size_t frame = j->order[i];
        run.out = (char *)j->run.out + (frame * j->pixels + run.first) * out_size;
        if (!group->cell) {
            h5calib_fill_masked(j->calibrator, run.out, run.out_dtype, run.count);
            continue;
        }
        const size_t offset = (frame * j->pixels * values + run.first * run.raw_step) * raw_size;
        for (size_t v = 0; v < values; v++)
            run.raw[v] = (const char *)j->run.raw[v] + offset;
        uint32_t cell;
        run.next = group->next;
        run.weight = 0;
        if (j->cell_ids && j->n_cells > 1)
            h5calib_calibrator_locate(j->calibrator, j->cell_ids[frame], j->n_cells, &cell,
                                      &run.weight);
        runs[n_runs++] = run;
        if (n_runs < H5CALIB_MOST_FRAMES && i + 1 < group->first + group->count)
            continue;
        h5calib_status status = h5calib_calibrate_runs(j->calibrator, group->cell, runs, n_runs);
        if (status)
            return status;
        atomic_store(&j->kernel, h5calib_kernel_ran);
        n_runs = 0;
    }
    return H5CALIB_OK;
}

static void *work(void *argument)
{
    job *j = argument;
    const size_t blocks = (j->pixels + j->piece_pixels - 1) / j->piece_pixels;
    for (size_t piece; (piece = atomic_fetch_add(&j->next, 1)) < j->n_groups * blocks;) {
        const int status = do_piece(j, piece);
        if (status)
            atomic_store(&j->status, status);
    }
    return NULL;
}

static h5calib_status run_job(job *j, unsigned threads)
{
#ifdef _WIN32
    (void)threads;
    work(j);
#else
    pthread_t helpers[MAX_THREADS];
    unsigned n = 0;
    while (n + 1 < threads && n < MAX_THREADS && pthread_create(&helpers[n], NULL, work, j) == 0)
        n++;
    work(j);
    while (n > 0)
        pthread_join(helpers[--n], NULL);
#endif
    h5calib_kernel_ran = atomic_load(&j->kernel); /* the helpers may have done it all */
    return (h5calib_status)atomic_load(&j->status);
}

/* Which cell a frame takes its constants from: n_cells if there is none such. */
static uint32_t cell_of(const h5calib_calibration *calibration, const int64_t *cell_ids,
                        size_t frame)
{
    if (!cell_ids || calibration->n_cells == 1)
        return 0;
    uint32_t cell;
    double weight;
    return h5calib_calibrator_locate(calibration->calibrator, cell_ids[frame], calibration->n_cells,
                                     &cell, &weight)
               ? cell
               : calibration->n_cells;
}

/* Sort frames by cell, keeping their order, and cut them into groups. */
static size_t group_frames(const h5calib_calibration *calibration, const int64_t *cell_ids,
                           size_t frames, size_t *order, size_t *starts, piece_frames *groups)
{
    const uint32_t n_cells = calibration->n_cells;
    size_t n_groups = 0, start = 0;
    for (size_t f = 0; f < frames; f++)
        starts[cell_of(calibration, cell_ids, f)]++;
    for (uint32_t c = 0; c <= n_cells; c++) {
        const size_t count = starts[c];
        const h5calib_cell *cell = c < n_cells ? calibration->cells[c] : NULL;
        const size_t most = h5calib_group_frames(cell, n_cells);
        for (size_t i = 0; i < count; i += most) {
            groups[n_groups].first = start + i;
            groups[n_groups].count = count - i < most ? count - i : most;
            groups[n_groups].cell = cell;
            groups[n_groups++].next = c + 1 < n_cells ? calibration->cells[c + 1] : NULL;
        }
        starts[c] = start;
        start += count;
    }
    for (size_t f = 0; f < frames; f++)
        order[starts[cell_of(calibration, cell_ids, f)]++] = f;
    return n_groups;
}

static h5calib_status check_cells(const h5calib_calibration *calibration, size_t frames,
                                  const int64_t *cell_ids, char *message, size_t message_size)
{
    const h5calib_algorithm *a = h5calib_calibrator_algorithm(calibration->calibrator);
    if (calibration->n_cells > 1 && !cell_ids) {
        h5calib_say(message, message_size,
                    "%s: the constants have %u cells, so cell_ids are needed", a->name,
                    (unsigned)calibration->n_cells);
        return H5CALIB_E_ARGUMENT;
    }
    if (h5calib_calibrator_masks_bad_cells(calibration->calibrator))
        return H5CALIB_OK;
    for (size_t f = 0; f < frames; f++) {
        if (cell_of(calibration, cell_ids, f) == calibration->n_cells) {
            h5calib_say(message, message_size,
                        "%s: frame %zu is of cell %lld, but the constants have cells 0 to %lld",
                        a->name, f, (long long)cell_ids[f],
                        (long long)(calibration->n_cells - 1) * calibration->calibrator->steps);
            return H5CALIB_E_CELL;
        }
    }
    return H5CALIB_OK;
}

h5calib_status h5calib_calibrate(const h5calib_calibration *calibration, const void *raw,
                                 h5calib_dtype raw_dtype, size_t frames, const int64_t *cell_ids,
                                 void *out, h5calib_dtype out_dtype, unsigned threads,
                                 char *message, size_t message_size)
{
    if (!calibration || (frames && (!raw || !out))) {
        h5calib_say(message, message_size, "a pointer is NULL");
        return H5CALIB_E_ARGUMENT;
    }
    const h5calib_calibrator *c = calibration->calibrator;
    const h5calib_algorithm *a = h5calib_calibrator_algorithm(c);
    h5calib_status status = h5calib_check_variant(message, message_size);
    if (!status)
        status = h5calib_calibrator_check_dtypes(c, raw_dtype, out_dtype, message, message_size);
    if (!status)
        status = check_cells(calibration, frames, cell_ids, message, message_size);
    if (status || frames == 0)
        return status;

    job j = {.calibrator = c,
             .cell_ids = cell_ids,
             .n_cells = calibration->n_cells,
             .pixels = c->ny * c->nx,
             .kernel = h5calib_kernel_ran};
    const size_t size = h5calib_dtype_size(raw_dtype);
    const size_t gain_offset = a->raw_layout == H5CALIB_RAW_FIRST ? j.pixels * size : size;
    j.run.raw[0] = raw;
    j.run.raw[1] = a->raw_layout == H5CALIB_RAW_ONE ? NULL : (const char *)raw + gain_offset;
    j.run.raw_step = a->raw_layout == H5CALIB_RAW_LAST ? 2 : 1;
    j.run.raw_dtype = raw_dtype;
    j.run.out = out;
    j.run.out_dtype = out_dtype;
    j.run.stream = frames * j.pixels * h5calib_dtype_size(out_dtype) >= H5CALIB_STREAM_BYTES;
    j.piece_pixels = c->whole_frame ? j.pixels : PIECE_PIXELS;

    size_t *order = calloc(frames, sizeof *order);
    size_t *starts = calloc((size_t)calibration->n_cells + 1, sizeof *starts);
    piece_frames *groups = calloc(frames, sizeof *groups);
    if (order && starts && groups) {
        j.n_groups = group_frames(calibration, cell_ids, frames, order, starts, groups);
        j.order = order;
        j.groups = groups;
        status = run_job(&j, threads);
    } else {
        status = H5CALIB_E_MEMORY;
    }
    if (status == H5CALIB_E_MEMORY)
        h5calib_say(message, message_size, "out of memory");
    free(order);
    free(starts);
    free(groups);
    return status;
}
