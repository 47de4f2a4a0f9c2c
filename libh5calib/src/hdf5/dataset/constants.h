/*
 * constants.h - prepared constants, cell by cell, in a bounded cache.
 *
 * Only the memory cells a read needs are loaded. The cache belongs to a
 * binding and is bounded in bytes (H5CALIB_CACHE_BYTES, 1 GiB by default); the
 * cells used longest ago go first, and none while a chunk is computed.
 */
#ifndef H5CALIB_CONSTANTS_H
#define H5CALIB_CONSTANTS_H

#include "hdf5/dataset/calibrated.h"

/* The constants of one cell, loaded if need be. */
const h5calib_cell *h5calib_constants_get(binding *b, calibrated *c, uint32_t cell, char *message,
                                          size_t message_size);
/* How many of the frames [frame, frame + n) have constants that fit into the cache all
 * at once; at least 1. */
uint64_t h5calib_constants_fit(const calibrated *c, uint64_t frame, uint64_t n);
/* Cells (each once, none in memory) that are about to be asked for: loaded by several threads
 * where that can be done without HDF5. What is not loaded afterwards, h5calib_constants_get
 * loads, or says why it cannot. */
void h5calib_constants_load(binding *b, calibrated *c, const uint32_t *numbers, size_t n,
                            unsigned threads);
/* Can cells be read from their files without HDF5? Then c->constants_at tells where. */
bool h5calib_constants_lie_plainly(binding *b, calibrated *c);
/* If so: let the system begin to read them. */
void h5calib_constants_announce(const calibrated *c, uint32_t cell);
/* Bring the cache back to its bound: between chunks. */
void h5calib_constants_trim(binding *b);
/* Drop all cells of a dataset. */
void h5calib_constants_forget(binding *b, calibrated *c);

#endif
