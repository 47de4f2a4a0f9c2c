/*
 * pixels.c - raw pixels from the file, where a map tells where they lie. No HDF5.
 */
#include "hdf5/data/pixels.h"

#include <stdlib.h>

#include "hdf5/system/policy.h"

void h5calib_scratch_free(h5calib_scratch *scratch)
{
    free(scratch->pixels);
    free(scratch->chunk);
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
static bool may_be_there(const h5calib_rawmap *m, const struct h5calib_stored *stored)
{
    return stored->bytes <= m->file.stamp.size && stored->bytes <= h5calib_bound();
}

/* A whole chunk, by the plugins of HDF5. */
static bool decode(const h5calib_rawmap *m, size_t number, h5calib_scratch *scratch)
{
    const struct h5calib_stored *stored = &m->stored[number];
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
static bool read_stored(const h5calib_rawmap *m, size_t number, h5calib_scratch *scratch)
{
    const struct h5calib_stored *stored = &m->stored[number];
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
static const char *decode_part(const h5calib_rawmap *m, size_t first, size_t n,
                               h5calib_scratch *scratch)
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

static const char *decode_planes(const h5calib_rawmap *m, size_t first, size_t second, size_t n,
                                 h5calib_scratch *scratch)
{
    if (!make_pixels(scratch, 2 * n * m->element) ||
        !h5calib_bitshuffle_read(&scratch->parts, first, n, scratch->pixels) ||
        !h5calib_bitshuffle_read(&scratch->parts, second, n, scratch->pixels + n * m->element))
        return NULL;
    return scratch->pixels;
}

void h5calib_pixels_look(const h5calib_rawmap *m, const uint64_t *frames, size_t count,
                         size_t pixel, size_t n, bool all_around, const char **raw, size_t *plane,
                         h5calib_window **windows)
{
    uint64_t offsets[H5CALIB_MOST_FRAMES];
    const size_t bytes = m->element * (m->planes ? 1 : m->values), planes = m->planes ? 2 : 1;
    const size_t chunk_pixels = m->chunk_rows * m->nx;
    const size_t k = pixel / chunk_pixels, at = pixel % chunk_pixels;
    *plane = chunk_pixels * bytes;
    for (size_t i = 0; i < count; i++) {
        size_t within, first = h5calib_rawmap_chunk_of(m, frames[i], &within, NULL);
        offsets[i] =
            m->stored[first + k].address + (uint64_t)(within * planes * chunk_pixels + at) * bytes;
        raw[i] = NULL;
    }
    if (!m->parts && !m->n_codecs && at + n <= chunk_pixels)
        h5calib_inplace_get_all(&m->file, offsets, count, (planes - 1) * *plane + n * bytes,
                                all_around, raw, windows);
}

bool h5calib_pixels_done(h5calib_scratch *scratch)
{
    const bool ok = !scratch->window || h5calib_inplace_release(scratch->window);
    scratch->window = NULL;
    return ok;
}

/* Plain storage: as many reads as the run has chunks, for each plane. */
static bool read_plain(const h5calib_rawmap *m, size_t first, size_t within, size_t pixel, size_t n,
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

const char *h5calib_pixels_get(const h5calib_rawmap *m, uint64_t frame, size_t pixel, size_t n,
                               h5calib_scratch *scratch, size_t *plane)
{
    const size_t frame_pixels = m->chunk_rows * m->nx;
    size_t within, first = h5calib_rawmap_chunk_of(m, frame, &within, NULL);
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
        h5calib_pixels_look(m, &frame, 1, pixel, n, scratch->all_around, &in_place, plane,
                            &scratch->window);
    if (in_place)
        return in_place;
    *plane = n * m->element;
    return make_pixels(scratch, n * m->values * m->element) &&
                   read_plain(m, first, within, pixel, n, scratch->pixels)
               ? scratch->pixels
               : NULL;
}
