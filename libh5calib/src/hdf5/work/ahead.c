/*
 * ahead.c - the chunk of a filter call, and those that are likely asked for next.
 */
#include "hdf5/work/ahead.h"

#include <stdlib.h>

#include "hdf5/dataset/constants.h"

/* Compressed chunks of one work: so many are decoded side by side. */
#define MOST_TOGETHER 2

typedef struct batch {
    unsigned n; /* chunks; 0: there is no batch */
    uint64_t numbers[MOST_TOGETHER];
    void *out[MOST_TOGETHER];
} batch;

typedef struct ahead {
    const calibrated *asked; /* whose chunk was asked for last; never dereferenced when stale */
    uint64_t last;
    uint64_t step; /* modulo 2^64, so that steps back work too */
    bool steady;   /* the last two steps were equal */

    const calibrated *of; /* whose chunks these are: in a chain not always those asked for last */
    size_t bytes;         /* of each */
    batch ready;
    batch begun; /* `work` is under way */
    h5calib_work work;
} ahead;

static void forget_chunks(binding *b, const ahead *a, batch *of)
{
    for (unsigned i = 0; i < of->n; i++)
        h5calib_binding_free(b, of->out[i]);
    b->ahead_bytes -= of->n * a->bytes;
    of->n = 0;
}

static void drop_all(binding *b, ahead *a)
{
    forget_chunks(b, a, &a->ready);
    if (a->begun.n == 0)
        return;
    h5calib_team_cancel(&a->work.task);
    h5calib_work_end(&a->work);
    forget_chunks(b, a, &a->begun);
}

void h5calib_ahead_stop(binding *b)
{
    if (b->ahead)
        drop_all(b, b->ahead);
}

/* The dataset is going away. */
static void forget_dataset(binding *b, const calibrated *c)
{
    ahead *a = b->ahead;
    if (!a)
        return;
    if (a->of == c)
        drop_all(b, a);
    if (a->asked == c)
        a->asked = NULL;
}

/* The batch under way becomes the one that is ready; false if a block of it failed. */
static bool finish(binding *b, ahead *a)
{
    bool ok = h5calib_team_finish(&a->work.task);
    h5calib_work_end(&a->work);
    if (ok)
        a->ready = a->begun;
    else
        forget_chunks(b, a, &a->begun);
    a->begun.n = 0;
    return ok;
}

/* The chunk, if it was prepared and every block of it succeeded. */
static void *take_prepared(binding *b, ahead *a, const calibrated *c, uint64_t number)
{
    const batch *next = a->ready.n > 0 ? &a->ready : &a->begun;
    if (next->n == 0)
        return NULL;
    if (a->of != c || next->numbers[0] != number) {
        drop_all(b, a);
        return NULL;
    }
    if (a->ready.n == 0 && !finish(b, a))
        return NULL;
    void *out = a->ready.out[0];
    a->ready.n--;
    b->ahead_bytes -= a->bytes;
    for (unsigned i = 0; i < a->ready.n; i++) {
        a->ready.numbers[i] = a->ready.numbers[i + 1];
        a->ready.out[i] = a->ready.out[i + 1];
    }
    return out;
}

static void observe(ahead *a, const calibrated *c, uint64_t number)
{
    const uint64_t step = number - a->last;
    a->steady = a->asked == c && step == a->step && step != 0;
    a->step = a->asked == c ? step : 0;
    a->asked = c;
    a->last = number;
}

/* Do these chunks hold the same part of their frames? */
static bool alike(const calibrated *c, const h5calib_box *one, const h5calib_box *two)
{
    for (int i = c->rank - 2; i < c->rank; i++)
        if (one->start[i] != two->start[i])
            return false;
    return true;
}

/* Prepare the next chunks. Any reason not to is no error: they may never be asked for. */
static void begin_next(binding *b, ahead *a, calibrated *c, unsigned threads)
{
    h5calib_box at[MOST_TOGETHER];
    batch *next = &a->begun;
    if (a->of != c)
        forget_chunks(b, a, &a->ready);
    const unsigned most = h5calib_rawmap_decodes(c->map) ? MOST_TOGETHER : 1;
    uint64_t number = a->ready.n > 0 ? a->ready.numbers[a->ready.n - 1] : a->last;
    a->of = c;
    a->bytes = c->chunk_bytes;
    for (next->n = 0; next->n < most; next->n++) {
        number += a->step;
        if (!h5calib_box_of_chunk(c, number, &at[next->n]) || !alike(c, &at[0], &at[next->n]))
            break;
        next->numbers[next->n] = number;
        if (!(next->out[next->n] = h5calib_binding_allocate(b, a->bytes)))
            break;
        b->ahead_bytes += a->bytes;
    }
    if (next->n > 0 &&
        h5calib_work_prepare_mapped(b, &a->work, c, at, next->out, next->n, threads)) {
        if (h5calib_team_begin(&a->work.task))
            return;
        h5calib_work_end(&a->work);
    }
    forget_chunks(b, a, next);
}

static void *compute_now(binding *b, calibrated *c, const h5calib_box *at, const int64_t *cell,
                         size_t *bytes, char *message, size_t size)
{
    *bytes = c->chunk_bytes;
    void *out = h5calib_binding_allocate(b, *bytes);
    if (!out) {
        h5calib_say(message, size, "out of memory for a chunk of %zu bytes", *bytes);
        return NULL;
    }
    if (h5calib_box_compute(b, c, at, cell, out, h5calib_team_threads(), message, size))
        return out;
    h5calib_binding_free(b, out);
    return NULL;
}

void *h5calib_chunk(binding *b, calibrated *c, uint64_t number, size_t *bytes, char *message,
                    size_t size)
{
    h5calib_box at;
    if (!b->ahead) { /* the first chunk of all */
        if (!(b->ahead = calloc(1, sizeof *b->ahead))) {
            h5calib_say(message, size, "out of memory");
            return NULL;
        }
        h5calib_team_make(h5calib_team_threads());
    }
    if (!h5calib_box_of_chunk(c, number, &at)) {
        h5calib_say(message, size, "the stub names chunk %llu, the dataset has fewer",
                    (unsigned long long)number);
        return NULL;
    }
    c->going = forget_dataset;
    *bytes = c->chunk_bytes;
    void *out = take_prepared(b, b->ahead, c, number);
    if (!out)
        out = compute_now(b, c, &at, NULL, bytes, message, size);
    if (out) {
        h5calib_constants_trim(b);
        observe(b->ahead, c, number);
        const unsigned threads = h5calib_team_threads();
        if (threads > 1 && b->ahead->steady && b->ahead->begun.n == 0 && c->map)
            begin_next(b, b->ahead, c, threads);
    }
    return out;
}

void *h5calib_chunk_legacy(binding *b, calibrated *c, uint64_t frame, uint32_t cell, size_t *bytes,
                           char *message, size_t size)
{
    h5calib_box at;
    const int64_t number = cell;
    if (!h5calib_box_of_chunk(c, frame, &at)) {
        h5calib_say(message, size, "a chunk asks for raw frame %llu, there are %llu",
                    (unsigned long long)frame, (unsigned long long)c->dims[0]);
        return NULL;
    }
    if (cell >= c->n_cells) {
        h5calib_say(message, size, "a chunk asks for memory cell %u, the constants have %u", cell,
                    c->n_cells);
        return NULL;
    }
    return compute_now(b, c, &at, &number, bytes, message, size);
}
