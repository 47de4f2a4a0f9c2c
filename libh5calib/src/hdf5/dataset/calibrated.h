/*
 * calibrated.h - a calibrated dataset, set up for computing its chunks.
 *
 * Everything that does not change from chunk to chunk: the checked shape, the
 * opened sources, the frame selection. Kept with the view of its file until
 * one of the files it rests on changes.
 */
#ifndef H5CALIB_CALIBRATED_H
#define H5CALIB_CALIBRATED_H

#include "core/descriptor.h"
#include "hdf5/data/source.h"

struct prepared;
struct rawmap;

typedef struct calibrated {
    struct calibrated *next; /* of the same view */
    view *home;
    int uses;
    uint8_t uuid[16];
    uint32_t words_crc; /* of the filter parameters it was set up for */
    char legacy_raw[512], legacy_constants[512];
    uint32_t legacy_algorithm;

    int rank; /* frame axes, then y and x */
    hsize_t dims[H5CALIB_MAX_RANK], chunk[H5CALIB_MAX_RANK];
    bool module_axis;    /* the dataset has one of length 1 before y, left out of these */
    h5calib_dtype dtype; /* of the calibrated values */

    h5calib_calibrator *calibrator;
    const h5calib_algorithm *algorithm;
    h5calib_source raw;
    struct rawmap *map; /* where raw pixels lie in the file; NULL: only HDF5 can read them */
    h5calib_source constants[H5CALIB_MAX_CONSTANTS];
    char axes[H5CALIB_MAX_CONSTANTS][8];
    h5calib_source ids;                /* the memory cell of each raw frame, as stored */
    struct h5calib_cell_ids *cell_ids; /* as read (cellids.h), or NULL */
    uint64_t *frames;                  /* raw frame of each frame, or NULL */
    uint64_t n_frames, n_raw_frames;
    uint32_t n_cells;
    struct prepared **cells; /* n_cells, NULL where not in memory, see constants.c */
    /* Where each constant begins in its file, if all lie there plainly, cell after cell. */
    enum { H5CALIB_NOT_LOOKED, H5CALIB_PLAIN, H5CALIB_NOT_PLAIN } storage;
    uint64_t constants_at[H5CALIB_MAX_CONSTANTS];
    /* Constants can be prepared in strips of so many rows (0: only whole), see strips.h */
    bool strips_looked;
    size_t strip_rows;
    h5calib_calibrator *strip_calibrator;
    bool *met; /* n_cells: was a frame of it asked for before? */
} calibrated;

/* The dataset that the filter parameters (n words) belong to, from the view of
 * its file. Counts as used until released. */
calibrated *h5calib_calibrated_open(binding *b, view *v, const h5calib_descriptor *d,
                                    const unsigned *words, size_t n, char *message,
                                    size_t message_size);
/* The same for a chunk of the first h5calib. */
calibrated *h5calib_calibrated_open_legacy(binding *b, view *v, const h5calib_legacy *l,
                                           char *message, size_t message_size);
void h5calib_calibrated_release(binding *b, calibrated *c);

/* Bytes of a chunk of calibrated values. */
size_t h5calib_calibrated_chunk_bytes(const calibrated *c);

/* For views that are closed: free what rests on them. */
void h5calib_calibrated_free_all(binding *b, view *v);
void h5calib_calibrated_free_holders(binding *b, view *v);

#endif
