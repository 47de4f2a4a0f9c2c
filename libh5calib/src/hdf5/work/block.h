/*
 * block.h - compute a block of a piece of work. No HDF5.
 */
#ifndef H5CALIB_BLOCK_H
#define H5CALIB_BLOCK_H

#include "hdf5/work/jobs.h"

/* One block of an h5calib_work, `data`: some pixels of every frame of a group. Where the rows of
 * the box do not join into one run, a block is one row. */
bool h5calib_block_run(void *data, size_t number, unsigned worker);

#endif
