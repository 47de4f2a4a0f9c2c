/*
 * legacy.c - datasets of the first h5calib (format version 0).
 *
 * Their chunks name raw data and constants, but nothing names the dataset. So
 * all datasets with this filter and no parameters are looked at: those whose
 * chunks have the shape the header says must hold float32, or HDF5 would be
 * given fewer bytes than it expects.
 */
#include <stdio.h>
#include <string.h>

#include "setup.h"

typedef struct survey {
    binding *b;
    const h5calib_legacy *l;
    unsigned fitting, other;
} survey;

static bool is_legacy(const h5 *api, hid_t plist, hsize_t chunk[H5CALIB_MAX_RANK])
{
    unsigned flags;
    size_t words = 0;
    return api->H5Pget_layout(plist) == H5D_CHUNKED && api->H5Pget_nfilters(plist) == 1 &&
           api->H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, &words, NULL, 0, NULL,
                                     NULL) >= 0 &&
           words == 0 && api->H5Pget_chunk(plist, H5CALIB_MAX_RANK, chunk) == 3;
}

static herr_t look(hid_t root, const char *name, const void *info, void *data)
{
    (void)info;
    survey *s = data;
    const h5 *api = &s->b->api;
    hsize_t chunk[H5CALIB_MAX_RANK];
    hid_t dataset = api->H5Dopen2(root, name, H5P_DEFAULT);
    if (dataset < 0)
        return 0; /* a group or a type */
    hid_t plist = api->H5Dget_create_plist(dataset);
    if (is_legacy(api, plist, chunk)) {
        h5calib_source found = {.dataset = dataset};
        bool floats = h5calib_source_type(s->b, &found) && found.dtype == H5CALIB_F32;
        bool fits = chunk[0] == 1 && chunk[1] == s->l->ny && chunk[2] == s->l->nx;
        api->H5Tclose(found.memory_type);
        s->fitting += fits && floats;
        s->other += fits && !floats;
    }
    api->H5Pclose(plist);
    api->H5Dclose(dataset);
    return 0;
}

static bool take_shape(binding *b, calibrated *c, const h5calib_legacy *l, char *message,
                       size_t size)
{
    survey s = {.b = b, .l = l};
    b->api.H5Ovisit(c->home->file, 0, 2, look, &s); /* by name, in native order */
    if (s.fitting == 0 || s.other > 0) {
        h5calib_say(message, size,
                    "'%s' has no float32 dataset with chunks of 1 x %u x %u that this chunk could "
                    "belong to: it is damaged, or was made with another dtype",
                    c->home->path, l->ny, l->nx);
        return false;
    }
    c->rank = 3;
    c->chunk[0] = 1;
    c->chunk[1] = c->dims[1] = l->ny;
    c->chunk[2] = c->dims[2] = l->nx;
    c->dtype = H5CALIB_F32;
    return true;
}

static bool take_raw(binding *b, calibrated *c, const h5calib_legacy *l, char *message, size_t size)
{
    const bool pairs = c->algorithm->raw_layout == H5CALIB_RAW_LAST;
    const h5calib_source *raw = &c->raw;
    if (!h5calib_source_open(b, c->home, c->home->file, l->raw, "raw dataset", &c->raw, message,
                             size))
        return false;
    if (raw->rank != 3 + pairs || raw->dims[1] != l->ny || raw->dims[2] != l->nx ||
        (pairs && raw->dims[3] != 2)) {
        h5calib_say(message, size, "raw dataset '%s' does not have frames of %u x %u", l->raw, l->ny,
                    l->nx);
        return false;
    }
    c->n_frames = c->n_raw_frames = c->dims[0] = raw->dims[0];
    return true;
}

bool h5calib_set_up_legacy(binding *b, calibrated *c, const h5calib_legacy *l, char *message,
                           size_t size)
{
    unsigned stages = 0;
    c->legacy_algorithm = l->algorithm;
    if ((size_t)snprintf(c->legacy_raw, sizeof c->legacy_raw, "%s", l->raw) >= sizeof c->legacy_raw ||
        (size_t)snprintf(c->legacy_constants, sizeof c->legacy_constants, "%s", l->constants) >=
            sizeof c->legacy_constants) {
        h5calib_say(message, size, "a path in a chunk's header is too long");
        return false;
    }
    if (!h5calib_find_algorithm(c, l->algorithm, message, size) ||
        !take_shape(b, c, l, message, size) || !take_raw(b, c, l, message, size))
        return false;
    snprintf(c->axes[0], sizeof c->axes[0], "%s",
             c->algorithm->raw_layout == H5CALIB_RAW_LAST ? "cyxs" : "cyx");
    c->n_cells = 1;
    if (!h5calib_take_constant(b, c, c->home->file, l->constants, 0, &stages, message, size))
        return false;
    if (c->n_cells != l->cells) {
        h5calib_say(message, size, "constants '%s' are for %u memory cells, the chunk says %u",
                    l->constants, c->n_cells, l->cells);
        return false;
    }
    h5calib_config config = h5calib_config_of(c, l->algorithm, 0, NULL);
    return h5calib_take_calibrator(c, &config, &stages, message, size);
}
