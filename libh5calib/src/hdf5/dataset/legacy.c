/*
 * legacy.c - datasets of the first h5calib (format version 0).
 *
 * Their chunks name raw data and constants, but nothing names the dataset. So
 * all datasets with this filter and no parameters are looked at: those whose
 * chunks have the shape the header says must hold float32, or HDF5 would be
 * given fewer bytes than it expects.
 */
#include "hdf5/dataset/legacy.h"

#include <stdio.h>
#include <string.h>

#include "hdf5/dataset/limits.h"
#include "hdf5/dataset/setup.h"
#include "hdf5/library/survey.h"

typedef struct fitting {
    const h5calib_legacy *l;
    unsigned good, other;
} fitting;

static void count_fitting(binding *b, hid_t dataset, hid_t plist, const unsigned *words, size_t n,
                          void *data)
{
    fitting *f = data;
    hsize_t chunk[H5CALIB_MAX_RANK];
    (void)words;
    if (n != 0 || b->api.H5Pget_chunk(plist, H5CALIB_MAX_RANK, chunk) != 3 || chunk[0] != 1 ||
        chunk[1] != f->l->ny || chunk[2] != f->l->nx)
        return;
    h5calib_source s = {.dataset = dataset};
    bool floats = h5calib_source_type(b, &s) && s.dtype == H5CALIB_F32;
    b->api.H5Tclose(s.memory_type);
    f->good += floats;
    f->other += !floats;
}

static bool take_shape(binding *b, calibrated *c, const h5calib_legacy *l, char *message,
                       size_t size)
{
    fitting f = {.l = l};
    h5calib_survey(b, c->home->file, count_fitting, &f);
    if (f.good == 0 || f.other > 0) {
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
        h5calib_say(message, size, "raw dataset '%s' does not have frames of %u x %u", l->raw,
                    l->ny, l->nx);
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
    if ((size_t)snprintf(c->legacy_raw, sizeof c->legacy_raw, "%s", l->raw) >=
            sizeof c->legacy_raw ||
        (size_t)snprintf(c->legacy_constants, sizeof c->legacy_constants, "%s", l->constants) >=
            sizeof c->legacy_constants) {
        h5calib_say(message, size, "a path in a chunk's header is too long");
        return false;
    }
    if (!h5calib_find_algorithm(c, l->algorithm, message, size) ||
        !take_shape(b, c, l, message, size) || !take_raw(b, c, l, message, size) ||
        !h5calib_check_chunk(c, message, size))
        return false;
    snprintf(c->axes[0], sizeof c->axes[0], "%s",
             c->algorithm->raw_layout == H5CALIB_RAW_LAST ? "cyxs" : "cyx");
    c->n_cells = 1;
    if (!h5calib_take_constant(b, c, c->home->file, l->constants, 0, &stages, message, size))
        return false;
    /* more are none of its business: it took the first ones */
    if (c->n_cells < l->cells) {
        h5calib_say(message, size, "constants '%s' are for %u memory cells, the chunk says %u",
                    l->constants, c->n_cells, l->cells);
        return false;
    }
    h5calib_config config = h5calib_config_of(c, l->algorithm, 0, NULL);
    return h5calib_take_calibrator(c, &config, &stages, message, size);
}
