/*
 * fingerprint.h - is data in another file still what the dataset was made with?
 *
 * A view that is moved may find other files of the same names and shapes where its
 * links lead. So the type, shape and a few samples of such data are recorded when the
 * dataset is created (docs/file-format.md) and compared whenever it is set up.
 */
#ifndef H5CALIB_FINGERPRINT_H
#define H5CALIB_FINGERPRINT_H

#include "hdf5/data/source.h"

/* True where `group` has no fingerprint of `name`, or the source has that fingerprint.
 * A source that may grow may have more than was recorded along its first axis. */
bool h5calib_fingerprint_fits(binding *b, hid_t group, const char *name,
                              const h5calib_source *source, bool may_grow, char *message,
                              size_t message_size);

#endif
