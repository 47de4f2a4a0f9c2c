/*
 * setup.c - what a calibrated dataset is made of, opened and checked.
 *
 * Nothing in the file is trusted: a filter that returns fewer bytes than the
 * chunk has would make HDF5 read past the end of its buffer.
 */
#include "hdf5/dataset/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"
#include "hdf5/data/fingerprint.h"
#include "hdf5/dataset/limits.h"
#include "hdf5/library/names.h"
#include "hdf5/system/policy.h"

/* ---- the dataset itself ------------------------------------------------------------------ */

static bool take_shape(binding *b, calibrated *c, hid_t dataset, hid_t plist)
{
    const h5 *api = &b->api;
    hid_t space = api->H5Dget_space(dataset);
    c->rank = api->H5Sget_simple_extent_ndims(space);
    bool ok = c->rank >= 2 && c->rank < H5CALIB_MAX_RANK &&
              api->H5Sget_simple_extent_dims(space, c->dims, NULL) >= 0 &&
              api->H5Pget_layout(plist) == H5D_CHUNKED &&
              api->H5Pget_chunk(plist, H5CALIB_MAX_RANK, c->chunk) == c->rank;
    api->H5Sclose(space);
    c->n_frames = 1;
    for (int i = 0; ok && i < c->rank - 2; i++)
        c->n_frames *= c->dims[i];
    return ok;
}

static bool take_type(binding *b, calibrated *c, hid_t dataset)
{
    const h5 *api = &b->api;
    h5calib_source s = {.dataset = dataset};
    bool ok = h5calib_source_type(b, &s);
    hid_t stored = api->H5Dget_type(dataset);
    /* the filter's result is taken as stored bytes: they must be native ones */
    ok = ok && (s.element == 1 || api->H5Tget_order(stored) == api->H5Tget_order(s.memory_type)) &&
         api->H5Tget_precision(stored) == 8 * s.element;
    c->dtype = s.dtype;
    api->H5Tclose(stored);
    api->H5Tclose(s.memory_type);
    return ok;
}

static bool same_words(binding *b, hid_t plist, const unsigned *words, size_t n)
{
    unsigned stored[H5CALIB_MAX_WORDS], flags;
    size_t got = H5CALIB_MAX_WORDS;
    return b->api.H5Pget_nfilters(plist) == 1 &&
           b->api.H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, &got, stored, 0, NULL,
                                       NULL) >= 0 &&
           got == n && memcmp(stored, words, n * sizeof *words) == 0;
}

static bool take_dataset(binding *b, calibrated *c, hid_t group, const unsigned *words, size_t n,
                         char *message, size_t size)
{
    hid_t dataset = b->api.H5Dopen2(group, "dataset", H5P_DEFAULT);
    if (dataset < 0) {
        h5calib_say(message, size,
                    "the calibration in '%s' has no link to its dataset: it is damaged",
                    c->home->path);
        return false;
    }
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    bool ok = same_words(b, plist, words, n) && take_shape(b, c, dataset, plist) &&
              take_type(b, c, dataset);
    b->api.H5Pclose(plist);
    b->api.H5Dclose(dataset);
    if (!ok)
        h5calib_say(message, size,
                    "the calibrated dataset in '%s' does not have the filter, shape or type it was "
                    "made with: it was changed or damaged",
                    c->home->path);
    return ok;
}

/* ---- raw data, frames ------------------------------------------------------------------- */

/* A dataset made for a whole of several modules has an axis of length 1 for the module before y,
 * which raw data do not have: HDF5 maps sources of the whole's rank many times as fast as others.
 * It counts for nothing here. */
static void drop_module_axis(calibrated *c, int raw_frame_axes)
{
    const int at = c->rank - 3;
    c->module_axis = at >= 1 && raw_frame_axes == at && c->dims[at] == 1 && c->chunk[at] == 1;
    if (!c->module_axis)
        return;
    for (int i = at; i < at + 2; i++) {
        c->dims[i] = c->dims[i + 1];
        c->chunk[i] = c->chunk[i + 1];
    }
    c->rank--;
}

static bool check_raw(calibrated *c, char *message, size_t size)
{
    const h5calib_raw_layout layout = c->algorithm->raw_layout;
    const int extra = layout != H5CALIB_RAW_ONE;
    const h5calib_source *raw = &c->raw;
    drop_module_axis(c, raw->rank - 2 - extra);
    const int lead = c->rank - 2;
    bool ok = raw->rank == c->rank + extra;
    c->n_raw_frames = 1;
    for (int i = 0; ok && i < lead; i++) {
        c->n_raw_frames *= raw->dims[i];
        if (!c->frames || i > 0)
            ok = raw->dims[i] == c->dims[i];
    }
    const int y = lead + (layout == H5CALIB_RAW_FIRST);
    ok = ok && raw->dims[y] == c->dims[lead] && raw->dims[y + 1] == c->dims[lead + 1];
    if (ok && extra)
        ok = raw->dims[layout == H5CALIB_RAW_FIRST ? lead : raw->rank - 1] == 2;
    if (!ok)
        h5calib_say(message, size,
                    "the raw dataset in '%s' no longer has the shape the calibrated dataset was "
                    "made for",
                    raw->view->path);
    return ok;
}

/* All of an open source, as int64 from malloc. */
static bool read_numbers(binding *b, const h5calib_source *s, const char *name, uint64_t *n,
                         int64_t **out, char *message, size_t size)
{
    const hsize_t zero[H5CALIB_MAX_RANK] = {0};
    const uint64_t each = sizeof **out + s->element;
    *out = NULL;
    if (!h5calib_product(s->dims, s->rank, each, H5CALIB_MOST_BYTES, n))
        *n = UINT64_MAX;
    if (!h5calib_within_bound("the frame selection", *n, message, size))
        return false;
    *n /= each;
    *out = malloc((size_t)*n * sizeof **out + 1);
    void *data = s->dtype == H5CALIB_I64 ? *out : malloc((size_t)*n * s->element + 1);
    bool ok = data && *out && s->dtype <= H5CALIB_U64;
    if (!ok)
        h5calib_say(message, size, "'%s' in '%s' does not hold integers that fit in memory", name,
                    s->view->path);
    ok = ok && h5calib_source_read(b, s, zero, s->dims, data, message, size);
    if (ok && data != *out)
        h5calib_to_int64(data, s->dtype, (size_t)*n, *out);
    if (data != *out)
        free(data);
    return ok;
}

static bool load_frames(binding *b, calibrated *c, hid_t group, char *message, size_t size)
{
    uint64_t n = 0;
    int64_t *numbers = NULL;
    if (b->api.H5Lexists(group, "frames", H5P_DEFAULT) <= 0)
        return true;
    h5calib_source s;
    if (!h5calib_source_open(b, c->home, group, "frames", "frames", &s, message, size))
        return false;
    bool ok = read_numbers(b, &s, "frames", &n, &numbers, message, size);
    h5calib_source_close(b, &s);
    c->frames = (uint64_t *)numbers;
    bool fits = c->rank >= 3 && n == c->dims[0];
    for (int i = 1; i < c->rank - 2; i++)
        fits = fits && c->dims[i] == 1;
    if (ok && !fits) {
        h5calib_say(message, size, "the frame selection in '%s' does not fit the dataset",
                    c->home->path);
        ok = false;
    }
    return ok;
}

/* ---- constants ------------------------------------------------------------------------------- */

static bool read_axes(binding *b, hid_t group, const char *name, char axes[8])
{
    char attribute_name[128];
    snprintf(attribute_name, sizeof attribute_name, "axes_%s", name);
    return h5calib_read_text(b, group, attribute_name, axes, 8);
}

/* Do the axes fit the dataset, and how many stages and cells are there? */
static bool check_axes(const calibrated *c, const h5calib_source *s, const char *axes,
                       unsigned *stages, uint32_t *cells)
{
    static const char letters[] = "csyx";
    hsize_t length[4] = {1, 1, 0, 0};
    if (strlen(axes) != (size_t)s->rank)
        return false;
    for (int i = 0; i < s->rank; i++) {
        const char *letter = strchr(letters, axes[i]);
        if (!letter || strchr(axes, axes[i]) != axes + i || s->dims[i] == 0)
            return false;
        length[letter - letters] = s->dims[i];
    }
    const hsize_t ny = c->dims[c->rank - 2], nx = c->dims[c->rank - 1];
    *cells = (uint32_t)length[0];
    *stages = (unsigned)length[1];
    return length[0] <= UINT32_MAX && length[1] <= 64 && (length[2] == 0 || length[2] == ny) &&
           (length[3] == 0 || length[3] == nx);
}

/* The European XFEL's SlopesFF divides, a flat field multiplies. Views were made that had the one
 * for the other: their values are wrong by the square of it. */
static bool check_no_slope(binding *b, const h5calib_constant_spec *spec, const h5calib_source *s,
                           char *message, size_t size)
{
    static const char slope[] = "/SlopesFF";
    if (strcmp(spec->name, "flat_field") != 0)
        return true;
    char *name = h5calib_object_name(b, s->dataset);
    const char *at = name ? strstr(name, slope) : NULL;
    const char next = at ? at[sizeof slope - 1] : 'x';
    free(name);
    if (next != 0 && next != '/')
        return true;
    h5calib_say(
        message, size,
        "the flat field is SlopesFF of '%s', which divides, and would be multiplied: create "
        "the calibrated dataset again with this version of h5calib",
        s->view->path);
    return false;
}

bool h5calib_take_constant(binding *b, calibrated *c, hid_t group, const char *link, unsigned k,
                           unsigned *stages, char *message, size_t size)
{
    const h5calib_constant_spec *spec = &c->algorithm->constants[k];
    h5calib_source *s = &c->constants[k];
    char what[96];
    uint32_t cells;
    *stages = 0;
    if ((spec->flags & H5CALIB_CONSTANT_OPTIONAL) &&
        b->api.H5Lexists(group, link, H5P_DEFAULT) <= 0)
        return true;
    snprintf(what, sizeof what, "constants '%s'", spec->name);
    if (!h5calib_source_open(b, c->home, group, link, what, s, message, size) ||
        !check_no_slope(b, spec, s, message, size))
        return false;
    if (!c->axes[k][0] && !read_axes(b, group, spec->name, c->axes[k])) {
        h5calib_say(message, size, "the order of the axes of %s is missing or damaged", what);
        return false;
    }
    if (!check_axes(c, s, c->axes[k], stages, &cells) ||
        (cells > 1 && c->n_cells > 1 && cells != c->n_cells)) {
        h5calib_say(message, size, "%s in '%s' do not have the shape the calibration was made for",
                    what, s->view->path);
        return false;
    }
    if (cells > c->n_cells)
        c->n_cells = cells;
    return true;
}

bool h5calib_take_calibrator(calibrated *c, const h5calib_config *config, const unsigned *stages,
                             char *message, size_t size)
{
    if (!h5calib_check_constants(c, message, size))
        return false;
    c->cells = calloc(c->n_cells, sizeof *c->cells);
    c->met = calloc(c->n_cells, sizeof *c->met);
    if (!c->cells || !c->met) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    return h5calib_calibrator_create(config, stages, c->algorithm->n_constants, &c->calibrator,
                                     message, size) == H5CALIB_OK &&
           h5calib_calibrator_check_dtypes(c->calibrator, c->raw.dtype, c->dtype, message, size) ==
               H5CALIB_OK;
}

static bool take_constants(binding *b, calibrated *c, hid_t group, const h5calib_config *config,
                           char *message, size_t size)
{
    unsigned stages[H5CALIB_MAX_CONSTANTS] = {0};
    c->n_cells = 1;
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        const char *name = c->algorithm->constants[k].name;
        if (!h5calib_take_constant(b, c, group, name, k, &stages[k], message, size) ||
            !h5calib_fingerprint_fits(b, group, name, &c->constants[k], false, message, size))
            return false;
    }
    return h5calib_take_calibrator(c, config, stages, message, size);
}

bool h5calib_find_algorithm(calibrated *c, uint32_t id, char *message, size_t size)
{
    c->algorithm = h5calib_algorithm_by_id(id);
    if (c->algorithm && c->algorithm->n_constants <= H5CALIB_MAX_CONSTANTS)
        return true;
    h5calib_say(message, size,
                "the dataset needs calibration algorithm 0x%08x, which this plugin (%s) does not "
                "know: install a newer libh5calib",
                id, h5calib_version());
    return false;
}

h5calib_config h5calib_config_of(const calibrated *c, uint32_t algorithm, size_t n_parameters,
                                 const h5calib_parameter *parameters)
{
    return (h5calib_config){.algorithm = algorithm,
                            .ny = (uint32_t)c->dims[c->rank - 2],
                            .nx = (uint32_t)c->dims[c->rank - 1],
                            .n_parameters = n_parameters,
                            .parameters = parameters};
}

static bool whole_frames(const calibrated *c, char *message, size_t size)
{
    const int y = c->rank - 2;
    if (!h5calib_calibrator_whole_frame(c->calibrator) ||
        (c->chunk[y] == c->dims[y] && c->chunk[y + 1] == c->dims[y + 1]))
        return true;
    h5calib_say(message, size, "algorithm %s needs chunks of whole frames", c->algorithm->name);
    return false;
}

/* ---- all of it ------------------------------------------------------------------------------ */

bool h5calib_set_up(binding *b, calibrated *c, hid_t group, const h5calib_descriptor *d,
                    const unsigned *words, size_t n, char *message, size_t size)
{
    c->unwritten_is_missing = d->flags & H5CALIB_FLAG_UNWRITTEN;
    h5calib_cell_ids_open(b, c->home, group, &c->ids);
    if (!h5calib_find_algorithm(c, d->algorithm, message, size) ||
        !take_dataset(b, c, group, words, n, message, size) ||
        !load_frames(b, c, group, message, size) ||
        !h5calib_source_open(b, c->home, group, "raw", "raw dataset", &c->raw, message, size) ||
        !check_raw(c, message, size) || !h5calib_check_chunk(c, message, size) ||
        !h5calib_fingerprint_fits(b, group, "raw", &c->raw, true, message, size))
        return false;
    h5calib_config config = h5calib_config_of(c, d->algorithm, d->n_parameters, d->parameters);
    hid_t constants = b->api.H5Gopen2(group, "constants", H5P_DEFAULT);
    if (constants < 0) {
        h5calib_say(message, size, "the calibration in '%s' has no constants: it is damaged",
                    c->home->path);
        return false;
    }
    bool ok = take_constants(b, c, constants, &config, message, size);
    b->api.H5Gclose(constants);
    return ok && whole_frames(c, message, size) &&
           h5calib_cell_ids_load(b, c->home, group, c->n_cells, c->n_raw_frames, &c->ids, message,
                                 size);
}
