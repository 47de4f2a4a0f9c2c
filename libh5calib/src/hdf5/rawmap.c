/*
 * rawmap.c - where raw pixels lie in their file.
 */
#include "rawmap.h"

#include <stdlib.h>

#define UNKNOWN UINT64_MAX

/* A contiguous dataset counts as one chunk. */
typedef struct rawmap {
    int fd;
    bool chunked;
    int lead;                           /* frame axes */
    hsize_t grid[H5CALIB_MAX_RANK];     /* chunks along each frame axis */
    hsize_t chunk[H5CALIB_MAX_RANK];    /* frames of a chunk along each frame axis */
    hsize_t dims[H5CALIB_MAX_RANK];     /* raw frames along each frame axis */
    size_t chunk_rows, row_chunks;      /* rows of a chunk, chunks along the slow axis */
    uint64_t *address;                  /* of each chunk, UNKNOWN until asked for */
    size_t ny, nx, values, element;
    bool planes; /* the values of a pixel are in planes, not side by side */
} rawmap;

static bool plain_storage(binding *b, const h5calib_source *raw)
{
    const h5 *api = &b->api;
    hsize_t userblock = 0;
    hid_t stored = api->H5Dget_type(raw->dataset);
    bool ok = raw->view->fd >= 0 && !raw->elsewhere && raw->rank > 0 &&
              api->H5Tequal(stored, raw->memory_type) > 0;
    api->H5Tclose(stored);
    hid_t plist = api->H5Fget_create_plist(raw->view->file);
    ok = ok && api->H5Pget_userblock(plist, &userblock) >= 0 && userblock == 0;
    api->H5Pclose(plist);
    return ok;
}

/* Chunks must hold whole rows, and both values of a pixel. */
static bool take_chunks(rawmap *m, const calibrated *c, const hsize_t *chunk)
{
    const h5calib_raw_layout layout = c->algorithm->raw_layout;
    const int y = m->lead + (layout == H5CALIB_RAW_FIRST);
    m->chunk_rows = (size_t)chunk[y];
    m->row_chunks = (m->ny + m->chunk_rows - 1) / m->chunk_rows;
    for (int i = 0; i < m->lead; i++) {
        m->chunk[i] = chunk[i];
        m->grid[i] = (m->dims[i] + chunk[i] - 1) / chunk[i];
    }
    if (layout == H5CALIB_RAW_FIRST && chunk[m->lead] != 2)
        return false;
    if (layout == H5CALIB_RAW_LAST && chunk[y + 2] != 2)
        return false;
    return chunk[y + 1] == m->nx;
}

static bool take_layout(binding *b, rawmap *m, const calibrated *c)
{
    const h5 *api = &b->api;
    hsize_t chunk[H5CALIB_MAX_RANK];
    size_t n = 1;
    hid_t plist = api->H5Dget_create_plist(c->raw.dataset);
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
    } else if (m->chunked && api->H5Pget_nfilters(plist) == 0) {
        ok = api->H5Pget_chunk(plist, H5CALIB_MAX_RANK, chunk) == c->raw.rank &&
             take_chunks(m, c, chunk);
    }
    api->H5Pclose(plist);
    for (int i = 0; i < m->lead; i++)
        n *= (size_t)m->grid[i];
    n *= m->row_chunks;
    if (!ok || !(m->address = malloc(n * sizeof *m->address)))
        return false;
    for (size_t i = 0; i < n; i++)
        m->address[i] = UNKNOWN;
    return true;
}

void h5calib_rawmap_set_up(binding *b, calibrated *c)
{
    rawmap *m = plain_storage(b, &c->raw) ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return;
    m->fd = c->raw.view->fd;
    m->lead = c->rank - 2;
    m->ny = (size_t)c->dims[m->lead];
    m->nx = (size_t)c->dims[m->lead + 1];
    m->values = c->algorithm->raw_layout == H5CALIB_RAW_ONE ? 1 : 2;
    m->planes = c->algorithm->raw_layout == H5CALIB_RAW_FIRST;
    m->element = c->raw.element;
    for (int i = 0; i < m->lead; i++)
        m->dims[i] = c->raw.dims[i];
    if (take_layout(b, m, c))
        c->map = m;
    else
        h5calib_rawmap_free(m);
}

void h5calib_rawmap_free(struct rawmap *map)
{
    if (map)
        free(map->address);
    free(map);
}

/* The chunk of a frame (of row 0; later rows follow) and the frame's place in it. */
static size_t chunk_of(const rawmap *m, uint64_t frame, size_t *within, hsize_t *offset)
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

static uint64_t ask(binding *b, const calibrated *c, hsize_t *offset, size_t row)
{
    const rawmap *m = c->map;
    unsigned mask;
    haddr_t address;
    hsize_t bytes;
    if (!m->chunked)
        return b->api.H5Dget_offset(c->raw.dataset);
    if (m->planes)
        offset[m->lead] = 0;
    offset[m->lead + m->planes] = row;
    for (int i = m->lead + m->planes + 1; i < c->raw.rank; i++)
        offset[i] = 0;
    if (b->api.H5Dget_chunk_info_by_coord(c->raw.dataset, offset, &mask, &address, &bytes) < 0)
        return UNKNOWN;
    return address;
}

bool h5calib_rawmap_resolve(binding *b, const calibrated *c, uint64_t frame, size_t row, size_t rows)
{
    const rawmap *m = c->map;
    hsize_t offset[H5CALIB_MAX_RANK];
    size_t within, first = chunk_of(m, frame, &within, offset);
    for (size_t k = row / m->chunk_rows; k <= (row + rows - 1) / m->chunk_rows; k++) {
        uint64_t *address = &m->address[first + k];
        if (*address == UNKNOWN)
            *address = ask(b, c, offset, k * m->chunk_rows);
        if (*address == UNKNOWN)
            return false;
    }
    return true;
}

bool h5calib_rawmap_read(const calibrated *c, uint64_t frame, size_t pixel, size_t n, char *out)
{
    const rawmap *m = c->map;
    const size_t planes = m->planes ? 2 : 1, bytes = m->element * (m->planes ? 1 : m->values);
    const size_t chunk_pixels = m->chunk_rows * m->nx, plane = n * bytes;
    size_t within, first = chunk_of(m, frame, &within, NULL);
    for (size_t part; n > 0; pixel += part, n -= part, out += part * bytes) {
        const size_t k = pixel / chunk_pixels, at = pixel % chunk_pixels;
        part = chunk_pixels - at < n ? chunk_pixels - at : n;
        for (size_t p = 0; p < planes; p++) {
            uint64_t offset = m->address[first + k] +
                              (uint64_t)((within * planes + p) * chunk_pixels + at) * bytes;
            if (!h5calib_pread(m->fd, out + p * plane, part * bytes, offset))
                return false;
        }
    }
    return true;
}
