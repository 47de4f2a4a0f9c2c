/*
 * raw.h - raw data of a piece of work, where HDF5 has to read it.
 */
#ifndef H5CALIB_RAW_H
#define H5CALIB_RAW_H

#include "hdf5/work/jobs.h"

/* Bytes of the raw data of a frame of the box. */
size_t h5calib_raw_frame_bytes(const calibrated *c, const h5calib_box *at);
/* All of the box, and what of it was never written. */
bool h5calib_raw_read(binding *b, h5calib_work *w, char *message, size_t message_size);

#endif
