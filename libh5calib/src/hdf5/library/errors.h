/*
 * errors.h - messages on HDF5's error stack.
 */
#ifndef H5CALIB_ERRORS_H
#define H5CALIB_ERRORS_H

#include "hdf5/library/api.h"

#define H5CALIB_MESSAGE_SIZE 1024

/* What is in force while the plugin calls HDF5: HDF5 must print nothing. */
typedef struct h5calib_quiet {
    h5_error_func function;
    void *data;
} h5calib_quiet;

void h5calib_quiet_begin(const binding *b, h5calib_quiet *saved);
void h5calib_quiet_end(const binding *b, const h5calib_quiet *saved);

/* Put a message on the error stack, so that it is the reason the user reads.
 * A guest's stack is not its caller's: nothing can be said there. */
void h5calib_push_error(binding *b, const char *message);

#endif
