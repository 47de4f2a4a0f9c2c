/*
 * written.c - which elements of a dataset were never written, as far as its file tells.
 */
#include "hdf5/data/written.h"

#include <string.h>

/* A part of the dataset, and the marks of all of it. */
typedef struct marked {
    int rank;
    const hsize_t *start, *count;
    unsigned char *marks;
} marked;

static hsize_t least(hsize_t a, hsize_t b)
{
    return a < b ? a : b;
}

/* Set the marks of elements [from, to) of the dataset that lie in the box. */
static void set_marks(const marked *m, const hsize_t *from, const hsize_t *to, unsigned char value)
{
    hsize_t at[H5CALIB_MAX_RANK], low[H5CALIB_MAX_RANK], high[H5CALIB_MAX_RANK];
    const int last = m->rank - 1;
    for (int i = 0; i < m->rank; i++) {
        low[i] = from[i] > m->start[i] ? from[i] - m->start[i] : 0;
        high[i] = to[i] > m->start[i] ? least(to[i] - m->start[i], m->count[i]) : 0;
        if (low[i] >= high[i])
            return;
        at[i] = low[i];
    }
    for (int i = 0; i >= 0;) { /* row by row */
        hsize_t place = 0;
        for (int k = 0; k <= last; k++)
            place = place * m->count[k] + at[k];
        memset(m->marks + place, value, (size_t)(high[last] - low[last]));
        for (i = last - 1; i >= 0 && ++at[i] == high[i]; i--)
            at[i] = low[i];
    }
}

/* Step through the cells of a grid that touch the box: cell i of axis k is
 * [origin + i * step, ... + block). False at the end. */
typedef struct grid {
    hsize_t origin[H5CALIB_MAX_RANK], step[H5CALIB_MAX_RANK], block[H5CALIB_MAX_RANK];
    hsize_t first[H5CALIB_MAX_RANK], end[H5CALIB_MAX_RANK], at[H5CALIB_MAX_RANK];
} grid;

static bool begin_grid(grid *g, const marked *m, const hsize_t *cells)
{
    for (int i = 0; i < m->rank; i++) {
        const hsize_t stop = m->start[i] + m->count[i];
        const hsize_t gap = m->start[i] > g->origin[i] ? m->start[i] - g->origin[i] : 0;
        g->first[i] = gap >= g->block[i] ? (gap - g->block[i]) / g->step[i] : 0;
        g->end[i] = stop > g->origin[i] ? (stop - g->origin[i] - 1) / g->step[i] + 1 : 0;
        g->end[i] = least(g->end[i], cells[i]);
        if (g->first[i] >= g->end[i])
            return false;
        g->at[i] = g->first[i];
    }
    return true;
}

static bool next_cell(grid *g, int rank)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++g->at[i] < g->end[i])
            return true;
        g->at[i] = g->first[i];
    }
    return false;
}

static void cell_bounds(const grid *g, int rank, hsize_t *from, hsize_t *to)
{
    for (int i = 0; i < rank; i++) {
        from[i] = g->origin[i] + g->at[i] * g->step[i];
        to[i] = from[i] + g->block[i];
    }
}

/* ---- chunks ------------------------------------------------------------------------------- */

static bool mark_chunks(binding *b, const h5calib_source *s, hid_t plist, const marked *m)
{
    hsize_t from[H5CALIB_MAX_RANK], to[H5CALIB_MAX_RANK], cells[H5CALIB_MAX_RANK];
    grid g = {.origin = {0}};
    if (b->api.H5Pget_chunk(plist, H5CALIB_MAX_RANK, g.block) != s->rank)
        return false;
    for (int i = 0; i < s->rank; i++) {
        g.step[i] = g.block[i];
        cells[i] = UINT64_MAX;
    }
    if (!begin_grid(&g, m, cells))
        return true;
    do {
        unsigned mask;
        haddr_t address = UINT64_MAX;
        hsize_t bytes;
        cell_bounds(&g, s->rank, from, to);
        if (b->api.H5Dget_chunk_info_by_coord(s->dataset, from, &mask, &address, &bytes) < 0)
            return false;
        set_marks(m, from, to, address == UINT64_MAX);
    } while (next_cell(&g, s->rank));
    return true;
}

/* ---- sources of virtual datasets ------------------------------------------------------------ */

/* What a mapping that is no regular grid covers is not looked at closely: all it spans. */
static void cover_bounds(binding *b, hid_t space, const marked *m)
{
    hsize_t from[H5CALIB_MAX_RANK], to[H5CALIB_MAX_RANK];
    if (b->api.H5Sget_simple_extent_ndims(space) != m->rank)
        return;
    if (b->api.H5Sget_select_bounds(space, from, to) < 0)
        for (int i = 0; i < m->rank; i++) { /* without an end */
            from[i] = 0;
            to[i] = m->start[i] + m->count[i] - 1;
        }
    for (int i = 0; i < m->rank; i++)
        to[i]++;
    set_marks(m, from, to, 0);
}

static void cover(binding *b, hid_t space, const marked *m)
{
    hsize_t from[H5CALIB_MAX_RANK], to[H5CALIB_MAX_RANK], cells[H5CALIB_MAX_RANK];
    grid g;
    if (b->api.H5Sget_simple_extent_ndims(space) != m->rank ||
        b->api.H5Sis_regular_hyperslab(space) <= 0 ||
        b->api.H5Sget_regular_hyperslab(space, g.origin, g.step, cells, g.block) < 0) {
        cover_bounds(b, space, m);
        return;
    }
    for (int i = 0; i < m->rank; i++) {
        if (g.block[i] == H5S_UNLIMITED || g.block[i] > H5S_UNLIMITED / 4)
            g.block[i] = m->start[i] + m->count[i];
        g.step[i] = g.step[i] ? g.step[i] : 1;
    }
    if (!begin_grid(&g, m, cells))
        return;
    do {
        cell_bounds(&g, m->rank, from, to);
        set_marks(m, from, to, 0);
    } while (next_cell(&g, m->rank));
}

static bool mark_uncovered(binding *b, hid_t plist, const marked *m)
{
    const hsize_t zero[H5CALIB_MAX_RANK] = {0};
    hsize_t all[H5CALIB_MAX_RANK];
    size_t n = 0;
    for (int i = 0; i < m->rank; i++)
        all[i] = UINT64_MAX;
    set_marks(m, zero, all, 1);
    if (b->api.H5Pget_virtual_count(plist, &n) < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        hid_t space = b->api.H5Pget_virtual_vspace(plist, i);
        if (space < 0)
            return false;
        cover(b, space, m);
        b->api.H5Sclose(space);
    }
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------ */

enum { NOTHING_ALLOCATED = 0, ALL_ALLOCATED = 2 }; /* of H5D_space_status_t */

static int layout_of(binding *b, const h5calib_source *s, hid_t *plist)
{
    *plist = b->api.H5Dget_create_plist(s->dataset);
    return b->api.H5Pget_layout(*plist);
}

bool h5calib_all_written(binding *b, const h5calib_source *s)
{
    int status = 0;
    hid_t plist;
    const int layout = layout_of(b, s, &plist);
    b->api.H5Pclose(plist);
    if (s->elsewhere || layout == H5D_COMPACT)
        return layout != H5D_VIRTUAL;
    return layout != H5D_VIRTUAL && b->api.H5Dget_space_status(s->dataset, &status) >= 0 &&
           status == ALL_ALLOCATED;
}

bool h5calib_mark_unwritten(binding *b, const h5calib_source *s, const hsize_t *start,
                            const hsize_t *count, unsigned char *marks)
{
    const hsize_t zero[H5CALIB_MAX_RANK] = {0};
    const marked m = {s->rank, start, count, marks};
    int status = 0;
    hid_t plist;
    bool ok = true;
    const int layout = layout_of(b, s, &plist);
    if (layout == H5D_VIRTUAL)
        ok = mark_uncovered(b, plist, &m);
    else if (layout == H5D_CHUNKED)
        ok = mark_chunks(b, s, plist, &m);
    else {
        ok = b->api.H5Dget_space_status(s->dataset, &status) >= 0;
        set_marks(&m, zero, s->dims, status == NOTHING_ALLOCATED);
    }
    b->api.H5Pclose(plist);
    return ok;
}
