/*
 * filter.h - the three callbacks HDF5 calls.
 */
#ifndef H5CALIB_FILTER_H
#define H5CALIB_FILTER_H

#include "hdf5/library/h5abi.h"

htri_t h5calib_can_apply(hid_t dcpl, hid_t type, hid_t space);
herr_t h5calib_set_local(hid_t dcpl, hid_t type, hid_t space);
size_t h5calib_filter(unsigned flags, size_t cd_nelmts, const unsigned cd_values[], size_t nbytes,
                      size_t *buf_size, void **buf);

#endif
