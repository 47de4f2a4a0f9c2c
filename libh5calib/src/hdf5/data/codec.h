/*
 * codec.h - decode compressed raw chunks outside HDF5.
 *
 * HDF5 decodes one chunk at a time. The plugins that do it for HDF5 are plain
 * functions; those known to keep no state are called directly, so that helpers
 * can decode several chunks at once. All others are left to HDF5.
 */
#ifndef H5CALIB_CODEC_H
#define H5CALIB_CODEC_H

#include "hdf5/library/api.h"

#define H5CALIB_MAX_CODECS 4
#define H5CALIB_MAX_CODEC_VALUES 32

typedef struct h5calib_codec {
    h5_filter_func decode;
    size_t n_values;
    unsigned values[H5CALIB_MAX_CODEC_VALUES];
} h5calib_codec;

/* Is a dataset of so large elements compressed by bitshuffle with LZ4 and nothing else? That is
 * decoded by ../bitshuffle.h. */
bool h5calib_codecs_bitshuffle_lz4(binding *b, hid_t plist, size_t element);

/* The filters of a dataset, in the order they were applied; false if one of them has to
 * be left to HDF5. The dataset must have been read once, so that they are loaded. */
bool h5calib_codecs_find(binding *b, hid_t plist, h5calib_codec codecs[H5CALIB_MAX_CODECS], int *n);

/* Decode a stored chunk: `*data` (from malloc) is replaced. False unless exactly `bytes`
 * bytes come out. mask: bit i set, filter i was not applied. */
bool h5calib_codecs_decode(const h5calib_codec *codecs, int n, unsigned mask, void **data,
                           size_t stored, size_t bytes);

#endif
