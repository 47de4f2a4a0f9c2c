/*
 * jobs.h - the frames of a piece of work, and the constants they need.
 */
#ifndef H5CALIB_JOBS_H
#define H5CALIB_JOBS_H

#include "hdf5/work/chunk.h"

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
