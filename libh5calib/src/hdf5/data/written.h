/*
 * written.h - which elements of a dataset were never written, as far as its file tells.
 *
 * Chunks that were never allocated, all of a contiguous dataset that was not, and what no source
 * of a virtual dataset covers. HDF5 gives the fill value for them.
 */
#ifndef H5CALIB_WRITTEN_H
#define H5CALIB_WRITTEN_H

#include "hdf5/data/source.h"

/* Was all of it written? False also where that has to be looked at, box by box. */
bool h5calib_all_written(binding *b, const h5calib_source *source);
/* 1 for each element of the box that never was, 0 for the others; C order. False where HDF5 does
 * not tell. */
bool h5calib_mark_unwritten(binding *b, const h5calib_source *source, const hsize_t *start,
                            const hsize_t *count, unsigned char *marks);

#endif
