/*
 * rawmap.h - where raw pixels lie in their file.
 *
 * Raw data that is stored as it is (contiguous, or in chunks without filters,
 * in native byte order) needs no HDF5 to be read: an address and pread will do,
 * in any thread. Everything else is read by HDF5.
 */
#ifndef H5CALIB_RAWMAP_H
#define H5CALIB_RAWMAP_H

#include "calibrated.h"

/* Set c->map if the raw data allows it. */
void h5calib_rawmap_set_up(binding *b, calibrated *c);
void h5calib_rawmap_free(struct rawmap *map);

/* Learn the addresses of rows [row, row + rows) of a raw frame. False if a part is
 * not allocated: then HDF5 has to read it (and gives the fill value). */
bool h5calib_rawmap_resolve(binding *b, const calibrated *c, uint64_t frame, size_t row,
                            size_t rows);

/* Read pixels [pixel, pixel + n) of a resolved raw frame: the values of one pixel are
 * at out and out + n elements (H5CALIB_RAW_FIRST), or side by side. No HDF5. */
bool h5calib_rawmap_read(const calibrated *c, uint64_t frame, size_t pixel, size_t n, char *out);

#endif
