/*
 * strips.h - constants of a few rows at a time.
 *
 * To prepare all constants of a cell pays where several frames need them. For the first frame
 * of a cell they are looked at strip by strip, where the page cache has them or in memory that
 * stays in the processor's cache: to get as much memory as all of them need takes longer than to
 * compute the frame.
 */
#ifndef H5CALIB_STRIPS_H
#define H5CALIB_STRIPS_H

#include "hdf5/dataset/calibrated.h"
#include "hdf5/system/inplace.h"

/* Memory of one worker. */
typedef struct h5calib_strip {
    void *memory[H5CALIB_MAX_CONSTANTS];            /* for those that are read */
    h5calib_window *windows[H5CALIB_MAX_CONSTANTS]; /* onto those looked at where they are */
    h5calib_cell *cell;
    bool in_place; /* they may be (inplace.h) */
} h5calib_strip;
void h5calib_strip_free(h5calib_strip *strip);

/* Sets c->strip_rows, where the constants lie so that it can be done, and c->strip_calibrator. */
bool h5calib_strips_possible(binding *b, calibrated *c);

/* Constants of `number`, a cell, for the rows from `row` on, to be used with c->strip_calibrator
 * until h5calib_strip_done. NULL: the file is too short, or there is no memory. No HDF5. */
const h5calib_cell *h5calib_strip_prepare(const calibrated *c, uint32_t number, size_t row,
                                          h5calib_strip *strip);
/* They were used; false: they may never have been in the file, and are to be read. */
bool h5calib_strip_done(h5calib_strip *strip);

#endif
