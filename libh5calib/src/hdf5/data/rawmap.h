/*
 * rawmap.h - where raw pixels lie in their file.
 *
 * Raw data that is stored as it is (contiguous, or in chunks without filters,
 * in native byte order) needs no HDF5 to be read: an address and pread will do,
 * in any thread. Everything else is read by HDF5.
 */
#ifndef H5CALIB_RAWMAP_H
#define H5CALIB_RAWMAP_H

#include "core/bitshuffle.h"
#include "hdf5/data/source.h"
#include "hdf5/system/inplace.h"

/* The map of raw data with `lead` frame axes, calibrated in frames of the last two of `dims`; NULL
 * if HDF5 has to read it. `raw` must outlive it. */
struct rawmap *h5calib_rawmap_create(binding *b, const h5calib_source *raw,
                                     h5calib_raw_layout layout, int lead, const hsize_t *dims);
void h5calib_rawmap_free(struct rawmap *map);

/* So many frames are about to be asked for. */
void h5calib_rawmap_expect(binding *b, struct rawmap *map, size_t frames);
/* Learn the addresses of rows [row, row + rows) of a raw frame. False if a part is
 * not allocated: then HDF5 has to read it (and gives the fill value). */
bool h5calib_rawmap_resolve(binding *b, const struct rawmap *map, uint64_t frame, size_t row,
                            size_t rows);

/* Let the system begin to read a resolved raw frame. */
void h5calib_rawmap_announce(const struct rawmap *map, uint64_t frame);

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

/* Are raw chunks compressed? Then runs are whole rows, and frames of one raw chunk (equal
 * numbers) are best done one after the other; as a whole, or also in parts. */
bool h5calib_rawmap_decodes(const struct rawmap *map);
bool h5calib_rawmap_decodes_parts(const struct rawmap *map);
size_t h5calib_rawmap_chunk(const struct rawmap *map, uint64_t frame);

/* Pixels [pixel, pixel + n) of a resolved raw frame, in `scratch` or where the system keeps the
 * file; NULL on failure. The second values of H5CALIB_RAW_FIRST lie `*plane` bytes behind the
 * first. No HDF5. */
const char *h5calib_rawmap_get(const struct rawmap *map, uint64_t frame, size_t pixel, size_t n,
                               h5calib_scratch *scratch, size_t *plane);
/* The same of some frames, at most H5CALIB_MOST_FRAMES, where the system keeps the file, as long as
 * its windows are held; NULL: read them. */
void h5calib_rawmap_look(const struct rawmap *map, const uint64_t *frames, size_t count,
                         size_t pixel, size_t n, bool all_around, const char **raw, size_t *plane,
                         h5calib_window **windows);
/* They were looked at; false: they may never have been in the file, and are to be read. */
bool h5calib_rawmap_done(h5calib_scratch *scratch);

#endif
