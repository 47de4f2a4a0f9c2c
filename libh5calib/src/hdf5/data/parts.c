/*
 * parts.c - the storage of a virtual dataset: files beyond its own.
 */
#include "hdf5/data/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/sizes.h"
#include "hdf5/file/reach.h"
#include "hdf5/system/policy.h"

#define MAX_NESTED 16

typedef struct search {
    const view *of; /* of the dataset all this is a part of */
    h5calib_parts *parts;
    int depth;
} search;

static bool look_at(binding *b, search *s, view *v, hid_t dataset, char *message, size_t size);

static bool hold(const search *s, view *v)
{
    h5calib_parts *parts = s->parts;
    if (v == s->of)
        return true;
    for (size_t i = 0; i < parts->n; i++)
        if (parts->views[i] == v)
            return true;
    view **grown = realloc(parts->views, (parts->n + 1) * sizeof *grown);
    if (!grown)
        return false;
    parts->views = grown;
    parts->views[parts->n++] = v;
    v->holds++;
    v->uses++;
    return true;
}

/* Where HDF5 will look for a source first: a prefix from the environment, then the
 * folder of the virtual dataset's file. It is not followed any further. */
static void place(const view *v, const char *file, char *path, size_t size)
{
    const char *prefix = getenv("HDF5_VDS_PREFIX");
    h5calib_stamp stamp;
    if (prefix && *prefix && strncmp(prefix, "${ORIGIN}", 9) != 0) {
        snprintf(path, size, "%s/%s", prefix, file);
        if (h5calib_stamp_path(path, &stamp))
            return;
    }
    h5calib_resolve(v, file, path, size);
}

/* From 1.14.5 on HDF5 opens a source as its virtual dataset's file was opened, and so
 * finds a view of ours. Older releases open it with file locking, which does not go
 * together with a view of it: it must be closed again, and HDF5 must be able to lock. */
static bool sources_are_shared(const binding *b)
{
    const unsigned *v = b->api.version;
    return v[0] > 1 || v[1] > 14 || (v[1] == 14 && v[2] >= 5);
}

static bool can_be_locked(binding *b, const char *path, char *message, size_t size)
{
    const h5 *api = &b->api;
    hid_t access = h5calib_new_access(b), file = -1;
    if (access >= 0 && api->H5Pset_fapl_log(access, NULL, 0, 0) >= 0)
        file = api->H5Fopen(path, H5F_ACC_RDONLY, access);
    if (access >= 0)
        api->H5Pclose(access);
    if (file < 0) {
        h5calib_say(message, size,
                    "HDF5 %u.%u.%u cannot open '%s', a source of virtual raw data, while it is in "
                    "use elsewhere: close it there, or use HDF5 1.14.5 or newer",
                    api->version[0], api->version[1], api->version[2], path);
        return false;
    }
    api->H5Fclose(file);
    return true;
}

static bool look_at_source(binding *b, search *s, view *owner, const char *file, const char *name,
                           char *message, size_t size)
{
    char path[2048], why[512] = "";
    view *v = owner;
    bool ok, unknown;
    place(owner, file, path, sizeof path);
    if (strcmp(file, ".") == 0)
        owner->uses++;
    else if (!(v = h5calib_reach(b, path, NULL, &unknown, why, sizeof why))) {
        h5calib_say(message, size, "a source of virtual raw data: %s", why);
        return false;
    }
    hid_t dataset = b->api.H5Dopen2(v->file, name, H5P_DEFAULT);
    ok = dataset >= 0 && (v->fd >= 0 || v == owner);
    if (ok && sources_are_shared(b))
        ok = hold(s, v);
    else
        s->parts->elsewhere = true;
    if (!ok)
        h5calib_say(message, size, "a source of virtual raw data, '%s', is not in '%s'", name,
                    v->path);
    if (dataset >= 0) {
        ok = ok && look_at(b, s, v, dataset, message, size);
        b->api.H5Dclose(dataset);
    }
    const bool other = v != owner;
    h5calib_view_release(b, v);
    return ok && (!other || sources_are_shared(b) || can_be_locked(b, path, message, size));
}

static bool look_at_sources(binding *b, search *s, view *v, hid_t plist, char *message, size_t size)
{
    char file[1024], name[1024];
    size_t n = 0;
    bool ok = true;
    b->api.H5Pget_virtual_count(plist, &n);
    for (size_t i = 0; ok && i < n; i++) {
        ok = b->api.H5Pget_virtual_filename(plist, i, file, sizeof file) > 0 &&
             b->api.H5Pget_virtual_dsetname(plist, i, name, sizeof name) > 0;
        if (!ok || strstr(file, "%b") || strstr(name, "%b")) {
            h5calib_say(
                message, size,
                "the sources of virtual raw data in '%s' are named by a pattern, so it cannot "
                "be known whether one is missing",
                v->path);
            return false;
        }
        if (v->image && strcmp(file, ".") != 0) {
            h5calib_say(
                message, size,
                "'%s' is open for writing and its raw data is virtual, with sources in other "
                "files: open it for reading only",
                v->path);
            return false;
        }
        ok = look_at_source(b, s, v, file, name, message, size);
    }
    return ok;
}

bool h5calib_chunks_fit(binding *b, hid_t dataset, hid_t plist, char *message, size_t size)
{
    enum { MOST_RANK = 32 };
    const h5 *api = &b->api;
    hsize_t chunk[MOST_RANK];
    uint64_t bytes = UINT64_MAX;
    if (api->H5Pget_layout(plist) != H5D_CHUNKED || api->H5Pget_nfilters(plist) <= 0)
        return true;
    hid_t type = api->H5Dget_type(dataset);
    const int rank = api->H5Pget_chunk(plist, MOST_RANK, chunk);
    if (rank < 0 || rank > MOST_RANK ||
        !h5calib_product(chunk, rank, api->H5Tget_size(type), H5CALIB_MOST_BYTES, &bytes))
        bytes = UINT64_MAX;
    api->H5Tclose(type);
    return h5calib_within_bound("a compressed chunk", bytes, message, size);
}

static bool look_at(binding *b, search *s, view *v, hid_t dataset, char *message, size_t size)
{
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    bool ok = h5calib_chunks_fit(b, dataset, plist, message, size);
    if (ok && b->api.H5Pget_layout(plist) == H5D_VIRTUAL) {
        ok = ++s->depth <= MAX_NESTED;
        if (ok)
            ok = look_at_sources(b, s, v, plist, message, size);
        else
            h5calib_say(message, size, "virtual datasets are nested too deeply");
        s->depth--;
    }
    b->api.H5Pclose(plist);
    return ok;
}

h5calib_parts *h5calib_parts_open(binding *b, view *of, hid_t dataset, char *message, size_t size)
{
    search s = {.of = of, .parts = calloc(1, sizeof *s.parts)};
    if (!s.parts)
        h5calib_say(message, size, "out of memory");
    else if (look_at(b, &s, of, dataset, message, size))
        return s.parts;
    for (size_t i = 0; s.parts && i < s.parts->n; i++)
        h5calib_view_release(b, s.parts->views[i]);
    h5calib_parts_close(s.parts);
    return NULL;
}

void h5calib_parts_close(h5calib_parts *parts)
{
    if (!parts)
        return;
    for (size_t i = 0; i < parts->n; i++)
        parts->views[i]->holds--;
    free(parts->views);
    free(parts);
}
