/*
 * cellids.h - the memory cell that each raw frame was stored in.
 *
 * A run has as many ids as frames. Where they lie plainly in their file, only those near the
 * frames that are asked for are read: the first frame does not wait for all of them.
 */
#ifndef H5CALIB_CELLIDS_H
#define H5CALIB_CELLIDS_H

#include "hdf5/data/source.h"

typedef struct h5calib_cell_ids {
    h5calib_source source; /* as stored */
    int64_t *values;       /* of each raw frame; NULL: there are none */
    uint64_t n;
    unsigned char *known; /* parts that were read; NULL: all of them */
    uint64_t at;          /* where the first one lies in the file */
} h5calib_cell_ids;

/* Open them, if there are any, and let the system begin to read them: they lie apart from
 * everything else, and without them nothing is known of the constants of a frame. What is wrong
 * is said by h5calib_cell_ids_load. */
void h5calib_cell_ids_open(binding *b, view *home, hid_t group, h5calib_cell_ids *ids);
/* Once raw data and constants are known: is there an id for each of n raw frames, if there are
 * several cells? */
bool h5calib_cell_ids_load(binding *b, view *home, hid_t group, uint32_t n_cells, uint64_t n,
                           h5calib_cell_ids *ids, char *message, size_t message_size);
void h5calib_cell_ids_free(binding *b, h5calib_cell_ids *ids);

/* The id of a raw frame; false: the file ends before it. No HDF5; under the library's lock. */
bool h5calib_cell_id(const h5calib_cell_ids *ids, uint64_t raw_frame, int64_t *id);

#endif
