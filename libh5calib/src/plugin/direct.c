/*
 * direct.c - read a box of a calibrated dataset straight into an array.
 *
 * The same set-up and the same kernels as the filter, without HDF5's chunk cache
 * and its copies, and with frames of one memory cell side by side.
 */
#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "hdf5/dataset/constants.h"
#include "hdf5/dataset/kept.h"
#include "hdf5/dataset/readers.h"
#include "hdf5/file/identity.h"
#include "hdf5/library/errors.h"
#include "hdf5/work/ahead.h"
#include "hdf5/work/chunk.h"

/* Frames at a time: enough to find several of one cell, few enough to hold. */
#define SLAB_FRAMES 16384
/* Bytes of raw data at a time, where HDF5 has to read it. */
#define SLAB_RAW_BYTES ((size_t)16 << 20)

typedef struct selection {
    unsigned rank;
    const uint64_t *start, *count;
    char *out;
    size_t frame_step; /* bytes from one frame to the next in `out`; 0: without gaps */
    unsigned threads;
} selection;

/* The view of the very file the dataset is in: among byte copies its descriptor tells. */
static view *view_of(binding *b, hid_t file, const h5calib_descriptor *d, char *message,
                     size_t size)
{
    view *candidates[H5CALIB_MAX_CANDIDATES], *found = NULL;
    h5calib_wanted wanted = {.uuid = d->file_uuid};
    void *handle = NULL;
    h5calib_stamp stamp;
    int n = h5calib_identify(b, &wanted, candidates, message, size);
    bool known = n > 1 && b->api.H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0 && handle &&
                 h5calib_stamp_fd(*(int *)handle, &stamp);
    for (int i = 0; i < n; i++)
        if (n == 1 || (known && h5calib_same_file(&candidates[i]->stamp, &stamp)))
            found = candidates[i];
    for (int i = 0; i < n; i++)
        if (candidates[i] != found)
            h5calib_view_release(b, candidates[i]);
    if (n > 0 && !found)
        h5calib_say(
            message, size,
            "several open files carry the identity of this calibrated dataset, and which of "
            "them it is in cannot be told: close all but one");
    return found;
}

static bool words_of(binding *b, hid_t dataset, unsigned *words, size_t *n)
{
    unsigned flags;
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    *n = H5CALIB_MAX_WORDS;
    bool ok = plist >= 0 && b->api.H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, n, words,
                                                        0, NULL, NULL) >= 0;
    if (plist >= 0)
        b->api.H5Pclose(plist);
    return ok && *n > 0 && *n <= H5CALIB_MAX_WORDS;
}

/* How many frames of the selection from `first` on to do at a time. */
static uint64_t slab_of(const calibrated *c, const selection *s, uint64_t first)
{
    uint64_t n = s->count[0] - first;
    if (!c->map) {
        uint64_t bytes, most = 1;
        if (h5calib_product(s->count + 1, (int)s->rank - 1, 2 * c->raw.element, SLAB_RAW_BYTES,
                            &bytes))
            most = bytes ? SLAB_RAW_BYTES / bytes : n;
        n = n < most ? n : most;
    }
    n = n < SLAB_FRAMES ? n : SLAB_FRAMES;
    return c->rank > 2 ? h5calib_constants_fit(c, first + s->start[0], n) : s->count[0];
}

/* The selection without the axis for the module, which the set-up dataset leaves out. */
static bool drop_module_axis(const calibrated *c, selection *s, uint64_t *start, uint64_t *count,
                             char *message, size_t size)
{
    if (!c->module_axis || s->rank != (unsigned)c->rank + 1)
        return true;
    const unsigned at = s->rank - 3;
    if (s->start[at] != 0 || s->count[at] != 1) {
        h5calib_say(message, size, "the selection lies outside the dataset");
        return false;
    }
    for (unsigned i = 0, k = 0; i < s->rank; i++) {
        if (i == at)
            continue;
        start[k] = s->start[i];
        count[k++] = s->count[i];
    }
    s->start = start;
    s->count = count;
    s->rank--;
    return true;
}

static bool compute_selection(binding *b, calibrated *c, const selection *s, char *message,
                              size_t size)
{
    uint64_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK], n;
    h5calib_box at;
    size_t bytes = h5calib_dtype_size(c->dtype);
    /* before anything is taken for the number of a frame */
    if (!h5calib_box_of_selection(c, s->start, s->count, &at)) {
        h5calib_say(message, size, "the selection lies outside the dataset");
        return false;
    }
    for (unsigned i = 0; i < s->rank; i++) {
        start[i] = s->start[i];
        count[i] = s->count[i];
        bytes *= i > 0 ? (size_t)s->count[i] : 1;
    }
    const size_t step = s->frame_step ? s->frame_step : bytes;
    h5calib_ahead_stop(b);
    for (uint64_t i = 0; i < s->count[0]; i += n) {
        n = slab_of(c, s, i);
        start[0] = s->start[0] + i;
        count[0] = n;
        h5calib_box_of_selection(c, start, count, &at);
        if (h5calib_calibrator_whole_frame(c->calibrator) &&
            at.rows * at.columns != c->dims[c->rank - 2] * c->dims[c->rank - 1]) {
            h5calib_say(message, size, "this dataset is computed in whole frames, not in parts");
            return false;
        }
        at.frame_step = c->rank == 3 ? s->frame_step : 0;
        at.stream = s->count[0] * bytes >= H5CALIB_STREAM_BYTES;
        if (!h5calib_box_compute(b, c, &at, NULL, s->out + (size_t)i * step, s->threads, message,
                                 size))
            return false;
    }
    return true;
}

static bool read_direct(binding *b, hid_t dataset, selection *s, char *message, size_t size)
{
    uint64_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    unsigned words[H5CALIB_MAX_WORDS];
    size_t n;
    h5calib_descriptor d;
    if (!words_of(b, dataset, words, &n)) {
        h5calib_say(message, size,
                    "the dataset is not a calibrated one of format version 1 or newer");
        return false;
    }
    if (!h5calib_descriptor_parse(words, n, &d, message, size) ||
        !h5calib_process_look(b, message, size))
        return false;
    hid_t file = b->api.H5Iget_file_id(dataset);
    view *v = file >= 0 ? view_of(b, file, &d, message, size) : NULL;
    calibrated *c = v ? h5calib_calibrated_open(b, v, &d, words, n, message, size) : NULL;
    bool ok = c && h5calib_reader_fits(b, c, dataset, message, size) &&
              drop_module_axis(c, s, start, count, message, size);
    if (ok && s->rank != (unsigned)c->rank) {
        h5calib_say(message, size, "the selection has %u axes, the dataset %d", s->rank,
                    c->rank + c->module_axis);
        ok = false;
    }
    ok = ok && compute_selection(b, c, s, message, size);
    if (c)
        h5calib_calibrated_release(b, c);
    h5calib_view_release(b, v);
    if (file >= 0)
        b->api.H5Fclose(file);
    return ok;
}

/* ---- one order of locks ------------------------------------------------------------------------
 */

typedef struct direct_call {
    binding *b;
    hid_t dataset;
    selection *s;
    char *message;
    size_t size;
    bool ok;
} direct_call;

static herr_t locked(hid_t list, const char *name, void *data)
{
    direct_call *call = data;
    binding *b = call->b;
    h5calib_quiet quiet;
    (void)list, (void)name;
    h5calib_mutex_lock(&b->lock);
    h5calib_quiet_begin(b, &quiet);
    b->depth++;
    call->ok = read_direct(b, call->dataset, call->s, call->message, call->size);
    b->depth--;
    h5calib_quiet_end(b, &quiet);
    h5calib_mutex_unlock(&b->lock);
    return 1; /* no other property */
}

/* A thread-safe HDF5 has a lock of its own, and holds it when it calls the filter, which then takes
 * ours. So here, too, HDF5's comes first: it is held while HDF5 goes through the properties of some
 * list, of which the first will do. */
static void within_hdf5(direct_call *call)
{
    const h5 *api = &call->b->api;
    int at = 0;
    const hid_t list = api->H5Dget_create_plist(call->dataset);
    h5calib_say(call->message, call->size, "this is no open dataset of HDF5");
    if (list < 0)
        return;
    api->H5Piterate(list, &at, locked, call);
    api->H5Pclose(list);
}

H5CALIB_API int h5calib_plugin_read(void *function, int64_t dataset, unsigned rank,
                                    const uint64_t *start, const uint64_t *count, void *out,
                                    uint64_t frame_step, unsigned threads, void *(*save)(void),
                                    void (*restore)(void *), char *message, size_t message_size);

/*
 * Read the box [start, start + count) of a calibrated dataset into `out`.
 *
 * function    any function of the libhdf5 that `dataset` belongs to
 * out         C order, the dtype of the dataset; frame_step bytes from one frame to the
 *             next where the dataset has one frame axis, 0: without gaps
 * threads     0: as many as the filter would use
 * save        called before, and `restore` with its result after: to let other threads
 *             of an interpreter run; both may be NULL. The caller keeps whatever lock
 *             keeps others out of that libhdf5.
 * Returns 0, or 1 with a message.
 */
int h5calib_plugin_read(void *function, int64_t dataset, unsigned rank, const uint64_t *start,
                        const uint64_t *count, void *out, uint64_t frame_step, unsigned threads,
                        void *(*save)(void), void (*restore)(void *), char *message,
                        size_t message_size)
{
    selection s = {.rank = rank,
                   .start = start,
                   .count = count,
                   .out = out,
                   .frame_step = (size_t)frame_step,
                   .threads = threads ? threads : h5calib_team_threads()};
    binding *b = h5calib_bind(function, message, message_size);
    if (!b || b->guest || rank == 0 || rank > H5CALIB_MAX_RANK) {
        if (b)
            h5calib_say(message, message_size, "this libhdf5 or this rank cannot be read directly");
        return 1;
    }
    direct_call call = {b, dataset, &s, message, message_size, false};
    void *state = save ? save() : NULL;
    within_hdf5(&call);
    if (restore)
        restore(state);
    return call.ok ? 0 : 1;
}
