/*
 * cellids.h - the memory cell that each raw frame was stored in.
 *
 * A run has as many ids as frames. Where they lie plainly in their file, only those near the
 * frames that are asked for are read: the first frame does not wait for all of them.
 */
#ifndef H5CALIB_CELLIDS_H
#define H5CALIB_CELLIDS_H

#include "hdf5/dataset/calibrated.h"

/* Open them, if there are any, and let the system begin to read them: they lie apart from
 * everything else, and without them nothing is known of the constants of a frame. What is wrong
 * is said by h5calib_cell_ids_load. */
void h5calib_cell_ids_open(binding *b, calibrated *c, hid_t group);
/* Once raw data and constants are known: is there an id for each raw frame, if they are needed? */
bool h5calib_cell_ids_load(binding *b, calibrated *c, hid_t group, char *message, size_t size);
void h5calib_cell_ids_free(binding *b, calibrated *c);

static inline bool h5calib_has_cell_ids(const calibrated *c)
{
    return c->cell_ids != NULL;
}
/* The id of a raw frame; false: the file ends before it. No HDF5; under the library's lock. */
bool h5calib_cell_id(const calibrated *c, uint64_t raw_frame, int64_t *id);

#endif
