/*
 * calibrated.h - a calibrated dataset, set up for computing its chunks: the plain structure.
 *
 * Everything that does not change from chunk to chunk: the checked shape, the
 * opened sources, the frame selection. Filled in by setup.c and legacy.c, kept by kept.c.
 */
#ifndef H5CALIB_CALIBRATED_H
#define H5CALIB_CALIBRATED_H

#include "hdf5/data/cellids.h"
#include "hdf5/data/rawmap.h"

struct prepared;

/* What is noted of a frame while it is computed takes no more (jobs.c). */
#define H5CALIB_FRAME_BYTES 128

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
    size_t chunk_bytes;  /* of calibrated values */
    bool module_axis;    /* the dataset has one of length 1 before y, left out of these */
    h5calib_dtype dtype; /* of the calibrated values */

    h5calib_calibrator *calibrator;
    const h5calib_algorithm *algorithm;
    h5calib_source raw;
    h5calib_rawmap *map; /* where raw pixels lie in the file; NULL: only HDF5 can read them */
    h5calib_source constants[H5CALIB_MAX_CONSTANTS];
    char axes[H5CALIB_MAX_CONSTANTS][8];
    h5calib_cell_ids ids;
    /* Raw data that was never written is missing; has it such? */
    bool unwritten_is_missing;
    enum { H5CALIB_WRITTEN_NOT_LOOKED, H5CALIB_ALL_WRITTEN, H5CALIB_NOT_ALL_WRITTEN } written;
    uint64_t *frames; /* raw frame of each frame, or NULL */
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
    /* The open datasets that may read it, none of which has other chunks (readers.c). */
    hid_t *readers;
    size_t n_readers, readers_bytes;
    bool surveyed; /* all of the file were looked at */
    /* What is told before it goes away, by who remembers it (ahead.c); NULL: nobody does. */
    void (*going)(binding *b, const struct calibrated *c);
} calibrated;

#endif
