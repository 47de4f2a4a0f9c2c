/*
 * box.h - a part of a calibrated dataset, and where its values go.
 */
#ifndef H5CALIB_BOX_H
#define H5CALIB_BOX_H

#include "hdf5/dataset/calibrated.h"

/* A box of the dataset, and the shape of the array its values go to. */
typedef struct h5calib_box {
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    hsize_t extent[H5CALIB_MAX_RANK]; /* of the output; the box lies at its beginning */
    size_t frame_step; /* bytes from one frame to the next in the output; 0: as `extent` says */
    size_t frames, rows, columns;
    bool clipped; /* the output is larger than the box: the rest is masked */
    bool stream;  /* the output is too large to be found in the caches again */
} h5calib_box;

/* A chunk; false if the dataset has no such chunk. */
bool h5calib_box_of_chunk(const calibrated *c, uint64_t number, h5calib_box *out);
/* Any box inside the dataset, into an array of its own shape; false if it is not inside. */
bool h5calib_box_of_selection(const calibrated *c, const uint64_t *start, const uint64_t *count,
                              h5calib_box *out);

#endif
