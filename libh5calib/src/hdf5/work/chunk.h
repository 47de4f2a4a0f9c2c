/*
 * chunk.h - compute a box of a calibrated dataset: raw data and constants in,
 * calibrated values out.
 */
#ifndef H5CALIB_CHUNK_H
#define H5CALIB_CHUNK_H

#include "hdf5/work/jobs.h"

/* Compute a box into `out`. legacy_cell: the memory cell, where the chunk itself names it. */
bool h5calib_box_compute(binding *b, calibrated *c, const h5calib_box *at,
                         const int64_t *legacy_cell, void *out, unsigned threads, char *message,
                         size_t message_size);

/* ---- the same in steps, for work that goes on while its owner does something else ---------- */

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
