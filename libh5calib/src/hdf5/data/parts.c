/*
 * parts.c - the storage of a virtual dataset: files beyond its own.
 */
#include "hdf5/data/parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/sizes.h"
#include "hdf5/file/reach.h"
#include "hdf5/library/names.h"
#include "hdf5/system/policy.h"
#include "hdf5/system/text.h"

#define MAX_NESTED 16

/* A source that was met: each is looked at once, however many virtual datasets have it. */
typedef struct visit {
    uint64_t owner; /* number of the view whose mapping names it */
    char *file, *name;
    int height; /* virtual datasets one above the other in it; -1: it is being looked at */
} visit;

typedef struct search {
    const view *of; /* of the dataset all this is a part of */
    h5calib_parts *parts;
    visit *visits; /* a table by hash, not more than half full; free where there is no name */
    size_t n, room;
    int depth;
} search;

static bool look_at(binding *b, search *s, view *v, hid_t dataset, int *height, char *message,
                    size_t size);

static size_t place_of(const search *s, uint64_t owner, const char *file, const char *name)
{
    uint32_t hash = h5calib_crc32((uint32_t)owner, name, strlen(name));
    size_t at = h5calib_crc32(hash, file, strlen(file)) & (s->room - 1);
    for (; s->visits[at].name; at = (at + 1) & (s->room - 1)) {
        const visit *v = &s->visits[at];
        if (v->owner == owner && strcmp(v->name, name) == 0 && strcmp(v->file, file) == 0)
            break;
    }
    return at;
}

static bool make_room(search *s)
{
    search more = {.room = s->room ? 2 * s->room : 64};
    if (s->room > 2 * s->n)
        return true;
    more.visits = calloc(more.room, sizeof *more.visits);
    if (!more.visits)
        return false;
    for (size_t i = 0; i < s->room; i++) {
        const visit *v = &s->visits[i];
        if (v->name)
            more.visits[place_of(&more, v->owner, v->file, v->name)] = *v;
    }
    free(s->visits);
    s->visits = more.visits;
    s->room = more.room;
    return true;
}

static void forget_visits(search *s)
{
    for (size_t i = 0; i < s->room; i++) {
        free(s->visits[i].file);
        free(s->visits[i].name);
    }
    free(s->visits);
}

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
 * folder of the virtual dataset's file. It is not followed any further. To be freed. */
static char *place(const view *v, const char *file, char *message, size_t size)
{
    const char *prefix = getenv("HDF5_VDS_PREFIX");
    h5calib_stamp stamp;
    if (strcmp(file, ".") == 0)
        return h5calib_text("%s", v->path);
    if (prefix && *prefix && strncmp(prefix, "${ORIGIN}", 9) != 0) {
        char *path = h5calib_text("%s/%s", prefix, file);
        if (path && h5calib_stamp_path(path, &stamp))
            return path;
        free(path);
    }
    return h5calib_resolve(v, file, message, size);
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

static bool has_external_storage(binding *b, hid_t dataset)
{
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    const bool has = plist >= 0 && b->api.H5Pget_external_count(plist) > 0;
    if (plist >= 0)
        b->api.H5Pclose(plist);
    return has;
}

static bool open_source(binding *b, search *s, view *owner, const char *file, const char *name,
                        int *height, char *message, size_t size)
{
    char why[512] = "";
    bool ok, unknown;
    view *v = owner;
    char *path = place(owner, file, why, sizeof why);
    if (path && strcmp(file, ".") != 0 && !h5calib_may_reach(owner, path, message, size)) {
        free(path);
        return false;
    }
    if (path && strcmp(file, ".") == 0)
        owner->uses++;
    else if (!path || !(v = h5calib_reach(b, path, NULL, &unknown, why, sizeof why))) {
        h5calib_say(message, size, "a source of virtual raw data: %s", why);
        free(path);
        return false;
    }
    hid_t dataset = b->api.H5Dopen2(v->file, name, H5P_DEFAULT);
    if (dataset >= 0 && has_external_storage(b, dataset) &&
        !h5calib_may_reach(v, NULL, message, size)) {
        b->api.H5Dclose(dataset);
        h5calib_view_release(b, v);
        free(path);
        return false;
    }
    ok = dataset >= 0 && (v->fd >= 0 || v == owner);
    if (ok && sources_are_shared(b))
        ok = hold(s, v);
    else
        s->parts->elsewhere = true;
    if (!ok)
        h5calib_say(message, size, "a source of virtual raw data, '%s', is not in '%s'", name,
                    v->path);
    if (dataset >= 0) {
        ok = ok && look_at(b, s, v, dataset, height, message, size);
        b->api.H5Dclose(dataset);
    }
    const bool other = v != owner;
    h5calib_view_release(b, v);
    ok = ok && (!other || sources_are_shared(b) || can_be_locked(b, path, message, size));
    free(path);
    return ok;
}

/* Takes the two names as its own. */
static bool look_at_source(binding *b, search *s, view *owner, char *file, char *name, int *height,
                           char *message, size_t size)
{
    bool ok = make_room(s);
    const size_t at = ok ? place_of(s, owner->number, file, name) : 0;
    if (!ok)
        h5calib_say(message, size, "out of memory");
    else if (s->visits[at].name) {
        *height = s->visits[at].height;
        ok = *height >= 0;
        if (!ok)
            h5calib_say(message, size, "the virtual dataset '%s' in '%s' has itself as a source",
                        name, owner->path);
    } else {
        s->visits[at] = (visit){owner->number, file, name, -1};
        s->n++;
        ok = open_source(b, s, owner, file, name, height, message, size);
        s->visits[place_of(s, owner->number, file, name)].height = *height;
        return ok;
    }
    free(file);
    free(name);
    return ok;
}

static bool look_at_sources(binding *b, search *s, view *v, hid_t plist, int *highest,
                            char *message, size_t size)
{
    size_t n = 0;
    b->api.H5Pget_virtual_count(plist, &n);
    for (size_t i = 0; i < n; i++) {
        int height = 0;
        char *file = h5calib_virtual_file(b, plist, i),
             *name = h5calib_virtual_dataset(b, plist, i);
        const bool named = file && name && !strstr(file, "%b") && !strstr(name, "%b");
        const bool elsewhere = named && v->image.bytes && strcmp(file, ".") != 0;
        if (!named)
            h5calib_say(message, size,
                        "the sources of virtual raw data in '%s' are named by a pattern, so it "
                        "cannot be known whether one is missing",
                        v->path);
        else if (elsewhere)
            h5calib_say(message, size,
                        "'%s' is open for writing and its raw data is virtual, with sources in "
                        "other files: open it for reading only",
                        v->path);
        if (!named || elsewhere) {
            free(file);
            free(name);
            return false;
        }
        if (!look_at_source(b, s, v, file, name, &height, message, size))
            return false;
        *highest = height > *highest ? height : *highest;
    }
    return true;
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

/* *height: how many virtual datasets are one above the other from this one on. */
static bool look_at(binding *b, search *s, view *v, hid_t dataset, int *height, char *message,
                    size_t size)
{
    hid_t plist = b->api.H5Dget_create_plist(dataset);
    bool ok = h5calib_chunks_fit(b, dataset, plist, message, size);
    *height = 0;
    if (ok && b->api.H5Pget_layout(plist) == H5D_VIRTUAL) {
        ok = ++s->depth <= MAX_NESTED && look_at_sources(b, s, v, plist, height, message, size);
        if (s->depth > MAX_NESTED || (ok && ++*height + s->depth - 1 > MAX_NESTED)) {
            h5calib_say(message, size, "virtual datasets are nested too deeply");
            ok = false;
        }
        s->depth--;
    }
    b->api.H5Pclose(plist);
    return ok;
}

h5calib_parts *h5calib_parts_open(binding *b, view *of, hid_t dataset, char *message, size_t size)
{
    search s = {.of = of, .parts = calloc(1, sizeof *s.parts)};
    int height;
    const bool ok = s.parts && look_at(b, &s, of, dataset, &height, message, size);
    if (!s.parts)
        h5calib_say(message, size, "out of memory");
    forget_visits(&s);
    if (ok)
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
