/*
 * source.c - datasets the calibration is computed from, opened privately.
 */
#include "hdf5/data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/descriptor.h"
#include "core/sizes.h"
#include "hdf5/file/reach.h"
#include "hdf5/library/names.h"
#include "hdf5/system/text.h"

#define MAX_HOPS 32 /* of HDF5 itself: 16 */

/* ---- what kind of numbers ----------------------------------------------------------- */

static h5calib_dtype integer_type(size_t size, bool is_signed)
{
    switch (size) {
    case 1: return is_signed ? H5CALIB_I8 : H5CALIB_U8;
    case 2: return is_signed ? H5CALIB_I16 : H5CALIB_U16;
    case 4: return is_signed ? H5CALIB_I32 : H5CALIB_U32;
    case 8: return is_signed ? H5CALIB_I64 : H5CALIB_U64;
    default: return 0;
    }
}

static h5calib_dtype float_type(const h5 *api, hid_t type, size_t size)
{
    size_t bias = api->H5Tget_ebias(type);
    if (api->H5Tget_precision(type) != 8 * size)
        return 0;
    if (size == 2 && bias == 15)
        return H5CALIB_F16;
    if (size == 4 && bias == 127)
        return H5CALIB_F32;
    return size == 8 && bias == 1023 ? H5CALIB_F64 : 0;
}

static bool little_endian(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* HDF5 converts byte order and padding bits; the numbers stay what they are. */
bool h5calib_source_type(binding *b, h5calib_source *s)
{
    const h5 *api = &b->api;
    hid_t stored = api->H5Dget_type(s->dataset);
    hid_t type = s->memory_type = api->H5Tcopy(stored);
    s->element = api->H5Tget_size(type);
    s->dtype = 0;
    switch (api->H5Tget_class(type)) {
    case H5T_INTEGER:
        s->dtype = integer_type(s->element, api->H5Tget_sign(type) != H5T_SGN_NONE);
        api->H5Tset_offset(type, 0);
        api->H5Tset_precision(type, 8 * s->element);
        break;
    case H5T_FLOAT: s->dtype = float_type(api, type, s->element); break;
    case H5T_ENUM: /* h5py's booleans */ s->dtype = s->element == 1 ? H5CALIB_I8 : 0; break;
    default: break;
    }
    if (s->dtype && s->element > 1)
        api->H5Tset_order(type, little_endian() ? H5T_ORDER_LE : H5T_ORDER_BE);
    api->H5Tclose(stored);
    return s->dtype != 0;
}

/* ---- where its bytes are --------------------------------------------------------------- */

/* Whose are its bytes? Those of a virtual dataset are in other files, which are opened. */
static bool take_storage(binding *b, h5calib_source *s, char *message, size_t size)
{
    const h5 *api = &b->api;
    unsigned flags;
    size_t none = 0;
    hid_t plist = api->H5Dget_create_plist(s->dataset);
    const bool is_virtual = api->H5Pget_layout(plist) == H5D_VIRTUAL;
    s->elsewhere = api->H5Pget_external_count(plist) > 0;
    s->calibrated = api->H5Pget_nfilters(plist) > 0 &&
                    api->H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, &none, NULL, 0,
                                              NULL, NULL) >= 0;
    const bool fits = h5calib_chunks_fit(b, s->dataset, plist, message, size) &&
                      (!s->elsewhere || h5calib_may_reach(s->view, NULL, message, size));
    api->H5Pclose(plist);
    if (!is_virtual || !fits)
        return fits;
    s->parts = h5calib_parts_open(b, s->view, s->dataset, message, size);
    s->elsewhere |= s->parts && s->parts->elsewhere;
    return s->parts != NULL;
}

static bool describe_source(binding *b, h5calib_source *s, const char *what, const char *path,
                            char *message, size_t size)
{
    const h5 *api = &b->api;
    hid_t space = api->H5Dget_space(s->dataset);
    s->rank = api->H5Sget_simple_extent_ndims(space);
    bool ok = s->rank >= 0 && s->rank <= H5CALIB_MAX_RANK;
    if (ok && s->rank > 0)
        ok = api->H5Sget_simple_extent_dims(space, s->dims, NULL) >= 0;
    api->H5Sclose(space);
    if (!ok || !h5calib_source_type(b, s)) {
        h5calib_say(message, size,
                    "%s '%s' in '%s' does not hold integers or floating-point numbers", what, path,
                    s->view->path);
        return false;
    }
    if (!h5calib_product(s->dims, s->rank, s->element, H5CALIB_MOST_BYTES, &s->bytes)) {
        h5calib_say(message, size,
                    "%s '%s' in '%s' has a shape of more bytes than a file can have: it is damaged",
                    what, path, s->view->path);
        return false;
    }
    return take_storage(b, s, message, size);
}

/* ---- following links ----------------------------------------------------------------------- */

typedef struct place {
    view *view; /* used */
    hid_t group;
    char *path;
} place;

/* Take the path as the place's own. */
static bool go_to(place *at, char *path, char *message, size_t size)
{
    if (!path) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    free(at->path);
    at->path = path;
    return true;
}

static bool go_to_file(binding *b, place *at, const char *file, const char *path, const char *what,
                       char *message, size_t size)
{
    char why[512] = "";
    bool unknown = false;
    char *full = h5calib_resolve(at->view, file, why, sizeof why);
    if (full && !h5calib_may_reach(at->view, full, message, size)) {
        free(full);
        return false;
    }
    view *v = full ? h5calib_reach(b, full, NULL, &unknown, why, sizeof why) : NULL;
    if (unknown || (!v && !full))
        h5calib_say(message, size, "%s", why);
    else if (!v)
        h5calib_say(message, size, "%s '%s': looked for its file at '%s': %s", what, path, full,
                    why);
    free(full);
    if (!v)
        return false;
    h5calib_view_release(b, at->view);
    at->view = v;
    at->group = v->file;
    return go_to(at, h5calib_text("%s", path), message, size);
}

/* The end of the first part of the path that is a soft or an external link; 0: there is none. HDF5
 * would follow the second kind with the help of HDF5_EXT_PREFIX and the current folder. */
static size_t first_link(binding *b, const place *at, h5_link_info *info)
{
    char *path = h5calib_text("%s", at->path);
    for (size_t begin = 0, end; path && path[begin]; begin = end) {
        begin += strspn(path + begin, "/");
        end = begin + strcspn(path + begin, "/");
        if (end == begin || (end == begin + 1 && path[begin] == '.'))
            continue;
        const char after = path[end];
        memset(info, 0, sizeof *info);
        path[end] = 0;
        const bool known = b->api.H5Lget_info(at->group, path, info, H5P_DEFAULT) >= 0;
        path[end] = after;
        if (known && info->type == H5L_TYPE_HARD)
            continue;
        free(path);
        return known ? end : 0; /* what is not there HDF5 will not find either */
    }
    free(path);
    return 0;
}

/* Follow the link that the first `end` bytes of the path are. */
static bool follow_link(binding *b, place *at, size_t end, const h5_link_info *info,
                        const char *what, char *message, size_t size)
{
    char *file = NULL, *object = NULL, *next = NULL;
    bool ok = false;
    char *link = h5calib_text("%.*s", (int)end, at->path);
    if (link && info->type == H5L_TYPE_SOFT) {
        size_t folder = end;
        while (folder > 0 && at->path[folder - 1] != '/')
            folder--;
        object = h5calib_soft_target(b, at->group, link, info);
        if (object)
            next = h5calib_text("%.*s%s%s", object[0] == '/' ? 0 : (int)folder, at->path, object,
                                at->path + end);
        ok = go_to(at, next, message, size);
    } else if (link && info->type == H5L_TYPE_EXTERNAL &&
               h5calib_external_target(b, at->group, link, info, &file, &object)) {
        next = h5calib_text("%s%s", object, at->path + end);
        ok = next && go_to_file(b, at, file, next, what, message, size);
        free(next);
    } else {
        h5calib_say(message, size, "%s: the link '%s' in '%s' is damaged, or of an unknown kind",
                    what, at->path, at->view->path);
    }
    free(file);
    free(object);
    free(link);
    return ok;
}

static hid_t follow(binding *b, place *at, const char *what, char *message, size_t size)
{
    h5_link_info info;
    size_t end;
    for (int hop = 0; hop <= MAX_HOPS; hop++) {
        if ((end = first_link(b, at, &info)) > 0) {
            if (!follow_link(b, at, end, &info, what, message, size))
                return -1;
            continue;
        }
        hid_t dataset = b->api.H5Dopen2(at->group, at->path, H5P_DEFAULT);
        if (dataset < 0)
            h5calib_say(message, size, "%s '%s' not found in '%s'", what, at->path, at->view->path);
        return dataset;
    }
    h5calib_say(message, size, "%s: more than %d links one behind the other", what, MAX_HOPS);
    return -1;
}

bool h5calib_source_open(binding *b, view *owner, hid_t group, const char *name, const char *what,
                         h5calib_source *out, char *message, size_t size)
{
    place at = {.view = owner, .group = group};
    memset(out, 0, sizeof *out);
    out->dataset = out->memory_type = -1;
    owner->uses++;
    hid_t dataset = -1;
    if (go_to(&at, h5calib_text("%s", name), message, size))
        dataset = follow(b, &at, what, message, size);
    if (dataset >= 0) {
        out->view = at.view;
        out->held = at.view != owner;
        out->view->holds += out->held;
        out->view->uses++;
        out->pinned = true;
        out->dataset = dataset;
        if (!describe_source(b, out, what, at.path, message, size)) {
            h5calib_source_close(b, out);
            dataset = -1;
        }
    }
    h5calib_view_release(b, at.view);
    free(at.path);
    return dataset >= 0;
}

view *h5calib_source_view(const h5calib_source *source, size_t i)
{
    if (!source->view || i == 0)
        return source->view;
    return source->parts && i <= source->parts->n ? source->parts->views[i - 1] : NULL;
}

/* A view in use is not closed, however fresh its file: until its owner is set up
 * and counts its views itself, each source does. */
void h5calib_source_unpin(binding *b, h5calib_source *source)
{
    if (!source->view || !source->pinned)
        return;
    source->pinned = false;
    view *v;
    for (size_t i = 0; (v = h5calib_source_view(source, i)) != NULL; i++)
        h5calib_view_release(b, v);
}

void h5calib_source_close(binding *b, h5calib_source *source)
{
    if (!source->view)
        return;
    if (source->memory_type >= 0)
        b->api.H5Tclose(source->memory_type);
    b->api.H5Dclose(source->dataset);
    h5calib_source_unpin(b, source);
    h5calib_parts_close(source->parts);
    source->parts = NULL;
    source->view->holds -= source->held;
    source->view = NULL;
}

bool h5calib_plain_storage(binding *b, const h5calib_source *s)
{
    const h5 *api = &b->api;
    hsize_t userblock = 0;
    hid_t stored = api->H5Dget_type(s->dataset);
    bool ok = s->view->fd >= 0 && !s->elsewhere && s->rank > 0 &&
              api->H5Tequal(stored, s->memory_type) > 0;
    api->H5Tclose(stored);
    hid_t plist = api->H5Fget_create_plist(s->view->file);
    ok = ok && api->H5Pget_userblock(plist, &userblock) >= 0 && userblock == 0;
    api->H5Pclose(plist);
    return ok;
}

/* ---- text beside links ------------------------------------------------------------------ */

bool h5calib_read_text(binding *b, hid_t group, const char *name, char *out, size_t out_size)
{
    const h5 *api = &b->api;
    memset(out, 0, out_size);
    if (api->H5Aexists(group, name) <= 0)
        return false;
    hid_t attribute = api->H5Aopen(group, name, H5P_DEFAULT);
    hid_t type = api->H5Aget_type(attribute);
    bool ok = api->H5Tget_class(type) == H5T_STRING && api->H5Tis_variable_str(type) == 0 &&
              api->H5Aget_storage_size(attribute) < out_size &&
              api->H5Aread(attribute, type, out) >= 0;
    api->H5Tclose(type);
    api->H5Aclose(attribute);
    return ok;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static H5CALIB_THREAD_LOCAL const h5calib_source *reading;

static H5CALIB_THREAD_LOCAL char nested_message[1024];

const h5calib_source *h5calib_source_reading(void)
{
    return reading;
}

void h5calib_source_failed(const char *message)
{
    snprintf(nested_message, sizeof nested_message, "%s", message);
}

/* What lies behind the end of a file HDF5 takes for zeros: was it cut short since it was opened? */
static bool whole(const view *v)
{
    h5calib_stamp now;
    return v->fd < 0 || (h5calib_stamp_fd(v->fd, &now) && now.size >= v->stamp.size);
}

bool h5calib_source_read(binding *b, const h5calib_source *s, const hsize_t *start,
                         const hsize_t *count, void *buffer, char *message, size_t size)
{
    const h5 *api = &b->api;
    const h5calib_source *outer = reading;
    hid_t space = api->H5Dget_space(s->dataset);
    hid_t memory = api->H5Screate_simple(s->rank, count, NULL);
    bool ok = s->rank == 0 ||
              api->H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0;
    uint64_t bytes = 0;
    ok = ok && h5calib_product(count, s->rank, s->element, s->bytes, &bytes);
    if (ok) /* HDF5 leaves out what was never allocated and has no fill value */
        memset(buffer, 0, (size_t)bytes);
    nested_message[0] = 0;
    reading = s;
    ok = ok && api->H5Dread(s->dataset, s->memory_type, memory, space, H5P_DEFAULT, buffer) >= 0;
    reading = outer;
    ok = ok && whole(s->view);
    api->H5Sclose(memory);
    api->H5Sclose(space);
    if (!ok && nested_message[0]) {
        h5calib_say(message, size, "%s", nested_message);
    } else if (!ok) {
        char path[512] = "?";
        api->H5Iget_name(s->dataset, path, sizeof path);
        h5calib_say(message, size,
                    "'%s' in '%s' cannot be read by HDF5: is its compression filter installed, is "
                    "the file whole?",
                    path, s->view->path);
    }
    return ok;
}
