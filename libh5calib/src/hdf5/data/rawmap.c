/*
 * rawmap.c - where raw pixels lie in their file.
 */
#include "hdf5/data/rawmap.h"

#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "hdf5/data/codec.h"
#include "hdf5/system/policy.h"

#define UNKNOWN 0 /* there is the file's superblock */

/* A contiguous dataset counts as one chunk. */
typedef struct rawmap {
    const h5calib_source *raw;
    h5calib_opened file; /* that of the source */
    h5calib_raw_layout layout;
    bool chunked;
    int lead;                        /* frame axes */
    hsize_t grid[H5CALIB_MAX_RANK];  /* chunks along each frame axis, then along the slow one */
    hsize_t chunk[H5CALIB_MAX_RANK]; /* frames of a chunk along each frame axis */
    hsize_t dims[H5CALIB_MAX_RANK];  /* raw frames along each frame axis */
    size_t chunk_rows, row_chunks;   /* rows of a chunk, chunks along the slow axis */
    struct stored {
        uint64_t address; /* UNKNOWN until asked for, and of a chunk that is not there */
        uint64_t bytes;
        unsigned mask;
    } *stored;              /* of each chunk */
    size_t n_stored, asked; /* chunks, and frames that were asked for before they were listed */
    enum { NOT_LISTED, LISTED, CANNOT_LIST } listed;
    h5calib_codec codecs[H5CALIB_MAX_CODECS];
    int n_codecs;
    bool parts; /* chunks are decoded by our own decoder, also in parts */
    size_t ny, nx, values, element;
    size_t chunk_bytes; /* of a whole chunk, decoded */
    bool planes;        /* the values of a pixel are in planes, not side by side */
} rawmap;

/* Chunks must hold whole rows, and both values of a pixel. */
static bool take_chunks(rawmap *m, const hsize_t *chunk)
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
static void touch(binding *b, const rawmap *m)
{
    const hsize_t start[H5CALIB_MAX_RANK] = {0};
    hsize_t count[H5CALIB_MAX_RANK];
    char value[8], message[256];
    for (int i = 0; i < H5CALIB_MAX_RANK; i++)
        count[i] = 1;
    h5calib_source_read(b, m->raw, start, count, value, message, sizeof message);
}

/* Compressed chunks must hold whole frames. */
static bool take_codecs(binding *b, rawmap *m, hid_t plist)
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

static bool take_layout(binding *b, rawmap *m)
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
    m->listed = b->api.H5Dchunk_iter ? NOT_LISTED : CANNOT_LIST;
    return true;
}

struct rawmap *h5calib_rawmap_create(binding *b, const h5calib_source *raw,
                                     h5calib_raw_layout layout, int lead, const hsize_t *dims)
{
    rawmap *m = h5calib_plain_storage(b, raw) ? calloc(1, sizeof *m) : NULL;
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

void h5calib_rawmap_free(struct rawmap *map)
{
    if (map)
        h5calib_zeros_free(map->stored, map->n_stored * sizeof *map->stored);
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

static void note_place(struct stored *out, uint64_t address, uint64_t bytes, unsigned mask)
{
    if (address == UINT64_MAX)
        address = UNKNOWN;
    *out = (struct stored){address, bytes, mask};
}

static void ask_place(binding *b, const rawmap *m, const hsize_t *offset, struct stored *out)
{
    hsize_t bytes = 0;
    if (!m->chunked)
        out->address = b->api.H5Dget_offset(m->raw->dataset);
    else if (b->api.H5Dget_chunk_info_by_coord(m->raw->dataset, offset, &out->mask, &out->address,
                                               &bytes) < 0)
        out->address = UNKNOWN;
    note_place(out, out->address, bytes, out->mask);
}

typedef struct listing {
    rawmap *map;
    size_t n;
    hsize_t second[H5CALIB_MAX_RANK]; /* offset of the second chunk, or of the only one */
    size_t second_number;
} listing;

static int list_chunk(const hsize_t *offset, unsigned mask, haddr_t address, hsize_t size,
                      void *data)
{
    listing *l = data;
    rawmap *m = l->map;
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
static void list_chunks(binding *b, rawmap *m)
{
    listing l = {.map = m};
    struct stored asked = {.address = UNKNOWN};
    bool ok = b->api.H5Dchunk_iter(m->raw->dataset, H5P_DEFAULT, list_chunk, &l) >= 0;
    if (ok && l.n > 0 && (ok = l.second_number < m->n_stored)) {
        ask_place(b, m, l.second, &asked);
        ok = asked.address == m->stored[l.second_number].address;
    }
    m->listed = ok ? LISTED : CANNOT_LIST;
    for (size_t i = 0; !ok && i < m->n_stored; i++)
        m->stored[i].address = UNKNOWN;
}

/* After some questions it pays to list all chunks. Before that HDF5 is asked for those near the
 * beginning, which it finds soon; a single frame further on is sooner read by HDF5, which does
 * not have to search. */
enum { NEAR_CHUNKS = 256, CHUNKS_A_QUESTION = 256 };

void h5calib_rawmap_expect(binding *b, struct rawmap *m, size_t frames)
{
    if (m->listed != NOT_LISTED || !m->chunked)
        return;
    m->asked += frames;
    if (m->asked >= m->n_stored / CHUNKS_A_QUESTION)
        list_chunks(b, m);
}

/* A chunk that is not known yet. */
static void find_chunk(binding *b, const rawmap *m, hsize_t *offset, size_t row, struct stored *out)
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

bool h5calib_rawmap_resolve(binding *b, const struct rawmap *m, uint64_t frame, size_t row,
                            size_t rows)
{
    hsize_t offset[H5CALIB_MAX_RANK];
    size_t within, first = chunk_of(m, frame, &within, offset);
    for (size_t k = row / m->chunk_rows; k <= (row + rows - 1) / m->chunk_rows; k++) {
        struct stored *stored = &m->stored[first + k];
        if (stored->address == UNKNOWN)
            find_chunk(b, m, offset, k * m->chunk_rows, stored);
        if (stored->address == UNKNOWN || (m->parts && stored->mask))
            return false;
    }
    return true;
}

/* ---- without HDF5 ------------------------------------------------------------------------- */

void h5calib_rawmap_announce(const struct rawmap *m, uint64_t frame)
{
    const size_t bytes = m->ny * m->nx * m->values * m->element;
    size_t within, first = chunk_of(m, frame, &within, NULL);
    if (h5calib_rawmap_decodes(m) || m->row_chunks > 1)
        return; /* each of these chunks is read as a whole, which the system sees */
    h5calib_will_need(m->file.fd, m->stored[first].address + within * bytes, bytes);
}

void h5calib_scratch_free(h5calib_scratch *scratch)
{
    free(scratch->pixels);
    free(scratch->chunk);
}

bool h5calib_rawmap_decodes(const struct rawmap *map)
{
    return map->n_codecs > 0 || map->parts;
}

bool h5calib_rawmap_decodes_parts(const struct rawmap *map)
{
    return map->parts;
}

size_t h5calib_rawmap_chunk(const struct rawmap *map, uint64_t frame)
{
    size_t within;
    return chunk_of(map, frame, &within, NULL);
}

static bool make_pixels(h5calib_scratch *scratch, size_t bytes)
{
    if (bytes <= scratch->capacity)
        return true;
    free(scratch->pixels);
    scratch->pixels = malloc(bytes);
    scratch->capacity = scratch->pixels ? bytes : 0;
    scratch->n = 0;
    return scratch->pixels != NULL;
}

/* Memory is not taken for a chunk that its file cannot have. */
static bool may_be_there(const rawmap *m, const struct stored *stored)
{
    return stored->bytes <= m->file.stamp.size && stored->bytes <= h5calib_bound();
}

/* A whole chunk, by the plugins of HDF5. */
static bool decode(const rawmap *m, size_t number, h5calib_scratch *scratch)
{
    const struct stored *stored = &m->stored[number];
    if (scratch->chunk && scratch->number == number)
        return true;
    free(scratch->chunk);
    scratch->chunk = may_be_there(m, stored) ? malloc((size_t)stored->bytes + 1) : NULL;
    scratch->number = number;
    if (scratch->chunk &&
        h5calib_pread_whole(m->file.fd, scratch->chunk, (size_t)stored->bytes, stored->address) &&
        h5calib_codecs_decode(m->codecs, m->n_codecs, stored->mask, &scratch->chunk,
                              (size_t)stored->bytes, m->chunk_bytes))
        return true;
    free(scratch->chunk);
    scratch->chunk = NULL;
    return false;
}

/* A chunk as it is stored. */
static bool read_stored(const rawmap *m, size_t number, h5calib_scratch *scratch)
{
    const struct stored *stored = &m->stored[number];
    if (scratch->chunk && scratch->number == number)
        return true;
    scratch->n = 0;
    if (stored->bytes > scratch->chunk_capacity) {
        free(scratch->chunk);
        scratch->chunk_capacity =
            (size_t)(stored->bytes + stored->bytes / 8); /* others have more */
        scratch->chunk = may_be_there(m, stored) ? malloc(scratch->chunk_capacity) : NULL;
    }
    scratch->number = number;
    if (scratch->chunk &&
        h5calib_pread_whole(m->file.fd, scratch->chunk, (size_t)stored->bytes, stored->address) &&
        h5calib_bitshuffle_open(&scratch->parts, scratch->chunk, (size_t)stored->bytes,
                                m->chunk_bytes, m->element))
        return true;
    free(scratch->chunk);
    scratch->chunk = NULL;
    scratch->chunk_capacity = 0;
    return false;
}

/* Elements [first, first + n) of the chunk at hand, with others of their blocks, which may be
 * asked for next. */
static const char *decode_part(const rawmap *m, size_t first, size_t n, h5calib_scratch *scratch)
{
    if (first < scratch->first || first + n > scratch->first + scratch->n) {
        h5calib_bitshuffle *parts = &scratch->parts;
        const size_t begin = first / parts->block * parts->block;
        size_t end = (first + n + parts->block - 1) / parts->block * parts->block;
        if (end > parts->elements)
            end = parts->elements;
        scratch->n = 0;
        if (!make_pixels(scratch, (end - begin) * m->element) ||
            !h5calib_bitshuffle_read(parts, begin, end - begin, scratch->pixels))
            return NULL;
        scratch->first = begin;
        scratch->n = end - begin;
    }
    return scratch->pixels + (first - scratch->first) * m->element;
}

static const char *decode_planes(const rawmap *m, size_t first, size_t second, size_t n,
                                 h5calib_scratch *scratch)
{
    if (!make_pixels(scratch, 2 * n * m->element) ||
        !h5calib_bitshuffle_read(&scratch->parts, first, n, scratch->pixels) ||
        !h5calib_bitshuffle_read(&scratch->parts, second, n, scratch->pixels + n * m->element))
        return NULL;
    return scratch->pixels;
}

void h5calib_rawmap_look(const struct rawmap *m, const uint64_t *frames, size_t count, size_t pixel,
                         size_t n, bool all_around, const char **raw, size_t *plane,
                         h5calib_window **windows)
{
    uint64_t offsets[H5CALIB_MOST_FRAMES];
    const size_t bytes = m->element * (m->planes ? 1 : m->values), planes = m->planes ? 2 : 1;
    const size_t chunk_pixels = m->chunk_rows * m->nx;
    const size_t k = pixel / chunk_pixels, at = pixel % chunk_pixels;
    *plane = chunk_pixels * bytes;
    for (size_t i = 0; i < count; i++) {
        size_t within, first = chunk_of(m, frames[i], &within, NULL);
        offsets[i] =
            m->stored[first + k].address + (uint64_t)(within * planes * chunk_pixels + at) * bytes;
        raw[i] = NULL;
    }
    if (!m->parts && !m->n_codecs && at + n <= chunk_pixels)
        h5calib_inplace_get_all(&m->file, offsets, count, (planes - 1) * *plane + n * bytes,
                                all_around, raw, windows);
}

bool h5calib_rawmap_done(h5calib_scratch *scratch)
{
    const bool ok = !scratch->window || h5calib_inplace_release(scratch->window);
    scratch->window = NULL;
    return ok;
}

/* Plain storage: as many reads as the run has chunks, for each plane. */
static bool read_plain(const rawmap *m, size_t first, size_t within, size_t pixel, size_t n,
                       char *out)
{
    const size_t planes = m->planes ? 2 : 1, bytes = m->element * (m->planes ? 1 : m->values);
    const size_t chunk_pixels = m->chunk_rows * m->nx, plane = n * bytes;
    for (size_t part; n > 0; pixel += part, n -= part, out += part * bytes) {
        const size_t k = pixel / chunk_pixels, at = pixel % chunk_pixels;
        part = chunk_pixels - at < n ? chunk_pixels - at : n;
        const size_t reads =
            planes == 2 && part == chunk_pixels && part * bytes == plane ? 1 : planes;
        for (size_t p = 0; p < reads; p++) {
            uint64_t offset = m->stored[first + k].address +
                              (uint64_t)((within * planes + p) * chunk_pixels + at) * bytes;
            if (!h5calib_pread_whole(m->file.fd, out + p * plane, planes / reads * part * bytes,
                                     offset))
                return false;
        }
    }
    return true;
}

const char *h5calib_rawmap_get(const struct rawmap *m, uint64_t frame, size_t pixel, size_t n,
                               h5calib_scratch *scratch, size_t *plane)
{
    const size_t frame_pixels = m->chunk_rows * m->nx;
    size_t within, first = chunk_of(m, frame, &within, NULL);
    *plane = n * m->element;
    if (m->parts) {
        const size_t at = within * frame_pixels * m->values;
        if (!read_stored(m, first, scratch))
            return NULL;
        return m->planes ? decode_planes(m, at + pixel, at + frame_pixels + pixel, n, scratch)
                         : decode_part(m, at + pixel * m->values, n * m->values, scratch);
    }
    if (m->n_codecs) {
        *plane = frame_pixels * m->element;
        if (!decode(m, first, scratch))
            return NULL;
        return (char *)scratch->chunk + within * frame_pixels * m->values * m->element +
               pixel * m->element * (m->planes ? 1 : m->values);
    }
    const char *in_place = NULL;
    if (scratch->in_place)
        h5calib_rawmap_look(m, &frame, 1, pixel, n, scratch->all_around, &in_place, plane,
                            &scratch->window);
    if (in_place)
        return in_place;
    *plane = n * m->element;
    return make_pixels(scratch, n * m->values * m->element) &&
                   read_plain(m, first, within, pixel, n, scratch->pixels)
               ? scratch->pixels
               : NULL;
}
