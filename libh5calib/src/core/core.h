/*
 * core.h - what the plugin uses of the core, below the public header.
 *
 * A `calibrator` is the checked configuration: algorithm, parameters, frame
 * size and the kernel for this CPU. A `cell` holds the constants of one memory
 * cell as planes in memory, unusable pixels folded in, ready for the kernel.
 * Neither is changed once made, so threads may share both.
 */
#ifndef H5CALIB_CORE_H
#define H5CALIB_CORE_H

#include <stdbool.h>

#include "h5calib/h5calib.h"

#define H5CALIB_MAX_CONSTANTS 16

typedef struct h5calib_calibrator h5calib_calibrator;
typedef struct h5calib_cell h5calib_cell;

/* `stages[k]`: length of the stage axis of constant k as given (0: not given);
 * n_constants as in the algorithm. */
h5calib_status h5calib_calibrator_create(const h5calib_config *config, const unsigned *stages,
                                         size_t n_constants, h5calib_calibrator **out,
                                         char *message, size_t message_size);
void h5calib_calibrator_free(h5calib_calibrator *calibrator);
/* The same for any `rows` rows of a frame. NULL where pixels depend on others of their frame, or
 * without memory. */
h5calib_calibrator *h5calib_calibrator_of_rows(const h5calib_calibrator *calibrator, size_t rows);
const h5calib_algorithm *h5calib_calibrator_algorithm(const h5calib_calibrator *calibrator);
/* Value of a parameter, given or default. */
double h5calib_calibrator_parameter(const h5calib_calibrator *calibrator, unsigned index);
/* What is wrong with this pair of dtypes, or H5CALIB_OK. */
h5calib_status h5calib_calibrator_check_dtypes(const h5calib_calibrator *calibrator,
                                               h5calib_dtype raw, h5calib_dtype out, char *message,
                                               size_t message_size);

/* Memory aligned to a cache line, NULL if there is none. */
void *h5calib_allocate(size_t bytes);
void h5calib_release(void *memory);
/* What a block of so many bytes takes of the system's memory. */
size_t h5calib_allocated_bytes(size_t bytes);

/* Prepare cell number `cell` from the constants' arrays (strides over cells
 * included; an array with cells == 1 serves every cell).
 * memory  NULL, or for each constant NULL or the array's own memory (of h5calib_allocate).
 *         That of an array which can be used as it lies becomes the cell's, and NULL here;
 *         everything else is copied. */
h5calib_status h5calib_cell_create(const h5calib_calibrator *calibrator,
                                   const h5calib_array *constants, uint32_t cell, void **memory,
                                   h5calib_cell **out, char *message, size_t message_size);
void h5calib_cell_free(h5calib_cell *cell);
/* The same of arrays of one cell; those that can be used as they lie stay where they are, at any
 * address. They are only read, and must outlive the cell. NULL: out of memory, or of no use. */
h5calib_cell *h5calib_cell_borrow(const h5calib_calibrator *calibrator,
                                  const h5calib_array *constants);
size_t h5calib_cell_bytes(const h5calib_cell *cell);

/* Results of more bytes are not found in the caches again. */
#define H5CALIB_STREAM_BYTES ((size_t)8 << 20)

/* How many frames of one cell are best done side by side, block by block, a constant loaded once
 * for several of them (dispatch.c): one where the constants of all cells come fast enough from a
 * core's own cache for every frame, many where they do not. */
enum { H5CALIB_MOST_FRAMES = 16 };
#define H5CALIB_NEAR_CACHE_BYTES ((size_t)1 << 20)
static inline size_t h5calib_group_frames(const h5calib_cell *cell, size_t n_cells)
{
    return cell && h5calib_cell_bytes(cell) * n_cells > H5CALIB_NEAR_CACHE_BYTES
               ? H5CALIB_MOST_FRAMES
               : 1;
}

/* A run of pixels of one frame: pixels [first, first + count) in C order. */
typedef struct h5calib_run {
    const void *raw[2]; /* first pixel of the run: signal, and gain if there are two values */
    size_t raw_step;    /* elements from one pixel to the next: 1, or 2 for RAW_LAST */
    h5calib_dtype raw_dtype;
    void *out;
    h5calib_dtype out_dtype;
    size_t first, count;      /* whole frames (see above): 0 and ny*nx */
    const h5calib_cell *next; /* with a weight: the next cell, interpolated with */
    double weight;            /* 0: the frame lies at its cell, there need not be a next one */
    bool stream;              /* nobody reads `out` soon: write it past the caches */
    bool fetch;               /* ask for what is needed soon, before it is */
    /* NULL, or for each pixel: not 0 where its raw numbers were never written; it is missing */
    const unsigned char *missing;
    /* h5calib_calibrate_runs's own */
    void *scratch; /* whole frames */
    double masked; /* what an unusable pixel holds */
} h5calib_run;

/* Calibrate one run. Cannot fail once the dtypes were checked, except for memory (whole
 * frames need scratch) and for a run that is a part of a frame where it must be all of it. */
h5calib_status h5calib_calibrate_run(const h5calib_calibrator *calibrator, const h5calib_cell *cell,
                                     const h5calib_run *run);
/* The same for the same pixels of several frames: constants are loaded once for all of them. */
h5calib_status h5calib_calibrate_runs(const h5calib_calibrator *calibrator,
                                      const h5calib_cell *cell, const h5calib_run *runs,
                                      size_t n_runs);

/* Do pixels depend on others of their frame, with these parameters? Then a run is a whole frame. */
bool h5calib_calibrator_whole_frame(const h5calib_calibrator *calibrator);

/* Where a frame lies among n_cells cells: its cell, and how far on the way to the next one
 * (0 without the parameter "steps"). False: outside. */
bool h5calib_calibrator_locate(const h5calib_calibrator *calibrator, int64_t id, uint32_t n_cells,
                               uint32_t *cell, double *weight);

/* Does the parameter bad_cell say that a frame in an unknown cell is masked? */
bool h5calib_calibrator_masks_bad_cells(const h5calib_calibrator *calibrator);

/* What a frame in an unknown cell, or a chunk's area outside the dataset, holds:
 * `count` elements of masked value (NaN unless the parameter says otherwise). */
void h5calib_fill_masked(const h5calib_calibrator *calibrator, void *out, h5calib_dtype out_dtype,
                         size_t count);

/* Write a message the way the public header promises. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void h5calib_say(char *message, size_t message_size, const char *format, ...);

/* n integers of any integer dtype as int64; a value too large becomes INT64_MAX. */
void h5calib_to_int64(const void *data, h5calib_dtype dtype, size_t n, int64_t *out);

/* CRC-32 (IEEE 802.3, the zlib one) of n bytes, continued from `crc` (start with 0). */
uint32_t h5calib_crc32(uint32_t crc, const void *data, size_t n);

#endif
