/*
 * constants.c - prepared constants, cell by cell, in a bounded cache.
 */
#include "constants.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_CACHE_BYTES ((size_t)1 << 30)

typedef struct prepared {
    struct prepared *newer, *older;
    calibrated *owner;
    uint32_t number;
    h5calib_cell *cell;
    size_t bytes;
} prepared;

/* ---- the list, newest first -------------------------------------------------------- */

static void unlink_from(binding *b, prepared *p)
{
    *(p->newer ? &p->newer->older : &b->newest) = p->older;
    *(p->older ? &p->older->newer : &b->oldest) = p->newer;
}

static void put_first(binding *b, prepared *p)
{
    p->newer = NULL;
    p->older = b->newest;
    *(b->newest ? &b->newest->newer : &b->oldest) = p;
    b->newest = p;
}

static void drop(binding *b, prepared *p)
{
    unlink_from(b, p);
    b->prepared_bytes -= p->bytes;
    p->owner->cells[p->number] = NULL;
    h5calib_cell_free(p->cell);
    free(p);
}

static size_t limit(void)
{
    const char *text = getenv("H5CALIB_CACHE_BYTES");
    char *end;
    if (!text || !*text)
        return DEFAULT_CACHE_BYTES;
    unsigned long long value = strtoull(text, &end, 10);
    return *end ? DEFAULT_CACHE_BYTES : (size_t)value;
}

void h5calib_constants_trim(binding *b)
{
    size_t most = limit();
    while (b->oldest && b->prepared_bytes > most)
        drop(b, b->oldest);
}

/* Bytes that the constants of one cell take at most, once prepared. */
static size_t cell_bytes(const calibrated *c)
{
    const size_t pixels = (size_t)(c->dims[c->rank - 2] * c->dims[c->rank - 1]);
    size_t bytes = 0;
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        const h5calib_source *s = &c->constants[k];
        if (!s->view || (c->algorithm->constants[k].flags & H5CALIB_CONSTANT_MASK))
            continue;
        const char *stage = strchr(c->axes[k], 's');
        const size_t stages = stage ? (size_t)s->dims[stage - c->axes[k]] : 1;
        bytes += pixels * stages * (s->element < 4 && s->dtype < H5CALIB_F16 ? 4 : s->element);
    }
    return bytes;
}

uint64_t h5calib_constants_fit(const calibrated *c, uint64_t frame, uint64_t n)
{
    const size_t each = cell_bytes(c);
    size_t room = each ? limit() / each : 1, distinct = 0;
    if (c->n_cells <= room || !c->cell_ids || c->rank != 3)
        return n;
    unsigned char *seen = calloc(c->n_cells, 1);
    uint64_t i = 0;
    for (; seen && i < n; i++) {
        const uint64_t raw = c->frames ? c->frames[frame + i] : frame + i;
        const int64_t id = raw < c->n_raw_frames ? c->cell_ids[raw] : -1;
        uint32_t cell;
        double weight;
        if (!h5calib_calibrator_locate(c->calibrator, id, c->n_cells, &cell, &weight) || seen[cell])
            continue;
        if (distinct == (room ? room : 1))
            break;
        seen[cell] = 1;
        distinct++;
    }
    free(seen);
    return i ? i : 1;
}

void h5calib_constants_forget(binding *b, calibrated *c)
{
    for (uint32_t i = 0; c->cells && i < c->n_cells; i++)
        if (c->cells[i])
            drop(b, c->cells[i]);
}

/* ---- loading ------------------------------------------------------------------------ */

/* Read one cell of a constant in its own axis order and describe the result by strides. */
static void *load(binding *b, const h5calib_source *s, const char *axes, uint32_t cell,
                  h5calib_array *out, char *message, size_t size)
{
    static const char order[] = "csyx";
    hsize_t start[H5CALIB_MAX_RANK] = {0}, count[H5CALIB_MAX_RANK];
    ptrdiff_t stride = (ptrdiff_t)s->element;
    memset(out, 0, sizeof *out);
    out->dtype = s->dtype;
    out->cells = out->stages = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        count[i] = s->dims[i];
        if (axes[i] == 'c') {
            start[i] = s->dims[i] > 1 ? cell : 0;
            count[i] = 1;
        } else {
            out->strides[strchr(order, axes[i]) - order] = stride;
        }
        if (axes[i] == 's')
            out->stages = (uint32_t)s->dims[i];
        stride *= (ptrdiff_t)count[i];
    }
    void *data = h5calib_allocate((size_t)stride);
    if (!data)
        h5calib_say(message, size, "out of memory for constants (%zu bytes)", (size_t)stride);
    else if (h5calib_source_read(b, s, start, count, data, message, size)) {
        out->data = data;
        return data;
    }
    h5calib_release(data);
    return NULL;
}

static h5calib_cell *prepare(binding *b, const calibrated *c, uint32_t number, char *message,
                             size_t size)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    void *data[H5CALIB_MAX_CONSTANTS] = {0};
    h5calib_cell *cell = NULL;
    bool ok = true;
    memset(arrays, 0, sizeof arrays);
    for (unsigned k = 0; ok && k < c->algorithm->n_constants; k++)
        if (c->constants[k].view)
            ok = (data[k] = load(b, &c->constants[k], c->axes[k], number, &arrays[k], message,
                                 size)) != NULL;
    if (ok)
        h5calib_cell_create(c->calibrator, arrays, 0, data, &cell, message, size);
    for (unsigned k = 0; k < c->algorithm->n_constants; k++)
        h5calib_release(data[k]);
    return cell;
}

/* Where the constants lie in one piece, cell after cell, the system may begin to read. */
void h5calib_constants_announce(binding *b, const calibrated *c, uint32_t number)
{
    for (unsigned k = 0; !c->cells[number] && k < c->algorithm->n_constants; k++) {
        const h5calib_source *s = &c->constants[k];
        if (!s->view || s->view->fd < 0 || s->elsewhere || c->axes[k][0] != 'c' || s->dims[0] < 2)
            continue;
        uint64_t bytes = s->element;
        for (int i = 1; i < s->rank; i++)
            bytes *= s->dims[i];
        const haddr_t start = b->api.H5Dget_offset(s->dataset);
        if (start != UINT64_MAX)
            h5calib_will_need(s->view->fd, start + number * bytes, bytes);
    }
}

const h5calib_cell *h5calib_constants_get(binding *b, calibrated *c, uint32_t number, char *message,
                                          size_t size)
{
    prepared *p = c->cells[number];
    if (p) {
        unlink_from(b, p);
        put_first(b, p);
        return p->cell;
    }
    h5calib_cell *cell = prepare(b, c, number, message, size);
    if (!cell)
        return NULL;
    p = calloc(1, sizeof *p);
    if (!p) {
        h5calib_cell_free(cell);
        h5calib_say(message, size, "out of memory");
        return NULL;
    }
    p->owner = c;
    p->number = number;
    p->cell = cell;
    p->bytes = h5calib_cell_bytes(cell) + sizeof *p;
    put_first(b, p);
    b->prepared_bytes += p->bytes;
    c->cells[number] = p;
    return cell;
}
