/*
 * view.c - private read-only views of files.
 */
#include "hdf5/file/view.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "hdf5/file/own.h"
#include "hdf5/file/superblock.h"
#include "hdf5/library/names.h"
#include "hdf5/system/text.h"

/* A write within the clock's tick of an earlier one does not change the time
 * stamp. A file that was changed this shortly before it was opened is opened
 * anew the next time. Twice the coarsest tick in use (100 Hz). */
#define SETTLE_NANOSECONDS 20000000

/* SWMR access makes HDF5 read bad metadata again and again, after 1, 2, 4, 8 ... ns: so often, all
 * in all an eighth of a second. */
#define SWMR_ATTEMPTS 27

/* ---- opening ------------------------------------------------------------------- */

static void open_mapping(binding *b, view *v)
{
    v->image.size = (size_t)v->stamp.size;
    v->image.bytes = h5calib_map_private(v->fd, v->image.size);
    if (!v->image.bytes)
        return;
    v->mapped = true;
    if (h5calib_superblock_clear_flags(v->image.bytes, v->image.size))
        v->file = h5calib_open_image(b, v->path, &v->image);
}

/* Only where a SWMR writer is at work, or was when it was killed. */
static hid_t open_for_swmr(binding *b, const view *v)
{
    if (!h5calib_superblock_swmr_writer(v->fd, v->stamp.size) ||
        b->api.H5Pset_metadata_read_attempts(v->access, SWMR_ATTEMPTS) < 0)
        return -1;
    return b->api.H5Fopen(v->path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, v->access);
}

/* Did HDF5 open the very file that v->fd is of? The name may lead to another one since. */
static bool is_that_file(binding *b, view *v)
{
    void *handle = NULL;
    h5calib_stamp found;
    if (!H5CALIB_SHARES_DESCRIPTORS)
        return h5calib_stamp_path(v->path, &found) && h5calib_same_file(&found, &v->stamp);
    if (b->api.H5Fget_vfd_handle(v->file, v->access, &handle) < 0 || !handle ||
        !h5calib_stamp_fd(*(int *)handle, &found) || !h5calib_own(*(int *)handle, &found))
        return false;
    v->hdf5_fd = *(int *)handle;
    return h5calib_same_file(&found, &v->stamp);
}

static void close_view(binding *b, view *v)
{
    if (v->free_kept)
        v->free_kept(b, v, NULL);
    h5calib_inplace_forget(v->number);
    if (v->file >= 0)
        b->api.H5Fclose(v->file);
    if (v->access >= 0)
        b->api.H5Pclose(v->access);
    h5calib_disown(v->hdf5_fd);
    h5calib_disown(v->fd);
    h5calib_close(v->fd);
    if (v->mapped)
        h5calib_unmap(v->image.bytes, v->image.size);
    else
        free(v->image.bytes);
    free(v->path);
    free(v);
}

static view *new_view(binding *b, char *path)
{
    static _Atomic(uint64_t) last;
    view *v = path ? calloc(1, sizeof *v) : NULL;
    if (!v) {
        free(path);
        return NULL;
    }
    v->path = path;
    v->number = ++last;
    v->file = -1;
    v->fd = v->hdf5_fd = -1;
    v->access = h5calib_new_access(b);
    if (v->access < 0 || b->api.H5Pset_fapl_log(v->access, NULL, 0, 0) < 0 ||
        b->api.H5Pset_file_locking(v->access, false, true) < 0) {
        close_view(b, v);
        return NULL;
    }
    return v;
}

static void say_why_not_open(const char *path, char *message, size_t size)
{
    switch (h5calib_open_trouble()) {
    case H5CALIB_NO_DESCRIPTOR:
        h5calib_say(message, size,
                    "this program has no file descriptor left to open '%s' with: close files, or "
                    "allow more (ulimit -n)",
                    path);
        break;
    case H5CALIB_NO_REGULAR_FILE:
        h5calib_say(message, size,
                    "'%s' is no regular file: it is a folder, a pipe or a device, and no data is "
                    "read from there",
                    path);
        break;
    default:
        h5calib_say(message, size, "file '%s' cannot be opened: it is not there or not readable",
                    path);
    }
}

/* Our own descriptor of the file, and what it says. */
static bool open_own(view *v, const h5calib_stamp *expect, char *message, size_t size)
{
    v->fd = h5calib_open(v->path);
    if (v->fd < 0 || !h5calib_stamp_fd(v->fd, &v->stamp)) {
        say_why_not_open(v->path, message, size);
        return false;
    }
    int64_t newest = v->stamp.modified > v->stamp.changed ? v->stamp.modified : v->stamp.changed;
    v->settled = h5calib_file_clock() - newest > SETTLE_NANOSECONDS;
    if (!h5calib_own(v->fd, &v->stamp)) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    if (!expect || h5calib_same_file(expect, &v->stamp))
        return true;
    h5calib_say(message, size,
                "file '%s' was replaced by another while it was being read: "
                "read again",
                v->path);
    return false;
}

static bool open_in_hdf5(binding *b, view *v, bool writable, char *message, size_t size)
{
    v->file = b->api.H5Fopen(v->path, H5F_ACC_RDONLY, v->access);
    if (v->file < 0)
        v->file = open_for_swmr(b, v);
    if (v->file >= 0) {
        if (is_that_file(b, v))
            return true;
        h5calib_say(message, size,
                    "file '%s' was replaced by another while it was being read: "
                    "read again",
                    v->path);
        return false;
    }
    if (writable || h5calib_is_fd_path(v->path)) /* the second kind of name HDF5 2 does not take */
        open_mapping(b, v);
    if (v->file >= 0)
        return true;
    h5calib_say(message, size,
                "file '%s' cannot be opened by HDF5: it is damaged, no HDF5 file, or open for "
                "writing elsewhere ('h5calib doctor FILE' says which; a camera's scan is mended "
                "by 'openpmd-ccd recover FILE')",
                v->path);
    return false;
}

static view *open_new(binding *b, const char *path, const h5calib_stamp *expect, bool writable,
                      char *message, size_t size)
{
    view *v = new_view(b, h5calib_text("%s", path));
    if (!v) {
        h5calib_say(message, size, "HDF5 gave no file access property list");
        return NULL;
    }
    if (!open_own(v, expect, message, size) || !open_in_hdf5(b, v, writable, message, size)) {
        close_view(b, v);
        return NULL;
    }
    v->uses = 1;
    v->next = b->views;
    b->views = v;
    return v;
}

/* ---- keeping -------------------------------------------------------------------- */

static void drop_view(binding *b, view *v)
{
    for (view **at = &b->views; *at; at = &(*at)->next)
        if (*at == v) {
            *at = v->next;
            break;
        }
    v->dropped = true;
    for (view *home = b->views; home; home = home->next)
        if (home->free_kept)
            home->free_kept(b, home, v);
    if (v->uses == 0)
        close_view(b, v);
}

bool h5calib_view_current(const view *v)
{
    h5calib_stamp now;
    if (v->uses > 0 && v->fd < 0)
        return true;
    return h5calib_stamp_path(v->path, &now) && h5calib_stamp_equal(&now, &v->stamp);
}

static bool still_open(binding *b, const view *v)
{
    h5calib_stamp now;
    if (b->api.H5Iis_valid(v->file) <= 0)
        return false;
    return v->hdf5_fd < 0 ||
           (h5calib_stamp_fd(v->hdf5_fd, &now) && h5calib_same_file(&now, &v->stamp));
}

/* Its path leads to the very file as it was opened, by the descriptor HDF5 has of it. */
static bool as_opened(binding *b, const view *v)
{
    return v->settled && h5calib_view_current(v) && still_open(b, v);
}

view *h5calib_view_again(binding *b, const h5calib_stamp *file)
{
    for (view *v = b->views; v; v = v->next)
        if (h5calib_stamp_equal(&v->stamp, file) && as_opened(b, v)) {
            v->uses++;
            return v;
        }
    return NULL;
}

view *h5calib_view_open(binding *b, const char *path, const h5calib_stamp *expect, bool writable,
                        char *message, size_t size)
{
    h5calib_stamp now;
    if (expect || h5calib_stamp_path(path, &now)) {
        const h5calib_stamp *wanted = expect ? expect : &now;
        for (view *v = b->views; v;) {
            if (!h5calib_same_file(&v->stamp, wanted)) {
                v = v->next;
                continue;
            }
            if (v->uses > 0 || (strcmp(v->path, path) == 0 && as_opened(b, v))) {
                v->uses++;
                return v;
            }
            drop_view(b, v);
            v = b->views;
        }
    }
    return open_new(b, path, expect, writable, message, size);
}

view *h5calib_view_image(binding *b, hid_t file, char *message, size_t size)
{
    const h5 *api = &b->api;
    api->H5Fflush(file, H5F_SCOPE_LOCAL);
    h5_ssize_t n = api->H5Fget_file_image(file, NULL, 0);
    view *v = n > 0 ? new_view(b, h5calib_file_name(b, file)) : NULL;
    if (v && (v->image.bytes = malloc((size_t)n)) != NULL) {
        v->image.size = (size_t)n;
        /* what is no whole path may be any name, or have begun in another current folder */
        v->in_memory = !h5calib_path_is_absolute(v->path);
        if (api->H5Fget_file_image(file, v->image.bytes, v->image.size) == n)
            v->file = h5calib_open_image(b, v->path, &v->image);
    }
    if (!v || v->file < 0) {
        h5calib_say(message, size,
                    "the calibrated dataset is in a file whose driver gives no access to its "
                    "bytes: open the file with the default driver");
        if (v)
            close_view(b, v);
        return NULL;
    }
    v->dropped = true; /* no stamp tells when the caller changes it: never kept */
    v->uses = 1;
    return v;
}

void h5calib_view_release(binding *b, view *v)
{
    if (!v || --v->uses > 0)
        return;
    if (v->dropped)
        close_view(b, v);
    else if (v->holds == 0 && !v->calibrated)
        drop_view(b, v);
}

void h5calib_views_sweep(binding *b, bool (*gone)(const view *v, void *data), void *data)
{
    for (view *v = b->views; v;) {
        if (v->uses == 0 && v->holds == 0 && gone(v, data)) {
            drop_view(b, v);
            v = b->views; /* others may have lost their holds, or gone with it */
        } else {
            v = v->next;
        }
    }
}

static herr_t is_gone(hid_t id)
{
    (void)id;
    return 0;
}

void h5calib_views_outlived(binding *b)
{
    const h5 api = b->api;
    b->api.H5Fclose = b->api.H5Dclose = b->api.H5Gclose = b->api.H5Aclose = is_gone;
    b->api.H5Pclose = b->api.H5Sclose = b->api.H5Tclose = is_gone;
    while (b->views)
        drop_view(b, b->views);
    b->api = api;
}
