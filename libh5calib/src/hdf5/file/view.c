/*
 * view.c - private read-only views of files.
 */
#include "hdf5/file/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "hdf5/file/superblock.h"

/* A write within the clock's tick of an earlier one does not change the time
 * stamp. A file that was changed this shortly before it was opened is opened
 * anew the next time. Twice the coarsest tick in use (100 Hz). */
#define SETTLE_NANOSECONDS 20000000

/* ---- our own descriptors ----------------------------------------------------- */

static int *private_fds;
static size_t n_private, private_capacity;

static void note_private(int fd)
{
    if (fd < 0)
        return;
    h5calib_global_lock();
    if (n_private == private_capacity) {
        size_t more = private_capacity ? 2 * private_capacity : 32;
        int *grown = realloc(private_fds, more * sizeof *grown);
        if (grown) {
            private_fds = grown;
            private_capacity = more;
        }
    }
    if (n_private < private_capacity)
        private_fds[n_private++] = fd;
    h5calib_global_unlock();
}

static void forget_private(int fd)
{
    h5calib_global_lock();
    for (size_t i = 0; i < n_private; i++)
        if (private_fds[i] == fd) {
            private_fds[i] = private_fds[--n_private];
            break;
        }
    h5calib_global_unlock();
}

bool h5calib_fd_is_private(int fd)
{
    bool found = false;
    h5calib_global_lock();
    for (size_t i = 0; i < n_private && !found; i++)
        found = private_fds[i] == fd;
    h5calib_global_unlock();
    return found;
}

/* ---- opening ------------------------------------------------------------------- */

/* Any id of a file of this library, to learn the class of its property lists. */
static hid_t any_file(binding *b)
{
    hid_t id;
    if (b->api.H5Fget_obj_ids(H5F_OBJ_ALL, H5F_OBJ_EVERY, 1, &id) < 1)
        return -1;
    return b->api.H5Iget_file_id(id);
}

hid_t h5calib_new_access(binding *b)
{
    const h5 *api = &b->api;
    hid_t class_id = -1, result;
    hid_t file = any_file(b);
    if (file >= 0) {
        hid_t list = api->H5Fget_access_plist(file);
        class_id = api->H5Pget_class(list);
        api->H5Pclose(list);
        api->H5Fclose(file);
    } else if (b->file_access_class) {
        return api->H5Pcreate(*b->file_access_class);
    }
    result = class_id >= 0 ? api->H5Pcreate(class_id) : -1;
    if (class_id >= 0)
        api->H5Pclose_class(class_id);
    return result;
}

static void *image_malloc(size_t size, int op, void *udata)
{
    (void)size;
    (void)op;
    return ((view *)udata)->image;
}

static void *image_memcpy(void *dest, const void *src, size_t size, int op, void *udata)
{
    (void)src;
    (void)size;
    (void)op;
    (void)udata;
    return dest;
}

static herr_t image_free(void *ptr, int op, void *udata)
{
    (void)ptr;
    (void)op;
    (void)udata;
    return 0;
}

static void *same_udata(void *udata)
{
    return udata;
}
static herr_t keep_udata(void *udata)
{
    (void)udata;
    return 0;
}

/* Open v->image under a name that no file has, in the folder of the real one. */
static void open_image(binding *b, view *v)
{
    static unsigned counter;
    const h5 *api = &b->api;
    h5_image_callbacks callbacks = {image_malloc, image_memcpy, NULL,     image_free,
                                    same_udata,   keep_udata,   (void *)v};
    char name[sizeof v->path + 32];
    snprintf(name, sizeof name, "%s#h5calib-%u", v->path, counter++);
    hid_t access = h5calib_new_access(b);
    if (access < 0)
        return;
    if (api->H5Pset_fapl_core(access, 65536, false) >= 0 &&
        api->H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
        api->H5Pset_file_image(access, v->image, v->image_size) >= 0)
        v->file = api->H5Fopen(name, H5F_ACC_RDONLY, access);
    api->H5Pclose(access);
}

static void open_mapping(binding *b, view *v)
{
    v->image_size = (size_t)v->stamp.size;
    v->image = h5calib_map_private(v->fd, v->image_size);
    if (!v->image)
        return;
    v->mapped = true;
    if (h5calib_superblock_clear_flags(v->image, v->image_size))
        open_image(b, v);
}

static bool open_by_name(binding *b, view *v)
{
    const h5 *api = &b->api;
    void *handle = NULL;
    h5calib_stamp found;
    v->file = api->H5Fopen(v->path, H5F_ACC_RDONLY, v->access);
    if (v->file < 0)
        v->file = api->H5Fopen(v->path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, v->access);
    if (v->file < 0)
        return false;
    if (api->H5Fget_vfd_handle(v->file, v->access, &handle) >= 0 && handle) {
        v->hdf5_fd = *(int *)handle;
        note_private(v->hdf5_fd);
    }
    return h5calib_stamp_fd(v->hdf5_fd, &found) && h5calib_same_file(&found, &v->stamp);
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
    forget_private(v->hdf5_fd);
    forget_private(v->fd);
    h5calib_close(v->fd);
    if (v->mapped)
        h5calib_unmap(v->image, v->image_size);
    else
        free(v->image);
    free(v);
}

static view *new_view(binding *b)
{
    static _Atomic(uint64_t) last;
    view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
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

static view *insert(binding *b, view *v)
{
    v->uses = 1;
    v->next = b->views;
    b->views = v;
    return v;
}

static view *open_new(binding *b, const char *path, const h5calib_stamp *expect, bool writable,
                      char *message, size_t size)
{
    view *v = new_view(b);
    if (!v) {
        h5calib_say(message, size, "HDF5 gave no file access property list");
        return NULL;
    }
    snprintf(v->path, sizeof v->path, "%s", path);
    v->fd = h5calib_open(path);
    if (v->fd < 0 || !h5calib_stamp_fd(v->fd, &v->stamp)) {
        h5calib_say(message, size, "file '%s' cannot be opened: it is not there or not readable",
                    path);
        close_view(b, v);
        return NULL;
    }
    note_private(v->fd);
    int64_t newest = v->stamp.modified > v->stamp.changed ? v->stamp.modified : v->stamp.changed;
    v->settled = h5calib_file_clock() - newest > SETTLE_NANOSECONDS;
    if (expect && !h5calib_same_file(expect, &v->stamp)) {
        h5calib_say(message, size, "file '%s' was replaced by another while it was being read",
                    path);
        close_view(b, v);
        return NULL;
    }
    if (!open_by_name(b, v) && v->file < 0 && writable)
        open_mapping(b, v);
    if (v->file < 0) {
        h5calib_say(
            message, size,
            "file '%s' cannot be opened by HDF5: it is damaged, no HDF5 file, or open for "
            "writing elsewhere ('h5calib doctor FILE' says which; a camera's scan is mended "
            "by 'openpmd-ccd recover FILE')",
            path);
        close_view(b, v);
        return NULL;
    }
    return insert(b, v);
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
    view *v = n > 0 ? new_view(b) : NULL;
    if (v && (v->image = malloc((size_t)n)) != NULL) {
        v->image_size = (size_t)n;
        api->H5Fget_name(file, v->path, sizeof v->path);
        if (api->H5Fget_file_image(file, v->image, v->image_size) == n)
            open_image(b, v);
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
