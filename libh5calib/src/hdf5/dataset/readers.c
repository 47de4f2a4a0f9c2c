/*
 * readers.c - which datasets may be waiting for a chunk.
 *
 * The dataset being read is open in the caller's library, under an id, but where it is the source
 * of a virtual one, or the library is not the one that serves us. Then all datasets of the file
 * are looked at, which takes long in a large file.
 */
#include "hdf5/dataset/readers.h"

#include <stdlib.h>
#include <string.h>

#include "core/descriptor.h"
#include "core/sizes.h"
#include "hdf5/library/survey.h"
#include "hdf5/system/policy.h"

/* So many open datasets are not looked at one by one. */
#define MOST_IDS 4096

typedef struct readers {
    const calibrated *c;
    const unsigned *words;
    size_t n;
    unsigned alike, other; /* datasets with these words */
    uint64_t bytes;        /* the largest chunk of any */
} readers;

/* ---- one dataset ----------------------------------------------------------------------- */

static uint64_t chunk_bytes_of(binding *b, hid_t plist, size_t element)
{
    enum { MOST_RANK = 32 };
    hsize_t chunk[MOST_RANK];
    uint64_t bytes;
    const int rank = b->api.H5Pget_chunk(plist, MOST_RANK, chunk);
    if (rank < 0 || rank > MOST_RANK ||
        !h5calib_product(chunk, rank, element, H5CALIB_MOST_BYTES, &bytes))
        return UINT64_MAX;
    return bytes;
}

static void compare_chunks(binding *b, readers *r, hid_t dataset, hid_t plist)
{
    h5calib_source s = {.dataset = dataset};
    const bool numbers = h5calib_source_type(b, &s);
    const uint64_t bytes = chunk_bytes_of(b, plist, s.element);
    b->api.H5Tclose(s.memory_type);
    if (numbers && s.dtype == r->c->dtype && bytes == r->c->chunk_bytes)
        r->alike++;
    else
        r->other++;
    r->bytes = bytes > r->bytes ? bytes : r->bytes;
}

static void look_at_chunks(binding *b, hid_t dataset, hid_t plist, const unsigned *words, size_t n,
                           void *data)
{
    readers *r = data;
    if (n == r->n && (n == 0 || memcmp(words, r->words, n * sizeof *words) == 0))
        compare_chunks(b, r, dataset, plist);
}

static bool look_at_dataset(binding *b, readers *r, hid_t dataset, bool *is_virtual)
{
    const h5 *api = &b->api;
    unsigned flags, words[H5CALIB_MAX_WORDS];
    size_t n = H5CALIB_MAX_WORDS;
    hid_t plist = api->H5Dget_create_plist(dataset);
    if (plist < 0)
        return false;
    const int layout = api->H5Pget_layout(plist);
    *is_virtual = layout == H5D_VIRTUAL;
    if (layout == H5D_CHUNKED && api->H5Pget_nfilters(plist) > 0 &&
        api->H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, &n, words, 0, NULL, NULL) >=
            0 &&
        n <= H5CALIB_MAX_WORDS)
        look_at_chunks(b, dataset, plist, words, n, r);
    api->H5Pclose(plist);
    return true;
}

/* ---- those that are open ----------------------------------------------------------------- */

static bool has_source(const calibrated *c, hid_t dataset)
{
    bool found = c->raw.dataset == dataset || c->ids.source.dataset == dataset;
    for (int k = 0; k < H5CALIB_MAX_CONSTANTS; k++)
        found = found || c->constants[k].dataset == dataset;
    return found;
}

static bool is_ours(const binding *b, hid_t dataset)
{
    for (const view *v = b->views; v; v = v->next)
        for (const calibrated *c = v->calibrated; c; c = c->next)
            if (has_source(c, dataset))
                return true;
    return false;
}

/* False: the one being read may be another, or there are too many. */
static bool look_at_ids(binding *b, readers *r, const hid_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_virtual = false;
        if (!look_at_dataset(b, r, ids[i], &is_virtual) || (is_virtual && !is_ours(b, ids[i])))
            return false;
    }
    return r->alike + r->other > 0;
}

static bool same_ids(const calibrated *c, const hid_t *ids, size_t n)
{
    return c->readers && c->n_readers == n && memcmp(c->readers, ids, n * sizeof *ids) == 0;
}

/* All that are open, in *ids, from malloc; how many, or 0 where they are not to be looked at. */
static size_t open_datasets(binding *b, hid_t **ids)
{
    const h5_ssize_t n = b->guest ? 0 : b->api.H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_DATASET);
    *ids = n > 0 && n <= MOST_IDS ? malloc((size_t)n * sizeof **ids) : NULL;
    const h5_ssize_t got =
        *ids ? b->api.H5Fget_obj_ids(H5F_OBJ_ALL, H5F_OBJ_DATASET, (size_t)n, *ids) : 0;
    return got > 0 ? (size_t)got : 0;
}

/* ---- may they have this chunk? ------------------------------------------------------------- */

static bool accept(const readers *r, size_t *bytes, char *message, size_t size)
{
    const bool fits = r->n > 0 ? r->other == 0 : r->alike > 0;
    if (!fits) {
        h5calib_say(message, size,
                    "a dataset with the filter parameters of a calibrated dataset in '%s' has "
                    "chunks of another size or type: one of them is a forgery, or damaged",
                    r->c->home->path);
        return false;
    }
    *bytes = r->c->chunk_bytes;
    if (r->alike == 0 || r->bytes <= r->c->chunk_bytes)
        return true;
    *bytes = (size_t)r->bytes;
    return h5calib_within_bound("a chunk of a dataset of the first h5calib", r->bytes, message,
                                size);
}

bool h5calib_reader_fits(binding *b, const calibrated *c, hid_t dataset, char *message, size_t size)
{
    readers r = {.c = c, .n = 1};
    size_t bytes;
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    if (plist < 0)
        return false;
    compare_chunks(b, &r, dataset, plist);
    b->api.H5Pclose(plist);
    return accept(&r, &bytes, message, size);
}

bool h5calib_readers_fit(binding *b, calibrated *c, const unsigned *words, size_t n, size_t *bytes,
                         char *message, size_t size)
{
    const h5calib_source *nested = h5calib_source_reading();
    readers r = {.c = c, .words = words, .n = n};
    bool is_virtual;
    hid_t *ids = NULL;
    *bytes = c->readers_bytes;
    if (nested && nested->calibrated) /* we are reading, and know what */
        return look_at_dataset(b, &r, nested->dataset, &is_virtual) &&
               accept(&r, bytes, message, size);
    const size_t n_ids = nested ? 0 : open_datasets(b, &ids);
    if (n_ids > 0 ? same_ids(c, ids, n_ids) : c->surveyed) {
        free(ids);
        return true;
    }
    const bool known = look_at_ids(b, &r, ids, n_ids);
    if (!known)
        h5calib_survey(b, c->home->file, look_at_chunks, &r);
    const bool ok = accept(&r, bytes, message, size);
    free(c->readers);
    c->readers = ok ? ids : NULL;
    c->n_readers = n_ids;
    c->readers_bytes = *bytes;
    c->surveyed = ok && !known;
    if (!ok)
        free(ids);
    return ok;
}
