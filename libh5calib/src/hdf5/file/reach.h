/*
 * reach.h - from a file to others that it names, and back to them later.
 *
 * The one place where a file is opened: only after it was asked who in this process writes it.
 */
#ifndef H5CALIB_REACH_H
#define H5CALIB_REACH_H

#include "hdf5/file/process.h"

/* A file name in a link or a mapping of `owner`'s file, as a path, to be freed. NULL with a message
 * where the owner has no folder that a name could begin in. */
char *h5calib_resolve(const view *owner, const char *file, char *message, size_t message_size);

/* May the owner's file lead to that one (H5CALIB_EXTERNAL)? NULL: to storage in files that are not
 * opened by us. */
bool h5calib_may_reach(const view *owner, const char *path, char *message, size_t message_size);

/* The view of the file at `path` (`expect`: which has to be that one, or NULL), written out if
 * this process is writing it; counts as used. *unknown: somebody writes it whom we cannot ask. */
view *h5calib_reach(binding *b, const char *path, const h5calib_stamp *expect, bool *unknown,
                    char *message, size_t message_size);
/* Is a view what it was, and can its file not have changed otherwise? */
bool h5calib_reach_unchanged(binding *b, const view *v, bool *unknown, char *message,
                             size_t message_size);

#endif
