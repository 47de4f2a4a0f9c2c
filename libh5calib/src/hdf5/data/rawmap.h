/*
 * rawmap.h - where raw pixels lie in their file.
 *
 * Raw data that is stored as it is (contiguous, or in chunks without filters,
 * in native byte order) needs no HDF5 to be read: an address and pread will do,
 * in any thread. Everything else is read by HDF5.
 */
#ifndef H5CALIB_RAWMAP_H
#define H5CALIB_RAWMAP_H

#include "hdf5/data/codec.h"
#include "hdf5/data/source.h"
#include "hdf5/system/inplace.h"

#define H5CALIB_UNKNOWN 0 /* there is the file's superblock */

/* A contiguous dataset counts as one chunk. */
typedef struct h5calib_rawmap {
    const h5calib_source *raw;
    h5calib_opened file; /* that of the source */
    h5calib_raw_layout layout;
    bool chunked;
    int lead;                        /* frame axes */
    hsize_t grid[H5CALIB_MAX_RANK];  /* chunks along each frame axis, then along the slow one */
    hsize_t chunk[H5CALIB_MAX_RANK]; /* frames of a chunk along each frame axis */
    hsize_t dims[H5CALIB_MAX_RANK];  /* raw frames along each frame axis */
    size_t chunk_rows, row_chunks;   /* rows of a chunk, chunks along the slow axis */
    struct h5calib_stored {
        uint64_t address; /* H5CALIB_UNKNOWN until asked for, and of a chunk that is not there */
        uint64_t bytes;
        unsigned mask;
    } *stored;              /* of each chunk */
    size_t n_stored, asked; /* chunks, and frames that were asked for before they were listed */
    enum { H5CALIB_CHUNKS_NOT_LISTED, H5CALIB_CHUNKS_LISTED, H5CALIB_CHUNKS_CANNOT_LIST } listed;
    h5calib_codec codecs[H5CALIB_MAX_CODECS];
    int n_codecs;
    bool parts; /* chunks are decoded by our own decoder, also in parts */
    size_t ny, nx, values, element;
    size_t chunk_bytes; /* of a whole chunk, decoded */
    bool planes;        /* the values of a pixel are in planes, not side by side */
} h5calib_rawmap;

/* The map of raw data with `lead` frame axes, calibrated in frames of the last two of `dims`; NULL
 * if HDF5 has to read it. `raw` must outlive it. */
h5calib_rawmap *h5calib_rawmap_create(binding *b, const h5calib_source *raw,
                                      h5calib_raw_layout layout, int lead, const hsize_t *dims);
void h5calib_rawmap_free(h5calib_rawmap *map);

/* So many frames are about to be asked for. */
void h5calib_rawmap_expect(binding *b, h5calib_rawmap *map, size_t frames);
/* Learn the addresses of rows [row, row + rows) of a raw frame. False if a part is
 * not allocated: then HDF5 has to read it (and gives the fill value). */
bool h5calib_rawmap_resolve(binding *b, const h5calib_rawmap *map, uint64_t frame, size_t row,
                            size_t rows);

/* Let the system begin to read a resolved raw frame. */
void h5calib_rawmap_announce(const h5calib_rawmap *map, uint64_t frame);

/* Are raw chunks compressed? Then runs are whole rows, and frames of one raw chunk (equal
 * numbers) are best done one after the other; as a whole, or also in parts. */
bool h5calib_rawmap_decodes(const h5calib_rawmap *map);
bool h5calib_rawmap_decodes_parts(const h5calib_rawmap *map);
size_t h5calib_rawmap_chunk(const h5calib_rawmap *map, uint64_t frame);
/* The chunk of a frame (of row 0; later rows follow) and the frame's place in it. */
size_t h5calib_rawmap_chunk_of(const h5calib_rawmap *map, uint64_t frame, size_t *within,
                               hsize_t *offset);

#endif
