/*
 * legacy.h - datasets of the first h5calib (format version 0).
 */
#ifndef H5CALIB_LEGACY_H
#define H5CALIB_LEGACY_H

#include "core/descriptor.h"
#include "hdf5/dataset/calibrated.h"

/* Fill a calibrated dataset from the header of one of its chunks. */
bool h5calib_set_up_legacy(binding *b, calibrated *c, const h5calib_legacy *l, char *message,
                           size_t message_size);

#endif
