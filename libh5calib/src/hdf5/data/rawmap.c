/*
 * rawmap.c - where raw pixels lie in their file.
 */
#include "hdf5/data/rawmap.h"

#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "hdf5/system/policy.h"

/* Chunks must hold whole rows, and both values of a pixel. */
static bool take_chunks(h5calib_rawmap *m, const hsize_t *chunk)
{
    const int y = m->lead + (m->layout == H5CALIB_RAW_FIRST);
    uint64_t bytes;
    if (!h5calib_product(chunk, m->raw->rank, m->element, H5CALIB_MOST_BYTES, &bytes))
        return false;
    m->chunk_bytes = (size_t)bytes;
    m->chunk_rows = (size_t)chunk[y];
    m->row_chunks = (m->ny + m->chunk_rows - 1) / m->chunk_rows;
    for (int i = 0; i < m->lead; i++) {
        m->chunk[i] = chunk[i];
        m->grid[i] = (m->dims[i] + chunk[i] - 1) / chunk[i];
    }
    if (m->layout == H5CALIB_RAW_FIRST && chunk[m->lead] != 2)
        return false;
    if (m->layout == H5CALIB_RAW_LAST && chunk[y + 2] != 2)
        return false;
    return chunk[y + 1] == m->nx;
}

/* One value read by HDF5 makes it load its filters. */
static void touch(binding *b, const h5calib_rawmap *m)
{
    const hsize_t start[H5CALIB_MAX_RANK] = {0};
    hsize_t count[H5CALIB_MAX_RANK];
    char value[8], message[256];
    for (int i = 0; i < H5CALIB_MAX_RANK; i++)
        count[i] = 1;
    h5calib_source_read(b, m->raw, start, count, value, message, sizeof message);
}

/* Compressed chunks must hold whole frames. */
static bool take_codecs(binding *b, h5calib_rawmap *m, hid_t plist)
{
    if (b->api.H5Pget_nfilters(plist) == 0)
        return true;
    if (m->raw->calibrated || m->chunk_rows < m->ny)
        return false;
    if ((m->parts = h5calib_codecs_bitshuffle_lz4(b, plist, m->element)))
        return true;
    if (h5calib_codecs_find(b, plist, m->codecs, &m->n_codecs))
        return true;
    touch(b, m);
    return h5calib_codecs_find(b, plist, m->codecs, &m->n_codecs);
}

static bool take_layout(binding *b, h5calib_rawmap *m)
{
    const h5 *api = &b->api;
    hsize_t chunk[H5CALIB_MAX_RANK];
    uint64_t bytes = 0; /* of the table */
    hid_t plist = api->H5Dget_create_plist(m->raw->dataset);
    const int layout = api->H5Pget_layout(plist);
    bool ok = false;
    m->chunked = layout == H5D_CHUNKED;
    if (layout == H5D_CONTIGUOUS) {
        for (int i = 0; i < m->lead; i++) {
            m->chunk[i] = m->dims[i];
            m->grid[i] = 1;
        }
        m->chunk_rows = m->ny;
        m->row_chunks = 1;
        ok = true;
    } else if (m->chunked) {
        ok = api->H5Pget_chunk(plist, H5CALIB_MAX_RANK, chunk) == m->raw->rank &&
             take_chunks(m, chunk) && take_codecs(b, m, plist);
    }
    api->H5Pclose(plist);
    m->grid[m->lead] = m->row_chunks;
    ok = ok && h5calib_product(m->grid, m->lead + 1, sizeof *m->stored, h5calib_bound(), &bytes);
    if (!ok || bytes == 0 || !(m->stored = h5calib_zeros((size_t)bytes))) /* all UNKNOWN */
        return false;
    m->n_stored = (size_t)bytes / sizeof *m->stored;
    m->listed = b->api.H5Dchunk_iter ? H5CALIB_CHUNKS_NOT_LISTED : H5CALIB_CHUNKS_CANNOT_LIST;
    return true;
}

h5calib_rawmap *h5calib_rawmap_create(binding *b, const h5calib_source *raw,
                                      h5calib_raw_layout layout, int lead, const hsize_t *dims)
{
    h5calib_rawmap *m = h5calib_plain_storage(b, raw) ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return NULL;
    m->raw = raw;
    m->file = h5calib_view_opened(raw->view);
    m->layout = layout;
    m->lead = lead;
    m->ny = (size_t)dims[lead];
    m->nx = (size_t)dims[lead + 1];
    m->values = layout == H5CALIB_RAW_ONE ? 1 : 2;
    m->planes = layout == H5CALIB_RAW_FIRST;
    m->element = raw->element;
    for (int i = 0; i < lead; i++)
        m->dims[i] = raw->dims[i];
    if (take_layout(b, m))
        return m;
    h5calib_rawmap_free(m);
    return NULL;
}

void h5calib_rawmap_free(h5calib_rawmap *map)
{
    if (map)
        h5calib_zeros_free(map->stored, map->n_stored * sizeof *map->stored);
    free(map);
}

size_t h5calib_rawmap_chunk_of(const h5calib_rawmap *m, uint64_t frame, size_t *within,
                               hsize_t *offset)
{
    size_t number = 0, step = 1, in_step = 1;
    *within = 0;
    for (int i = m->lead - 1; i >= 0; i--) {
        hsize_t at = frame % m->dims[i];
        frame /= m->dims[i];
        number += (size_t)(at / m->chunk[i]) * step;
        *within += (size_t)(at % m->chunk[i]) * in_step;
        step *= (size_t)m->grid[i];
        in_step *= (size_t)m->chunk[i];
        if (offset)
            offset[i] = at / m->chunk[i] * m->chunk[i];
    }
    return number * m->row_chunks;
}

static void note_place(struct h5calib_stored *out, uint64_t address, uint64_t bytes, unsigned mask)
{
    if (address == UINT64_MAX)
        address = H5CALIB_UNKNOWN;
    *out = (struct h5calib_stored){address, bytes, mask};
}

static void ask_place(binding *b, const h5calib_rawmap *m, const hsize_t *offset,
                      struct h5calib_stored *out)
{
    hsize_t bytes = 0;
    if (!m->chunked)
        out->address = b->api.H5Dget_offset(m->raw->dataset);
    else if (b->api.H5Dget_chunk_info_by_coord(m->raw->dataset, offset, &out->mask, &out->address,
                                               &bytes) < 0)
        out->address = H5CALIB_UNKNOWN;
    note_place(out, out->address, bytes, out->mask);
}

typedef struct listing {
    h5calib_rawmap *map;
    size_t n;
    hsize_t second[H5CALIB_MAX_RANK]; /* offset of the second chunk, or of the only one */
    size_t second_number;
} listing;

static int list_chunk(const hsize_t *offset, unsigned mask, haddr_t address, hsize_t size,
                      void *data)
{
    listing *l = data;
    h5calib_rawmap *m = l->map;
    size_t number = 0;
    for (int i = 0; i < m->lead; i++)
        number = number * (size_t)m->grid[i] + (size_t)(offset[i] / m->chunk[i]);
    number = number * m->row_chunks + (size_t)offset[m->lead + m->planes] / m->chunk_rows;
    if (number < m->n_stored)
        note_place(&m->stored[number], address, size, mask);
    if (l->n++ <= 1) {
        memcpy(l->second, offset, (size_t)m->raw->rank * sizeof *offset);
        l->second_number = number;
    }
    return 0;
}

/* All chunks at once. Asking for one by its place takes HDF5 as long as listing all before
 * it. One is asked for all the same, to see that offsets mean what we think. */
static void list_chunks(binding *b, h5calib_rawmap *m)
{
    listing l = {.map = m};
    struct h5calib_stored asked = {.address = H5CALIB_UNKNOWN};
    bool ok = b->api.H5Dchunk_iter(m->raw->dataset, H5P_DEFAULT, list_chunk, &l) >= 0;
    if (ok && l.n > 0 && (ok = l.second_number < m->n_stored)) {
        ask_place(b, m, l.second, &asked);
        ok = asked.address == m->stored[l.second_number].address;
    }
    m->listed = ok ? H5CALIB_CHUNKS_LISTED : H5CALIB_CHUNKS_CANNOT_LIST;
    for (size_t i = 0; !ok && i < m->n_stored; i++)
        m->stored[i].address = H5CALIB_UNKNOWN;
}

/* After some questions it pays to list all chunks. Before that HDF5 is asked for those near the
 * beginning, which it finds soon; a single frame further on is sooner read by HDF5, which does
 * not have to search. */
enum { NEAR_CHUNKS = 256, CHUNKS_A_QUESTION = 256 };

void h5calib_rawmap_expect(binding *b, h5calib_rawmap *m, size_t frames)
{
    if (m->listed != H5CALIB_CHUNKS_NOT_LISTED || !m->chunked)
        return;
    m->asked += frames;
    if (m->asked >= m->n_stored / CHUNKS_A_QUESTION)
        list_chunks(b, m);
}

/* A chunk that is not known yet. */
static void find_chunk(binding *b, const h5calib_rawmap *m, hsize_t *offset, size_t row,
                       struct h5calib_stored *out)
{
    if (m->chunked && out - m->stored >= NEAR_CHUNKS)
        return;
    if (m->planes)
        offset[m->lead] = 0;
    offset[m->lead + m->planes] = row;
    for (int i = m->lead + m->planes + 1; i < m->raw->rank; i++)
        offset[i] = 0;
    ask_place(b, m, offset, out);
}

bool h5calib_rawmap_resolve(binding *b, const h5calib_rawmap *m, uint64_t frame, size_t row,
                            size_t rows)
{
    hsize_t offset[H5CALIB_MAX_RANK];
    size_t within, first = h5calib_rawmap_chunk_of(m, frame, &within, offset);
    for (size_t k = row / m->chunk_rows; k <= (row + rows - 1) / m->chunk_rows; k++) {
        struct h5calib_stored *stored = &m->stored[first + k];
        if (stored->address == H5CALIB_UNKNOWN)
            find_chunk(b, m, offset, k * m->chunk_rows, stored);
        if (stored->address == H5CALIB_UNKNOWN || (m->parts && stored->mask))
            return false;
    }
    return true;
}

void h5calib_rawmap_announce(const h5calib_rawmap *m, uint64_t frame)
{
    const size_t bytes = m->ny * m->nx * m->values * m->element;
    size_t within, first = h5calib_rawmap_chunk_of(m, frame, &within, NULL);
    if (h5calib_rawmap_decodes(m) || m->row_chunks > 1)
        return; /* each of these chunks is read as a whole, which the system sees */
    h5calib_will_need(m->file.fd, m->stored[first].address + within * bytes, bytes);
}

bool h5calib_rawmap_decodes(const h5calib_rawmap *map)
{
    return map->n_codecs > 0 || map->parts;
}

bool h5calib_rawmap_decodes_parts(const h5calib_rawmap *map)
{
    return map->parts;
}

size_t h5calib_rawmap_chunk(const h5calib_rawmap *map, uint64_t frame)
{
    size_t within;
    return h5calib_rawmap_chunk_of(map, frame, &within, NULL);
}
