/*
 * source.h - datasets the calibration is computed from, opened privately.
 */
#ifndef H5CALIB_SOURCE_H
#define H5CALIB_SOURCE_H

#include "core/core.h"
#include "hdf5/data/parts.h"
#include "hdf5/file/view.h"

#define H5CALIB_MAX_RANK 8

typedef struct h5calib_source {
    view *view; /* NULL: this source is not open */
    bool held;  /* another view than its owner's, kept open by this source */
    hid_t dataset;
    hid_t memory_type; /* as stored, in native byte order */
    h5calib_dtype dtype;
    size_t element; /* bytes */
    int rank;
    hsize_t dims[H5CALIB_MAX_RANK];
    uint64_t bytes;       /* of all its elements: checked, so no part of it wraps */
    bool calibrated;      /* itself computed by this filter */
    bool elsewhere;       /* its bytes lie in files that are not watched (external storage) */
    h5calib_parts *parts; /* of a virtual dataset: its sources' files */
    bool pinned;          /* its view is counted as used while the owner is set up */
} h5calib_source;

/* Open what the link `name` in `group` of `owner` leads to. `what` is its name in
 * messages ("raw dataset"). External links are followed here, not by HDF5. */
bool h5calib_source_open(binding *b, view *owner, hid_t group, const char *name, const char *what,
                         h5calib_source *out, char *message, size_t message_size);
/* Its owner is set up and counts its views itself from now on. */
void h5calib_source_unpin(binding *b, h5calib_source *source);
/* The views a source rests on: its file's, then those of its parts; NULL at the end. */
view *h5calib_source_view(const h5calib_source *source, size_t i);
void h5calib_source_close(binding *b, h5calib_source *source);

/* Set memory_type, dtype and element of a source whose `dataset` is open; false if
 * it does not hold numbers. memory_type is to be closed in either case. */
bool h5calib_source_type(binding *b, h5calib_source *source);

/* Do the numbers lie in the file as they are in memory, so that its descriptor gives them? */
bool h5calib_plain_storage(binding *b, const h5calib_source *source);

/* Read a box into a contiguous buffer, native byte order. */
bool h5calib_source_read(binding *b, const h5calib_source *source, const hsize_t *start,
                         const hsize_t *count, void *buffer, char *message, size_t message_size);

/* A fixed-length text attribute; false if it is not there, is none, or does not fit. */
bool h5calib_read_text(binding *b, hid_t group, const char *name, char *out, size_t out_size);

/* The source being read right now by this thread, for a filter call nested in it,
 * and that call's way to say why it failed: HDF5 would lose the reason. */
const h5calib_source *h5calib_source_reading(void);
void h5calib_source_failed(const char *message);

#endif
