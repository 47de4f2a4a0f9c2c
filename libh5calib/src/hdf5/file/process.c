/*
 * process.c - the files this process has open.
 */
#include "hdf5/file/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

static h5calib_open_file *find_file(const process *p, const h5calib_stamp *stamp)
{
    for (size_t i = 0; i < p->n; i++)
        if (h5calib_same_file(&p->files[i].stamp, stamp))
            return &p->files[i];
    return NULL;
}

static h5calib_open_file *add_file(process *p, const h5calib_stamp *stamp)
{
    if (p->n == p->capacity) {
        size_t more = p->capacity ? 2 * p->capacity : 32;
        h5calib_open_file *grown = realloc(p->files, more * sizeof *grown);
        if (!grown)
            return NULL;
        p->files = grown;
        p->capacity = more;
    }
    p->files[p->n] = (h5calib_open_file){-1, false, false, *stamp};
    return &p->files[p->n++];
}

/* Each file once; writable if any descriptor of it is. */
static bool merge(process *p)
{
    p->n = 0;
    for (size_t i = 0; i < p->descriptors.n; i++) {
        const struct h5calib_open_descriptor *d = &p->descriptors.all[i];
        if (!d->regular || h5calib_fd_is_private(d->file.fd))
            continue;
        h5calib_open_file *file = find_file(p, &d->file.stamp);
        if (file)
            file->writable |= d->file.writable;
        else if ((file = add_file(p, &d->file.stamp)) != NULL)
            *file = d->file;
        else
            return false;
    }
    return true;
}

static bool is_view(const binding *b, hid_t id)
{
    for (const view *v = b->views; v; v = v->next)
        if (v->file == id)
            return true;
    return false;
}

static void look_at_id(binding *b, process *p, hid_t id)
{
    unsigned intent = 0;
    char path[1024];
    h5calib_stamp stamp;
    hid_t file = b->api.H5Iget_file_id(id);
    if (file < 0)
        return;
    b->api.H5Fget_intent(file, &intent);
    if (intent & H5F_ACC_RDWR)
        b->api.H5Fflush(file, H5F_SCOPE_LOCAL);
    bool named =
        b->api.H5Fget_name(file, path, sizeof path) > 0 && h5calib_stamp_path(path, &stamp);
    h5calib_open_file *entry = named ? find_file(p, &stamp) : NULL;
    if (named && !entry && !p->listed)
        entry = add_file(p, &stamp);
    if (entry && (intent & H5F_ACC_RDWR))
        entry->writable = entry->flushed = true;
    if (!entry)
        p->without[p->n_without++] = id;
    b->api.H5Fclose(file);
}

static bool look_at_ids(binding *b, unsigned types, char *message, size_t size)
{
    process *p = b->process;
    h5_ssize_t n = b->api.H5Fget_obj_count(H5F_OBJ_ALL, types);
    if (n <= 0)
        return true;
    hid_t *ids = malloc((size_t)n * sizeof *ids);
    hid_t *without = realloc(p->without, (size_t)n * sizeof *without);
    if (without)
        p->without = without;
    if (!ids || !without) {
        free(ids);
        h5calib_say(message, size, "out of memory");
        return false;
    }
    n = b->api.H5Fget_obj_ids(H5F_OBJ_ALL, types, (size_t)n, ids);
    for (h5_ssize_t i = 0; i < n; i++)
        if (!is_view(b, ids[i]))
            look_at_id(b, p, ids[i]);
    free(ids);
    for (size_t i = 0; i < p->n; i++) /* flushing changed them */
        if (p->files[i].flushed && p->files[i].fd >= 0)
            h5calib_stamp_fd(p->files[i].fd, &p->files[i].stamp);
    return true;
}

bool h5calib_process_look(binding *b, char *message, size_t size)
{
    process *p = b->process;
    if (!p && !(p = b->process = calloc(1, sizeof *p))) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    p->listed = h5calib_look_at_descriptors(&p->descriptors, h5calib_fd_is_private) && merge(p);
    if (!p->listed)
        p->n = 0;
    p->n_without = 0;
    if (b->guest)
        return true;
    return look_at_ids(b, p->listed ? H5F_OBJ_FILE : H5F_OBJ_EVERY, message, size);
}

bool h5calib_process_look_again(binding *b, char *message, size_t size)
{
    b->process->n_without = 0;
    return b->guest || look_at_ids(b, H5F_OBJ_EVERY, message, size);
}

bool h5calib_process_path(binding *b, const h5calib_open_file *file, char *out, size_t size)
{
    if (file->fd >= 0)
        return h5calib_fd_path(file->fd, &file->stamp, out, size);
    hid_t ids[256];
    h5_ssize_t n = b->api.H5Fget_obj_ids(H5F_OBJ_ALL, H5F_OBJ_EVERY, 256, ids);
    for (h5_ssize_t i = 0; i < n; i++) {
        h5calib_stamp stamp;
        if (b->api.H5Fget_name(ids[i], out, size) > 0 && h5calib_stamp_path(out, &stamp) &&
            h5calib_same_file(&stamp, &file->stamp))
            return true;
    }
    return false;
}

/* Does the caller's library have this very file open for writing, under no id
 * (as the source of a virtual dataset)? Opening it once more joins what is open
 * already; then its intent is the first one's. */
static bool join_and_flush(binding *b, const char *path, const h5calib_stamp *file)
{
    unsigned intent = 0;
    void *handle = NULL;
    h5calib_stamp found;
    hid_t id = b->guest ? -1 : b->api.H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (id < 0)
        return false;
    bool ok = b->api.H5Fget_intent(id, &intent) >= 0 && (intent & H5F_ACC_RDWR) &&
              b->api.H5Fget_vfd_handle(id, H5P_DEFAULT, &handle) >= 0 && handle &&
              h5calib_stamp_fd(*(int *)handle, &found) && h5calib_same_file(&found, file) &&
              b->api.H5Fflush(id, H5F_SCOPE_LOCAL) >= 0;
    b->api.H5Fclose(id);
    return ok;
}

h5calib_writing h5calib_process_writing(binding *b, const char *path, const h5calib_stamp *file,
                                        char *message, size_t size)
{
    h5calib_open_file *entry = find_file(b->process, file);
    if (!entry || !entry->writable)
        return H5CALIB_NOT_WRITTEN;
    if (entry->flushed || join_and_flush(b, path, file)) {
        entry->flushed = true;
        return H5CALIB_WRITTEN_FLUSHED;
    }
    h5calib_say(message, size,
                "file '%s' is open for writing in this program through another library, so what is "
                "in it now is not certain: close it there, or open it for reading only",
                path);
    return H5CALIB_WRITTEN_UNKNOWN;
}
