/*
 * parts.h - the storage of a source beyond its own file.
 */
#ifndef H5CALIB_PARTS_H
#define H5CALIB_PARTS_H

#include "hdf5/data/source.h"

/* Look at the storage of an opened source; open the files of a virtual one. */
bool h5calib_parts_open(binding *b, h5calib_source *s, char *message, size_t message_size);
void h5calib_parts_close(h5calib_source *s);

/* A file name in a link or a mapping of `owner`'s file, as a path. */
void h5calib_resolve(const view *owner, const char *file, char *out, size_t size);

#endif
