/*
 * constants.c - prepared constants, cell by cell, in a bounded cache.
 */
#include "hdf5/dataset/constants.h"

#include <stdlib.h>
#include <string.h>

#include "hdf5/system/inplace.h"
#include "hdf5/system/team.h"

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

static void drop_cell(binding *b, prepared *p)
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

/* Down to the limit with so many bytes more; not while constants are being used. A sixth is
 * for regions of memory in which only some blocks are left, and for what loads the constants.
 * What is left can be used to look at files in place. */
static void make_room(binding *b, size_t bytes)
{
    const size_t most = limit() - limit() / 6;
    while (b->works == 0 && b->oldest && b->prepared_bytes + bytes > most)
        drop_cell(b, b->oldest);
    const size_t taken = b->prepared_bytes + bytes;
    h5calib_inplace_bound(taken < most ? most - taken : 0);
}

void h5calib_constants_trim(binding *b)
{
    make_room(b, b->ahead_bytes);
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
        bytes += h5calib_allocated_bytes(
            pixels * stages * (s->element < 4 && s->dtype < H5CALIB_F16 ? 4 : s->element));
    }
    return bytes;
}

uint64_t h5calib_constants_fit(const calibrated *c, uint64_t frame, uint64_t n)
{
    const size_t each = cell_bytes(c);
    size_t room = each ? limit() / each : 1, distinct = 0;
    if (c->n_cells <= room || !c->ids.values || c->rank != 3)
        return n;
    unsigned char *seen = calloc(c->n_cells, 1);
    uint64_t i = 0;
    for (; seen && i < n; i++) {
        const uint64_t raw = c->frames ? c->frames[frame + i] : frame + i;
        int64_t id = -1;
        uint32_t cell;
        double weight;
        if (!h5calib_cell_id(&c->ids, raw, &id) ||
            !h5calib_calibrator_locate(c->calibrator, id, c->n_cells, &cell, &weight) || seen[cell])
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
            drop_cell(b, c->cells[i]);
}

/* ---- loading ------------------------------------------------------------------------ */

/* One cell of a constant in its own axis order, as an array described by strides, without its
 * data. Also the box of the dataset that it is; returns its bytes. */
static size_t describe_cell(const h5calib_source *s, const char *axes, uint32_t cell,
                            h5calib_array *out, hsize_t *start, hsize_t *count)
{
    static const char order[] = "csyx";
    ptrdiff_t stride = (ptrdiff_t)s->element;
    memset(out, 0, sizeof *out);
    out->dtype = s->dtype;
    out->cells = out->stages = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        start[i] = 0;
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
    return (size_t)stride;
}

static void *load_constant(binding *b, const h5calib_source *s, const char *axes, uint32_t cell,
                           h5calib_array *out, char *message, size_t size)
{
    hsize_t start[H5CALIB_MAX_RANK] = {0}, count[H5CALIB_MAX_RANK];
    const size_t bytes = describe_cell(s, axes, cell, out, start, count);
    void *data = h5calib_allocate(bytes);
    if (!data)
        h5calib_say(message, size, "out of memory for constants (%zu bytes)", bytes);
    else if (h5calib_source_read(b, s, start, count, data, message, size)) {
        out->data = data;
        return data;
    }
    h5calib_release(data);
    return NULL;
}

static h5calib_cell *prepare_cell(binding *b, const calibrated *c, uint32_t number, char *message,
                                  size_t size)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    void *data[H5CALIB_MAX_CONSTANTS] = {0};
    h5calib_cell *cell = NULL;
    bool ok = true;
    memset(arrays, 0, sizeof arrays);
    for (unsigned k = 0; ok && k < c->algorithm->n_constants; k++)
        if (c->constants[k].view)
            ok = (data[k] = load_constant(b, &c->constants[k], c->axes[k], number, &arrays[k],
                                          message, size)) != NULL;
    if (ok)
        h5calib_cell_create(c->calibrator, arrays, 0, data, &cell, message, size);
    for (unsigned k = 0; k < c->algorithm->n_constants; k++)
        h5calib_release(data[k]);
    return cell;
}

/* ---- without HDF5, which takes what is missing at the end of a file for zeros ------------------
 */

bool h5calib_constants_lie_plainly(binding *b, calibrated *c)
{
    if (c->storage != H5CALIB_NOT_LOOKED)
        return c->storage == H5CALIB_PLAIN;
    c->storage = H5CALIB_NOT_PLAIN;
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        const h5calib_source *s = &c->constants[k];
        const char *cells = strchr(c->axes[k], 'c');
        if (!s->view)
            continue;
        if (cells && cells != c->axes[k] && s->dims[cells - c->axes[k]] > 1)
            return false;
        c->constants_at[k] = b->api.H5Dget_offset(s->dataset);
        if (c->constants_at[k] == UINT64_MAX || !h5calib_plain_storage(b, s))
            return false;
    }
    c->storage = H5CALIB_PLAIN;
    return true;
}

/* The constants of a cell, where they lie plainly. Any thread. */
static h5calib_cell *read_cell(const calibrated *c, uint32_t number, char *message, size_t size)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    void *memory[H5CALIB_MAX_CONSTANTS] = {0};
    hsize_t start[H5CALIB_MAX_RANK] = {0}, count[H5CALIB_MAX_RANK];
    h5calib_cell *cell = NULL;
    bool ok = true;
    memset(arrays, 0, sizeof arrays);
    for (unsigned k = 0; ok && k < c->algorithm->n_constants; k++) {
        const h5calib_source *s = &c->constants[k];
        if (!s->view)
            continue;
        const size_t bytes = describe_cell(s, c->axes[k], number, &arrays[k], start, count);
        arrays[k].data = memory[k] = h5calib_allocate(bytes);
        ok = memory[k] && h5calib_pread_whole(s->view->fd, memory[k], bytes,
                                              c->constants_at[k] + start[0] * bytes);
        if (!ok)
            h5calib_say(message, size,
                        "constants '%s' in '%s' cannot be read: the file is shorter than it says, "
                        "its disk failed, or there is no memory left",
                        c->algorithm->constants[k].name, s->view->path);
    }
    if (ok)
        h5calib_cell_create(c->calibrator, arrays, 0, memory, &cell, message, size);
    for (unsigned k = 0; k < c->algorithm->n_constants; k++)
        h5calib_release(memory[k]);
    return cell;
}

/* ---- one cell, or several at once --------------------------------------------------------------
 */

static const h5calib_cell *keep_cell(binding *b, calibrated *c, uint32_t number, h5calib_cell *cell,
                                     char *message, size_t size)
{
    prepared *p = calloc(1, sizeof *p);
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

const h5calib_cell *h5calib_constants_get(binding *b, calibrated *c, uint32_t number, char *message,
                                          size_t size)
{
    prepared *p = c->cells[number];
    if (p) {
        unlink_from(b, p);
        put_first(b, p);
        return p->cell;
    }
    h5calib_cell *cell = h5calib_constants_lie_plainly(b, c)
                             ? read_cell(c, number, message, size)
                             : prepare_cell(b, c, number, message, size);
    return cell ? keep_cell(b, c, number, cell, message, size) : NULL;
}

typedef struct loading {
    const calibrated *c;
    const uint32_t *numbers;
    h5calib_cell **cells; /* NULL where it did not work: the one who needs it is told why */
} loading;

static bool load_cell(void *data, size_t i, unsigned worker)
{
    const loading *l = data;
    (void)worker;
    l->cells[i] = read_cell(l->c, l->numbers[i], NULL, 0);
    return true;
}

void h5calib_constants_announce(const calibrated *c, uint32_t number)
{
    h5calib_array unused;
    hsize_t start[H5CALIB_MAX_RANK] = {0}, count[H5CALIB_MAX_RANK];
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        const h5calib_source *s = &c->constants[k];
        if (!s->view)
            continue;
        const uint64_t bytes = describe_cell(s, c->axes[k], number, &unused, start, count);
        h5calib_will_need(s->view->fd, c->constants_at[k] + start[0] * bytes, bytes);
    }
}

void h5calib_constants_load(binding *b, calibrated *c, const uint32_t *numbers, size_t n,
                            unsigned threads)
{
    if (n < 2 || !h5calib_constants_lie_plainly(b, c))
        return;
    make_room(b, b->ahead_bytes + n * cell_bytes(c));
    loading l = {c, numbers, calloc(n, sizeof *l.cells)};
    h5calib_task task = {.block = load_cell, .data = &l, .n_blocks = n, .most_workers = threads};
    if (!l.cells)
        return;
    for (size_t i = 0; i < n; i++)
        h5calib_constants_announce(c, numbers[i]);
    h5calib_team_do(&task);
    for (size_t i = 0; i < n; i++)
        if (l.cells[i])
            keep_cell(b, c, numbers[i], l.cells[i], NULL, 0);
    free(l.cells);
}
