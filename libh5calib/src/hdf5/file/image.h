/*
 * image.h - HDF5 reads a file that is in memory.
 */
#ifndef H5CALIB_IMAGE_H
#define H5CALIB_IMAGE_H

#include "hdf5/library/api.h"

/* A fresh file access property list, or a negative number. */
hid_t h5calib_new_access(binding *b);

/* Bytes that HDF5 neither copies nor frees; they stay where they are until the file is closed. */
typedef struct h5calib_image {
    void *bytes;
    size_t size;
} h5calib_image;

/* Open it under a name that no file has, in the folder of `path`. A negative number: it cannot be
 * opened. */
hid_t h5calib_open_image(binding *b, const char *path, h5calib_image *image);

#endif
