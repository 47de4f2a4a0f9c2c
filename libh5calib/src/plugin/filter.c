/*
 * filter.c - descriptor -> source -> kernel -> chunk.
 */
#include "plugin/filter.h"

#include <math.h>
#include <string.h>

#include "hdf5/dataset/kept.h"
#include "hdf5/dataset/readers.h"
#include "hdf5/file/identity.h"
#include "hdf5/library/errors.h"
#include "hdf5/library/survey.h"
#include "hdf5/work/ahead.h"

/* ---- creating: only h5calib may -------------------------------------------------------- */

static bool stored_words(binding *b, hid_t dcpl, unsigned *words, size_t *n)
{
    unsigned flags;
    *n = H5CALIB_MAX_WORDS;
    return b->api.H5Pget_filter_by_id2(dcpl, H5CALIB_FILTER_ID, &flags, n, words, 0, NULL, NULL) >=
               0 &&
           *n <= H5CALIB_MAX_WORDS;
}

static bool may_create(binding *b, hid_t dcpl, char *message, size_t size)
{
    unsigned words[H5CALIB_MAX_WORDS];
    size_t n;
    h5calib_descriptor d;
    if (!stored_words(b, dcpl, words, &n)) {
        h5calib_say(message, size, "the filter parameters cannot be read");
        return false;
    }
    if (n < 2 || !(words[1] & H5CALIB_FLAG_CREATE)) {
        h5calib_say(message, size,
                    "a calibrated dataset cannot be written or created anew: its values are "
                    "computed from raw data when it is read (to make one, use "
                    "h5calib.create_calibrated_dataset; to store the values, copy them into an "
                    "ordinary dataset)");
        return false;
    }
    return h5calib_descriptor_parse(words, n, &d, message, size);
}

htri_t h5calib_can_apply(hid_t dcpl, hid_t type, hid_t space)
{
    char message[H5CALIB_MESSAGE_SIZE] = "";
    (void)type;
    (void)space;
    binding *b = h5calib_bind(H5CALIB_RETURN_ADDRESS(), message, sizeof message);
    if (!b || b->guest)
        return -1;
    if (may_create(b, dcpl, message, sizeof message))
        return 1;
    h5calib_push_error(b, message);
    return -1;
}

/* Take the create flag away, so that what is stored can be read only. */
herr_t h5calib_set_local(hid_t dcpl, hid_t type, hid_t space)
{
    char message[H5CALIB_MESSAGE_SIZE] = "";
    unsigned words[H5CALIB_MAX_WORDS];
    size_t n;
    (void)type;
    (void)space;
    binding *b = h5calib_bind(H5CALIB_RETURN_ADDRESS(), message, sizeof message);
    if (!b || b->guest || !stored_words(b, dcpl, words, &n) || n < 2)
        return -1;
    words[1] &= ~H5CALIB_FLAG_CREATE;
    return b->api.H5Pmodify_filter(dcpl, H5CALIB_FILTER_ID, 0, n, words);
}

/* ---- what is being computed by this thread, the outermost first ------------------------------ */

#define MAX_DEPTH 16

typedef struct underway {
    uint64_t device, inode;
    uint8_t uuid[16];
} underway;

static H5CALIB_THREAD_LOCAL underway stack[MAX_DEPTH];
static H5CALIB_THREAD_LOCAL int depth;

/* A dataset computed from itself, directly or through others, is found here before
 * anything is read twice. */
static bool enter(const calibrated *c, char *message, size_t size)
{
    const h5calib_stamp *now = &c->home->stamp;
    if (depth == MAX_DEPTH) {
        h5calib_say(message, size, "more than %d calibrated datasets are computed from one another",
                    MAX_DEPTH);
        return false;
    }
    for (int i = 0; i < depth; i++)
        if (stack[i].device == now->device && stack[i].inode == now->inode &&
            memcmp(stack[i].uuid, c->uuid, 16) == 0) {
            h5calib_say(
                message, size,
                "the calibrated dataset is computed from itself: its raw data leads back to "
                "it");
            return false;
        }
    return true;
}

typedef struct request {
    binding *b;
    const h5calib_descriptor *d; /* NULL: a chunk of the first h5calib */
    const unsigned *words;
    size_t n_words;
    uint64_t chunk;
    const h5calib_legacy *legacy;
} request;

static calibrated *open_in(const request *r, view *v, char *message, size_t size)
{
    if (r->d)
        return h5calib_calibrated_open(r->b, v, r->d, r->words, r->n_words, message, size);
    return h5calib_calibrated_open_legacy(r->b, v, r->legacy, message, size);
}

/* A chunk of the first h5calib for a larger one, which may be what is being read: beyond it lies
 * nothing that was calibrated. */
static void *lengthen(binding *b, void *chunk, size_t had, size_t bytes, char *message, size_t size)
{
    float *out = chunk ? h5calib_binding_allocate(b, bytes) : NULL;
    if (chunk && !out)
        h5calib_say(message, size, "out of memory for a chunk of %zu bytes", bytes);
    if (out)
        memcpy(out, chunk, had);
    for (size_t i = had / sizeof *out; out && i < bytes / sizeof *out; i++)
        out[i] = NAN;
    if (chunk)
        h5calib_binding_free(b, chunk);
    return out;
}

static void *compute_chunk(const request *r, calibrated *c, size_t *bytes, char *message,
                           size_t size)
{
    size_t needed;
    if (!h5calib_readers_fit(r->b, c, r->words, r->n_words, &needed, message, size))
        return NULL;
    if (r->d)
        return h5calib_chunk(r->b, c, r->chunk, bytes, message, size);
    void *out =
        h5calib_chunk_legacy(r->b, c, r->legacy->image, r->legacy->cell, bytes, message, size);
    if (needed <= *bytes)
        return out;
    out = lengthen(r->b, out, *bytes, needed, message, size);
    *bytes = needed;
    return out;
}

/* Compute the chunk from one file. */
static void *compute_from(const request *r, view *v, size_t *bytes, char *message, size_t size)
{
    void *out = NULL;
    calibrated *c = open_in(r, v, message, size);
    if (!c)
        return NULL;
    if (enter(c, message, size)) {
        stack[depth] = (underway){v->stamp.device, v->stamp.inode, {0}};
        memcpy(stack[depth].uuid, c->uuid, 16);
        depth++;
        out = compute_chunk(r, c, bytes, message, size);
        depth--;
    }
    h5calib_calibrated_release(r->b, c);
    return out;
}

static void say_they_differ(const view *a, const view *b, const char *why, char *message,
                            size_t size)
{
    if (why[0] && b->in_memory) /* of its own: the file beside it may be what is behind it */
        h5calib_say(message, size, "%s", why);
    else if (why[0])
        h5calib_say(message, size,
                    "'%s' and '%s' are open at once, carry the same identity, and only the first "
                    "can be computed; which of them is being read cannot be told. Close one. (%s)",
                    a->path, b->path, why);
    else
        h5calib_say(message, size,
                    "'%s' and '%s' are open at once, carry the same identity and give different "
                    "values; which of them is being read cannot be told. Close one, or give the "
                    "copy an identity of its own: h5calib new-identity FILE",
                    a->path, b->path);
}

/* Byte copies of a file carry the same identity. Which of them is being read cannot
 * be told, and need not be if all give the same values. */
static void *compute_all(const request *r, view **candidates, int n, size_t *bytes, char *message,
                         size_t size)
{
    void *first = compute_from(r, candidates[0], bytes, message, size);
    for (int i = 1; first && i < n; i++) {
        char why[H5CALIB_MESSAGE_SIZE] = "";
        size_t other_bytes = 0;
        void *other = compute_from(r, candidates[i], &other_bytes, why, sizeof why);
        bool equal = other && other_bytes == *bytes && memcmp(first, other, *bytes) == 0;
        if (other)
            h5calib_binding_free(r->b, other);
        if (!equal) {
            say_they_differ(candidates[0], candidates[i], other ? "" : why, message, size);
            h5calib_binding_free(r->b, first);
            return NULL;
        }
    }
    return first;
}

/* Of several files with one identity, those that have the dataset at all: a copy that
 * is just being made (h5repack) is not what is being read. */
static int with_dataset(const request *r, view **candidates, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        view *v = candidates[i];
        if (h5calib_survey_has(r->b, v->file, r->words, r->n_words))
            candidates[kept++] = v;
        else
            h5calib_view_release(r->b, v);
    }
    return kept;
}

/* A filter call from within a read of ours: the dataset being read, or the sources of
 * the virtual one being read, tell the file. */
static int files_of_outer_read(binding *b, const h5calib_wanted *wanted, view **candidates)
{
    const h5calib_source *source = h5calib_source_reading();
    view *v;
    int n = 0;
    if (!source || (!source->calibrated && !source->parts))
        return 0;
    for (size_t i = 0; n < H5CALIB_MAX_CANDIDATES && (v = h5calib_source_view(source, i)); i++)
        if (h5calib_view_has(b, v, wanted)) {
            v->uses++;
            candidates[n++] = v;
        }
    return n;
}

static void *answer(const request *r, size_t *bytes, char *message, size_t size)
{
    view *candidates[H5CALIB_MAX_CANDIDATES];
    h5calib_wanted wanted = {.uuid = r->d ? r->d->file_uuid : NULL,
                             .magic = r->legacy ? r->legacy->file_magic : 0};
    if (r->b->depth == 1 && !h5calib_process_look(r->b, message, size))
        return NULL;
    int n = r->b->depth > 1 ? files_of_outer_read(r->b, &wanted, candidates) : 0;
    if (n == 0)
        n = h5calib_identify(r->b, &wanted, candidates, message, size);
    if (n > 1 && (n = with_dataset(r, candidates, n)) == 0)
        h5calib_say(message, size, "no open file has this calibrated dataset");
    if (n <= 0)
        return NULL;
    void *out = compute_all(r, candidates, n, bytes, message, size);
    for (int i = 0; i < n; i++)
        h5calib_view_release(r->b, candidates[i]);
    return out;
}

/* ---- reading ------------------------------------------------------------------------------------
 */

static void *read_chunk(binding *b, size_t n_words, const unsigned *words, const void *stub,
                        size_t stub_bytes, size_t *bytes, char *message, size_t size)
{
    h5calib_descriptor d;
    h5calib_legacy legacy;
    request r = {.b = b};
    if (n_words == 0) {
        if (!h5calib_legacy_parse(stub, stub_bytes, &legacy, message, size))
            return NULL;
        r.legacy = &legacy;
    } else {
        if (!h5calib_descriptor_parse(words, n_words, &d, message, size) ||
            !h5calib_stub_parse(stub, stub_bytes, d.dataset_uuid, &r.chunk, message, size))
            return NULL;
        r.d = &d;
        r.words = words;
        r.n_words = n_words;
    }
    return answer(&r, bytes, message, size);
}

size_t h5calib_filter(unsigned flags, size_t cd_nelmts, const unsigned cd_values[], size_t nbytes,
                      size_t *buf_size, void **buf)
{
    char message[H5CALIB_MESSAGE_SIZE] = "";
    h5calib_quiet quiet;
    void *out = NULL;
    size_t bytes = 0;
    binding *b = h5calib_bind(H5CALIB_RETURN_ADDRESS(), message, sizeof message);
    if (!b)
        return 0;
    h5calib_mutex_lock(&b->lock);
    h5calib_quiet_begin(b, &quiet);
    b->depth++;
    if (flags & H5Z_FLAG_REVERSE)
        out = read_chunk(b, cd_nelmts, cd_values, *buf, nbytes, &bytes, message, sizeof message);
    else
        h5calib_say(message, sizeof message, "a calibrated dataset cannot be written");
    b->depth--;
    h5calib_quiet_end(b, &quiet);
    if (out) {
        h5calib_binding_free(b, *buf);
        *buf = out;
        *buf_size = bytes;
    } else {
        h5calib_source_failed(message);
        h5calib_push_error(b, message);
    }
    h5calib_mutex_unlock(&b->lock);
    return out ? bytes : 0;
}
