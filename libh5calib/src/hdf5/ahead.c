/*
 * ahead.c - the chunk of a filter call, and the one that is likely asked for next.
 */
#include "ahead.h"

#include <stdlib.h>

#include "constants.h"

typedef struct ahead {
    const calibrated *c; /* whose chunks were asked for; never dereferenced when stale */
    uint64_t last;
    uint64_t step; /* modulo 2^64, so that steps back work too */
    bool steady;   /* the last two steps were equal */
    bool begun;    /* `work` is under way, for chunk `number` */
    uint64_t number;
    void *out;
    h5calib_work work;
} ahead;

static void drop(binding *b, ahead *a)
{
    if (!a->begun)
        return;
    h5calib_team_cancel(&a->work.task);
    h5calib_work_end(&a->work);
    h5calib_binding_free(b, a->out);
    a->begun = false;
}

void h5calib_ahead_forget(binding *b, const calibrated *c)
{
    ahead *a = b->ahead;
    if (!a || a->c != c)
        return;
    drop(b, a);
    a->c = NULL;
}

/* The chunk, if it was prepared and every block of it succeeded. */
static void *take(binding *b, ahead *a, const calibrated *c, uint64_t number)
{
    if (!a->begun)
        return NULL;
    if (a->c != c || a->number != number) {
        drop(b, a);
        return NULL;
    }
    void *out = a->out;
    bool ok = h5calib_team_finish(&a->work.task);
    h5calib_work_end(&a->work);
    a->begun = false;
    if (ok)
        return out;
    h5calib_binding_free(b, out);
    return NULL;
}

static void observe(ahead *a, const calibrated *c, uint64_t number)
{
    const uint64_t step = number - a->last;
    a->steady = a->c == c && step == a->step && step != 0;
    a->step = a->c == c ? step : 0;
    a->c = c;
    a->last = number;
}

/* Prepare the next chunk. Any reason not to is no error: it may never be asked for. */
static void begin(binding *b, ahead *a, calibrated *c, unsigned threads)
{
    h5calib_box at;
    const uint64_t number = a->last + a->step;
    if (threads < 2 || !a->steady || !c->map || !h5calib_box_of_chunk(c, number, &at))
        return;
    void *out = h5calib_binding_allocate(b, h5calib_calibrated_chunk_bytes(c));
    if (out && h5calib_work_prepare(b, &a->work, c, &at, NULL, out, threads, true, NULL, 0)) {
        a->out = out;
        a->number = number;
        a->begun = h5calib_team_begin(&a->work.task);
        if (a->begun)
            return;
        h5calib_work_end(&a->work);
    }
    h5calib_binding_free(b, out);
}

static void *compute(binding *b, calibrated *c, const h5calib_box *at, const int64_t *cell,
                     size_t *bytes, char *message, size_t size)
{
    *bytes = h5calib_calibrated_chunk_bytes(c);
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
    if (!b->ahead && !(b->ahead = calloc(1, sizeof *b->ahead))) {
        h5calib_say(message, size, "out of memory");
        return NULL;
    }
    if (!h5calib_box_of_chunk(c, number, &at)) {
        h5calib_say(message, size, "the stub names chunk %llu, the dataset has fewer",
                    (unsigned long long)number);
        return NULL;
    }
    *bytes = h5calib_calibrated_chunk_bytes(c);
    void *out = take(b, b->ahead, c, number);
    if (!out)
        out = compute(b, c, &at, NULL, bytes, message, size);
    if (out) {
        h5calib_constants_trim(b); /* now, while nobody computes with them */
        observe(b->ahead, c, number);
        begin(b, b->ahead, c, h5calib_team_threads());
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
    return compute(b, c, &at, &number, bytes, message, size);
}
