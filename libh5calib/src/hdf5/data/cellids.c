/*
 * cellids.c - the memory cell that each raw frame was stored in.
 */
#include "hdf5/data/cellids.h"

#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "hdf5/system/policy.h"

/* As many are read at a time. */
#define PART ((uint64_t)4096)
/* As many bytes of them as the system is asked for at once. */
#define ANNOUNCED_BYTES ((uint64_t)1 << 20)

static uint64_t number_of(const h5calib_source *s)
{
    return s->bytes / s->element;
}

/* Where they begin, if they lie in the file one after the other; UINT64_MAX: they do not. */
static uint64_t place_of(binding *b, const h5calib_source *s)
{
    return s->view && h5calib_plain_storage(b, s) ? b->api.H5Dget_offset(s->dataset) : UINT64_MAX;
}

void h5calib_cell_ids_open(binding *b, view *home, hid_t group, h5calib_cell_ids *ids)
{
    const h5calib_source *s = &ids->source;
    if (b->api.H5Lexists(group, "cell_ids", H5P_DEFAULT) <= 0 ||
        !h5calib_source_open(b, home, group, "cell_ids", "cell_ids", &ids->source, NULL, 0))
        return;
    const uint64_t at = place_of(b, s), bytes = s->bytes;
    if (at != UINT64_MAX)
        h5calib_will_need(s->view->fd, at, bytes < ANNOUNCED_BYTES ? bytes : ANNOUNCED_BYTES);
}

/* Memory for them, nothing of it taken so far. */
static bool allocate_values(h5calib_cell_ids *ids)
{
    ids->values = h5calib_zeros((size_t)ids->n * sizeof *ids->values + 1);
    return ids->values != NULL;
}

static bool read_all(binding *b, h5calib_cell_ids *ids, char *message, size_t size)
{
    const h5calib_source *s = &ids->source;
    const hsize_t zero[H5CALIB_MAX_RANK] = {0};
    void *data = malloc((size_t)ids->n * s->element + 1);
    if (!data)
        h5calib_say(message, size, "out of memory for cell ids");
    const bool ok = data && h5calib_source_read(b, s, zero, s->dims, data, message, size);
    if (ok)
        h5calib_to_int64(data, s->dtype, (size_t)ids->n, ids->values);
    free(data);
    return ok;
}

/* As they are stored, and as numbers. */
static bool values_fit(const h5calib_source *s, uint64_t n, char *message, size_t size)
{
    uint64_t bytes;
    if (!h5calib_product(&n, 1, sizeof(int64_t) + s->element, H5CALIB_MOST_BYTES, &bytes))
        bytes = UINT64_MAX;
    return h5calib_within_bound("the cell ids", bytes, message, size);
}

bool h5calib_cell_ids_load(binding *b, view *home, hid_t group, uint32_t n_cells, uint64_t n,
                           h5calib_cell_ids *ids, char *message, size_t size)
{
    h5calib_source *s = &ids->source;
    if (b->api.H5Lexists(group, "cell_ids", H5P_DEFAULT) <= 0) {
        if (n_cells <= 1)
            return true;
        h5calib_say(message, size,
                    "the constants are for %u memory cells, but '%s' does not say which cell each "
                    "frame was stored in (cell_ids)",
                    n_cells, home->path);
        return false;
    }
    if (!s->view && !h5calib_source_open(b, home, group, "cell_ids", "cell_ids", s, message, size))
        return false;
    if (s->dtype > H5CALIB_U64) {
        h5calib_say(message, size, "'cell_ids' in '%s' does not hold integers", s->view->path);
        return false;
    }
    if (number_of(s) != n) {
        h5calib_say(message, size, "there are %llu cell ids for %llu raw frames",
                    (unsigned long long)number_of(s), (unsigned long long)n);
        return false;
    }
    if (!values_fit(s, n, message, size))
        return false;
    ids->n = n;
    ids->at = place_of(b, s);
    if (ids->at != UINT64_MAX)
        ids->known = calloc((size_t)(n / PART + 1), 1);
    if (!allocate_values(ids) || (ids->at != UINT64_MAX && !ids->known)) {
        h5calib_say(message, size, "out of memory for cell ids");
        return false;
    }
    return ids->known || read_all(b, ids, message, size);
}

static bool read_part(const h5calib_cell_ids *ids, uint64_t part)
{
    const h5calib_source *s = &ids->source;
    const uint64_t first = part * PART;
    const size_t n = (size_t)(ids->n - first < PART ? ids->n - first : PART);
    int64_t data[PART];
    if (!h5calib_pread_whole(s->view->fd, data, n * s->element, ids->at + first * s->element))
        return false;
    h5calib_to_int64(data, s->dtype, n, ids->values + first);
    ids->known[part] = 1;
    return true;
}

bool h5calib_cell_id(const h5calib_cell_ids *ids, uint64_t raw_frame, int64_t *id)
{
    const uint64_t part = raw_frame / PART;
    if (raw_frame >= ids->n || (ids->known && !ids->known[part] && !read_part(ids, part)))
        return false;
    *id = ids->values[raw_frame];
    return true;
}

void h5calib_cell_ids_free(binding *b, h5calib_cell_ids *ids)
{
    h5calib_source_close(b, &ids->source);
    if (ids->values)
        h5calib_zeros_free(ids->values, (size_t)ids->n * sizeof *ids->values + 1);
    free(ids->known);
}
