/*
 * jobs.h - the frames of a piece of work, and the constants they need.
 */
#ifndef H5CALIB_JOBS_H
#define H5CALIB_JOBS_H

#include "hdf5/data/pixels.h"
#include "hdf5/dataset/strips.h"
#include "hdf5/system/team.h"
#include "hdf5/work/box.h"

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
    unsigned char *missing;   /* with `raw`: for each pixel, was it never written? NULL: all were */
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

/* Add the frames of a box: where each goes, which raw frame it is made of, its memory cell
 * (legacy_cell: where the chunk itself names it). */
bool h5calib_jobs_add(h5calib_work *w, const h5calib_box *at, const int64_t *legacy_cell, char *out,
                      char *message, size_t message_size);
/* Bring the constants of all frames into memory, but for those of cells that are met for the
 * first time and for one frame only: they are read when that is computed. */
bool h5calib_jobs_choose_constants(binding *b, h5calib_work *w, char *message, size_t message_size);
/* Groups of frames that share their constants, or a compressed raw chunk. */
void h5calib_jobs_group(h5calib_work *w);

#endif
