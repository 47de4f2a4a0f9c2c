/*
 * kept.h - calibrated datasets, kept with the view of their file between calls.
 *
 * Until one of the files they rest on changes.
 */
#ifndef H5CALIB_KEPT_H
#define H5CALIB_KEPT_H

#include "core/descriptor.h"
#include "hdf5/dataset/calibrated.h"

/* The dataset that the filter parameters (n words) belong to, from the view of
 * its file. Counts as used until released. */
calibrated *h5calib_calibrated_open(binding *b, view *v, const h5calib_descriptor *d,
                                    const unsigned *words, size_t n, char *message,
                                    size_t message_size);
/* The same for a chunk of the first h5calib. */
calibrated *h5calib_calibrated_open_legacy(binding *b, view *v, const h5calib_legacy *l,
                                           char *message, size_t message_size);
void h5calib_calibrated_release(binding *b, calibrated *c);

#endif
