/*
 * kept.c - calibrated datasets, kept with the view of their file between calls.
 */
#include "hdf5/dataset/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hdf5/data/rawmap.h"
#include "hdf5/dataset/constants.h"
#include "hdf5/dataset/legacy.h"
#include "hdf5/dataset/setup.h"
#include "hdf5/file/reach.h"

/* ---- end of life ------------------------------------------------------------------- */

static void close_all(binding *b, calibrated *c)
{
    if (c->going)
        c->going(b, c);
    h5calib_constants_forget(b, c);
    h5calib_rawmap_free(c->map);
    h5calib_source_close(b, &c->raw);
    for (int k = 0; k < H5CALIB_MAX_CONSTANTS; k++)
        h5calib_source_close(b, &c->constants[k]);
    h5calib_calibrator_free(c->calibrator);
    h5calib_calibrator_free(c->strip_calibrator);
    free(c->met);
    free(c->readers);
    h5calib_cell_ids_free(b, &c->ids);
    free(c->frames);
    free(c->cells);
    free(c);
}

static void remove_from_home(calibrated *c)
{
    for (calibrated **at = &c->home->calibrated; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
}

/* Source k of a dataset: raw, cell ids, then its constants; NULL at the end. */
static const h5calib_source *source_of(const calibrated *c, int k)
{
    if (k == 0)
        return &c->raw;
    if (k == 1)
        return &c->ids.source;
    return k < H5CALIB_MAX_CONSTANTS + 2 ? &c->constants[k - 2] : NULL;
}

static bool rests_on(const calibrated *c, const view *v)
{
    const h5calib_source *s;
    const view *part;
    for (int k = 0; (s = source_of(c, k)) != NULL; k++)
        for (size_t i = 0; (part = h5calib_source_view(s, i)) != NULL; i++)
            if (part == v)
                return true;
    return false;
}

static void free_kept(binding *b, view *home, const view *v)
{
    for (calibrated **at = &home->calibrated; *at;) {
        calibrated *c = *at;
        if (!v || (c->uses == 0 && rests_on(c, v))) {
            *at = c->next;
            close_all(b, c);
        } else {
            at = &c->next;
        }
    }
}

/* Count every file the dataset rests on as used, or no longer. */
static void count_uses(binding *b, calibrated *c, int by)
{
    const h5calib_source *s;
    view *v;
    c->uses += by;
    for (int k = 0; (s = source_of(c, k)) != NULL; k++)
        for (size_t i = 0; (v = h5calib_source_view(s, i)) != NULL; i++) {
            if (by > 0)
                v->uses++;
            else
                h5calib_view_release(b, v);
        }
}

/* Does it read files that no view of ours stands for? Then it is set up for one call:
 * nothing would show that they changed, and HDF5 may have locked them. */
static bool for_one_call(const calibrated *c)
{
    const h5calib_source *s;
    for (int k = 0; (s = source_of(c, k)) != NULL; k++)
        if (s->view && s->elsewhere)
            return true;
    return false;
}

void h5calib_calibrated_release(binding *b, calibrated *c)
{
    const bool over = c->uses == 1 && for_one_call(c);
    view *home = c->home;
    if (!over) {
        count_uses(b, c, -1);
        return;
    }
    home->uses++;
    count_uses(b, c, -1);
    remove_from_home(c);
    close_all(b, c);
    h5calib_view_release(b, home);
}

/* ---- is what was set up still so? ------------------------------------------------------ */

static bool still_so(binding *b, const calibrated *c, bool *unknown, char *message, size_t size)
{
    const h5calib_source *s;
    const view *v, *seen = c->home;
    for (int k = 0; (s = source_of(c, k)) != NULL; k++) {
        for (size_t i = 0; (v = h5calib_source_view(s, i)) != NULL; i++) {
            if (v != seen && !h5calib_reach_unchanged(b, v, unknown, message, size))
                return false;
            seen = v;
        }
    }
    return true;
}

/* The one already set up, if all it rests on is unchanged; an outdated one is freed. */
static calibrated *reuse(binding *b, view *v, const uint8_t *uuid, uint32_t crc,
                         const h5calib_legacy *l, bool *unknown, char *message, size_t size)
{
    for (calibrated *c = v->calibrated; c; c = c->next) {
        if (l ? c->legacy_algorithm != l->algorithm || strcmp(c->legacy_raw, l->raw) != 0 ||
                    strcmp(c->legacy_constants, l->constants) != 0 || c->dims[1] != l->ny ||
                    c->dims[2] != l->nx || c->n_cells != l->cells
              : c->legacy_algorithm || memcmp(c->uuid, uuid, 16) != 0 || c->words_crc != crc)
            continue;
        if (c->uses > 0 || still_so(b, c, unknown, message, size)) {
            count_uses(b, c, 1);
            return c;
        }
        remove_from_home(c);
        close_all(b, c);
        return NULL;
    }
    return NULL;
}

/* ---- opening ---------------------------------------------------------------------------- */

static calibrated *new_calibrated(view *v, char *message, size_t size)
{
    calibrated *c = calloc(1, sizeof *c);
    if (c)
        c->home = v;
    else
        h5calib_say(message, size, "out of memory");
    return c;
}

static calibrated *keep_dataset(binding *b, calibrated *c, bool ok)
{
    if (!ok) {
        close_all(b, c);
        return NULL;
    }
    c->map = h5calib_rawmap_create(b, &c->raw, c->algorithm->raw_layout, c->rank - 2, c->dims);
    c->next = c->home->calibrated;
    c->home->calibrated = c;
    c->home->free_kept = free_kept;
    count_uses(b, c, 1);
    h5calib_source_unpin(b, &c->raw);
    h5calib_source_unpin(b, &c->ids.source);
    for (int k = 0; k < H5CALIB_MAX_CONSTANTS; k++)
        h5calib_source_unpin(b, &c->constants[k]);
    return c;
}

calibrated *h5calib_calibrated_open(binding *b, view *v, const h5calib_descriptor *d,
                                    const unsigned *words, size_t n, char *message, size_t size)
{
    char path[64], text[33];
    bool unknown = false;
    calibrated *c = reuse(b, v, d->dataset_uuid, words[n - 1], NULL, &unknown, message, size);
    if (c || unknown)
        return c;
    h5calib_uuid_text(d->dataset_uuid, text);
    snprintf(path, sizeof path, "/h5calib/%s", text);
    hid_t group = b->api.H5Gopen2(v->file, path, H5P_DEFAULT);
    if (group < 0) {
        h5calib_say(message, size,
                    "file '%s' has no calibration %s: the dataset was copied without what it is "
                    "made of, or the group was deleted",
                    v->path, path);
        return NULL;
    }
    if ((c = new_calibrated(v, message, size)) != NULL) {
        memcpy(c->uuid, d->dataset_uuid, 16);
        c->words_crc = words[n - 1];
        c = keep_dataset(b, c, h5calib_set_up(b, c, group, d, words, n, message, size));
    }
    b->api.H5Gclose(group);
    return c;
}

/* A dataset of the first h5calib has no UUID; what its chunks say stands for one. */
static void legacy_uuid(const h5calib_legacy *l, uint8_t uuid[16])
{
    const uint32_t sums[3] = {l->algorithm, h5calib_crc32(0, l->raw, strlen(l->raw)),
                              h5calib_crc32(0, l->constants, strlen(l->constants))};
    memset(uuid, 0, 16);
    memcpy(uuid, sums, sizeof sums);
}

calibrated *h5calib_calibrated_open_legacy(binding *b, view *v, const h5calib_legacy *l,
                                           char *message, size_t size)
{
    bool unknown = false;
    calibrated *c = reuse(b, v, NULL, 0, l, &unknown, message, size);
    if (c || unknown || !(c = new_calibrated(v, message, size)))
        return c;
    legacy_uuid(l, c->uuid);
    return keep_dataset(b, c, h5calib_set_up_legacy(b, c, l, message, size));
}
