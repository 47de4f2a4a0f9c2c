/*
 * pixels.h - raw pixels from the file, where a map tells where they lie. No HDF5.
 */
#ifndef H5CALIB_PIXELS_H
#define H5CALIB_PIXELS_H

#include "core/bitshuffle.h"
#include "hdf5/data/rawmap.h"

/* Memory of one worker. */
typedef struct h5calib_scratch {
    char *pixels;
    size_t capacity;          /* of `pixels` */
    void *chunk;              /* the raw chunk read last, from malloc: decoded, or to be decoded */
    size_t chunk_capacity;    /* of one that is to be decoded */
    size_t number;            /* which */
    h5calib_bitshuffle parts; /* of one that is to be decoded in parts */
    size_t first, n;          /* its elements that `pixels` holds */
    bool in_place;            /* raw pixels may be looked at where they are (inplace.h) */
    bool all_around;          /* much of the file is asked for (inplace.h) */
    h5calib_window *window;   /* that is being looked at */
} h5calib_scratch;
void h5calib_scratch_free(h5calib_scratch *scratch);

/* Pixels [pixel, pixel + n) of a resolved raw frame, in `scratch` or where the system keeps the
 * file; NULL on failure. The second values of H5CALIB_RAW_FIRST lie `*plane` bytes behind the
 * first. No HDF5. */
const char *h5calib_pixels_get(const h5calib_rawmap *map, uint64_t frame, size_t pixel, size_t n,
                               h5calib_scratch *scratch, size_t *plane);
/* The same of some frames, at most H5CALIB_MOST_FRAMES, where the system keeps the file, as long as
 * its windows are held; NULL: read them. */
void h5calib_pixels_look(const h5calib_rawmap *map, const uint64_t *frames, size_t count,
                         size_t pixel, size_t n, bool all_around, const char **raw, size_t *plane,
                         h5calib_window **windows);
/* They were looked at; false: they may never have been in the file, and are to be read. */
bool h5calib_pixels_done(h5calib_scratch *scratch);

#endif
