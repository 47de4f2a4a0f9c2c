/*
 * codec.c - decode compressed raw chunks outside HDF5.
 */
#include "hdf5/data/codec.h"

#include <stdlib.h>
#include <string.h>

#include "core/bitshuffle.h"

/* Registered filter ids whose plugins keep no state between calls. */
static const int known[] = {
    32004, /* LZ4 */
    32008, /* bitshuffle, with LZ4 or Zstandard */
    32015, /* Zstandard */
};

static bool is_known(int id)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == id)
            return true;
    return false;
}

bool h5calib_codecs_bitshuffle_lz4(binding *b, hid_t plist, size_t element)
{
    enum { BITSHUFFLE = 32008, ELEMENT = 2, BLOCK = 3, COMPRESSION = 4, LZ4 = 2 };
    unsigned flags, config, values[H5CALIB_MAX_CODEC_VALUES] = {0};
    size_t n = H5CALIB_MAX_CODEC_VALUES;
    return b->api.H5Pget_nfilters(plist) == 1 &&
           b->api.H5Pget_filter2(plist, 0, &flags, &n, values, 0, NULL, &config) == BITSHUFFLE &&
           n > COMPRESSION && n <= H5CALIB_MAX_CODEC_VALUES && values[ELEMENT] == element &&
           values[COMPRESSION] == LZ4 && values[BLOCK] <= H5CALIB_BITSHUFFLE_MOST / element;
}

typedef struct plugin_search {
    int id;
    const h5_filter_class *found;
} plugin_search;

static bool offers_filter(void *symbol, void *data)
{
    plugin_search *search = data;
    const void *(*plugin_info)(void);
    memcpy(&plugin_info, &symbol, sizeof plugin_info);
    search->found = plugin_info();
    return search->found && search->found->version == H5Z_CLASS_T_VERS &&
           search->found->id == search->id;
}

bool h5calib_codecs_find(binding *b, hid_t plist, h5calib_codec codecs[H5CALIB_MAX_CODECS], int *n)
{
    *n = b->api.H5Pget_nfilters(plist);
    if (*n < 1 || *n > H5CALIB_MAX_CODECS)
        return false;
    for (int i = 0; i < *n; i++) {
        h5calib_codec *codec = &codecs[i];
        unsigned flags, config;
        codec->n_values = H5CALIB_MAX_CODEC_VALUES;
        int id = b->api.H5Pget_filter2(plist, (unsigned)i, &flags, &codec->n_values, codec->values,
                                       0, NULL, &config);
        if (!is_known(id) || codec->n_values > H5CALIB_MAX_CODEC_VALUES)
            return false;
        plugin_search search = {.id = id};
        h5calib_module module;
        if (!h5calib_module_search("H5PLget_plugin_info", offers_filter, &search, &module))
            return false;
        codec->decode = search.found->filter;
    }
    return true;
}

bool h5calib_codecs_decode(const h5calib_codec *codecs, int n, unsigned mask, void **data,
                           size_t stored, size_t bytes)
{
    size_t capacity = stored;
    for (int i = n - 1; i >= 0; i--) {
        if (mask >> i & 1)
            continue;
        stored = codecs[i].decode(H5Z_FLAG_REVERSE, codecs[i].n_values, codecs[i].values, stored,
                                  &capacity, data);
        if (stored == 0)
            return false;
    }
    return stored == bytes;
}
