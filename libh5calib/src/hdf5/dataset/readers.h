/*
 * readers.h - which datasets may be waiting for a chunk.
 *
 * HDF5 does not tell which dataset it reads, nor compare what a filter returns with what it
 * expects: it copies a chunk of the dataset it reads from behind what is too short. Another
 * dataset may carry the same filter parameters, by a damaged file or one made to harm.
 */
#ifndef H5CALIB_READERS_H
#define H5CALIB_READERS_H

#include "hdf5/dataset/calibrated.h"

/* Do all datasets that may be read now, with these filter parameters, have chunks like those of
 * `c`? For the first h5calib, whose datasets cannot be told apart, at least one; *bytes is what
 * the largest of them needs. */
bool h5calib_readers_fit(binding *b, calibrated *c, const unsigned *words, size_t n, size_t *bytes,
                         char *message, size_t message_size);
/* The same of a dataset that is known. */
bool h5calib_reader_fits(binding *b, const calibrated *c, hid_t dataset, char *message,
                         size_t message_size);

#endif
