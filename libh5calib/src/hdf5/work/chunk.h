/*
 * chunk.h - compute a box of a calibrated dataset: raw data and constants in,
 * calibrated values out.
 */
#ifndef H5CALIB_CHUNK_H
#define H5CALIB_CHUNK_H

#include "hdf5/data/rawmap.h"
#include "hdf5/dataset/calibrated.h"
#include "hdf5/dataset/strips.h"
#include "hdf5/system/team.h"

/* A box of the dataset, and the shape of the array its values go to. */
typedef struct h5calib_box {
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    hsize_t extent[H5CALIB_MAX_RANK]; /* of the output; the box lies at its beginning */
    size_t frame_step; /* bytes from one frame to the next in the output; 0: as `extent` says */
    size_t frames, rows, columns;
    bool clipped; /* the output is larger than the box: the rest is masked */
    bool stream;  /* the output is too large to be found in the caches again */
} h5calib_box;

/* A chunk; false if the dataset has no such chunk. */
bool h5calib_box_of_chunk(const calibrated *c, uint64_t number, h5calib_box *out);
/* Any box inside the dataset, into an array of its own shape; false if it is not inside. */
bool h5calib_box_of_selection(const calibrated *c, const uint64_t *start, const uint64_t *count,
                              h5calib_box *out);

/* Compute a box into `out`. legacy_cell: the memory cell, where the chunk itself names it. */
bool h5calib_box_compute(binding *b, calibrated *c, const h5calib_box *at,
                         const int64_t *legacy_cell, void *out, unsigned threads, char *message,
                         size_t message_size);

/* ---- the same in steps, for work that goes on while its owner does something else ---------- */

typedef struct h5calib_job { /* one frame */
    enum { H5CALIB_MASKED, H5CALIB_KEPT, H5CALIB_IN_STRIPS } constants;
    uint32_t cell_number;     /* unless it is masked: nothing is known of its cell */
    const h5calib_cell *cell; /* the constants, where they are kept in memory */
    const h5calib_cell *next; /* with a weight: the next cell, interpolated with */
    double weight;
    uint64_t frame, raw_frame; /* of the dataset, of the raw data it is made of */
    size_t number;             /* in the order of the boxes */
    char *out;
} h5calib_job;

typedef struct h5calib_work {
    binding *binding;
    calibrated *c;
    h5calib_box at;           /* the first box; others have the same rows and columns */
    size_t n_jobs;            /* frames of all boxes */
    char *raw;                /* the box as HDF5 read it, or NULL: blocks read for themselves */
    h5calib_scratch *scratch; /* raw pixels of a block, for each worker */
    h5calib_strip *strips; /* constants that are not kept, for each worker; NULL: there are none */
    h5calib_job *jobs;
    size_t *groups; /* first job of each group of frames of one cell, and the end */
    size_t n_groups, spans, block, piece; /* a block reads and computes a piece at a time */
    bool joined;                          /* the rows of the box follow each other without gaps */
    unsigned in_place; /* not 0: blocks look at raw pixels where the system keeps them */
    bool fetch;        /* kernels ask for memory before they need it */
    bool together;     /* the frames of a group are computed at once */
    bool decodes;      /* blocks decode compressed raw chunks */
    bool in_strips;    /* there are jobs with constants in strips */
    bool holds;        /* constants */
    unsigned threads;
    h5calib_task task;
} h5calib_work;

/* Everything that needs HDF5, for one box and its output. */
bool h5calib_work_prepare(binding *b, h5calib_work *w, calibrated *c, const h5calib_box *at,
                          const int64_t *legacy_cell, void *out, unsigned threads, char *message,
                          size_t message_size);
/* For several boxes of the same rows and columns. Fails where HDF5 would have to read raw data. */
bool h5calib_work_prepare_mapped(binding *b, h5calib_work *w, calibrated *c, const h5calib_box *at,
                                 void *const *out, size_t n_boxes, unsigned threads);
void h5calib_work_end(h5calib_work *w);
void h5calib_work_failed(const h5calib_work *w, char *message, size_t message_size);

#endif
