/*
 * parts.h - the storage of a virtual dataset: files beyond its own.
 *
 * HDF5 takes a source that is missing, or that it cannot open, for fill values. So each is opened
 * here first: what is missing is an error, and HDF5 finds the rest open already, whatever locks
 * there are.
 */
#ifndef H5CALIB_PARTS_H
#define H5CALIB_PARTS_H

#include "hdf5/file/view.h"

typedef struct h5calib_parts {
    view **views; /* held, none of them that of the virtual dataset itself */
    size_t n;
    bool elsewhere; /* some lie in files that are not watched */
} h5calib_parts;

/* Open the files of a virtual dataset of `of`'s file. Their views count as held until they are
 * closed, and as used until their owner is set up. NULL with a message if one is missing. */
h5calib_parts *h5calib_parts_open(binding *b, view *of, hid_t dataset, char *message,
                                  size_t message_size);
/* Do the chunks of a dataset, if they are compressed, fit into what one call may take? HDF5
 * decodes them as a whole. */
bool h5calib_chunks_fit(binding *b, hid_t dataset, hid_t plist, char *message, size_t message_size);
/* NULL is none. */
void h5calib_parts_close(h5calib_parts *parts);

#endif
