/*
 * limits.h - does all that a dataset's chunks take stay within bounds?
 */
#ifndef H5CALIB_LIMITS_H
#define H5CALIB_LIMITS_H

#include "hdf5/dataset/calibrated.h"

/* Is what a chunk takes within bounds? Once shape, type and raw data are known; sets
 * c->chunk_bytes. Then, once all constants are: what those of a memory cell take. */
bool h5calib_check_chunk(calibrated *c, char *message, size_t message_size);
bool h5calib_check_constants(const calibrated *c, char *message, size_t message_size);

#endif
