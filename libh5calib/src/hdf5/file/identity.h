/*
 * identity.h - which file is being read.
 *
 * Known is the UUID in the filter parameters (or the magic number of the first
 * h5calib). The file is the one open file that carries it. If several do
 * (byte copies), all are returned, and the caller has to show that the answer
 * does not depend on which of them it is.
 */
#ifndef H5CALIB_IDENTITY_H
#define H5CALIB_IDENTITY_H

#include "hdf5/file/process.h"

#define H5CALIB_MAX_CANDIDATES 16

typedef struct h5calib_wanted {
    const uint8_t *uuid; /* 16 bytes, or NULL: look for the magic */
    uint32_t magic;
} h5calib_wanted;

/* Views of all open files with that identity; each counts as used. Returns how
 * many, or -1 with a message; none is an error too. */
int h5calib_identify(binding *b, const h5calib_wanted *wanted,
                     view *candidates[H5CALIB_MAX_CANDIDATES], char *message, size_t message_size);

/* Does this very file carry it? */
bool h5calib_view_has(binding *b, const view *v, const h5calib_wanted *wanted);

#endif
