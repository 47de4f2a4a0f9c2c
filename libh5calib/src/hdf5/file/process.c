/*
 * process.c - the files this process has open.
 */
#include "hdf5/file/process.h"

#include <stdlib.h>

#include "core/core.h"
#include "hdf5/file/own.h"
#include "hdf5/library/names.h"

static process_file *find_file(const process *p, const h5calib_stamp *stamp)
{
    for (size_t i = 0; i < p->n; i++)
        if (h5calib_same_file(&p->files[i].as.stamp, stamp))
            return &p->files[i];
    return NULL;
}

static process_file *add_file(process *p, const h5calib_open_file *found)
{
    if (p->n == p->capacity) {
        size_t more = p->capacity ? 2 * p->capacity : 32;
        process_file *grown = realloc(p->files, more * sizeof *grown);
        if (!grown)
            return NULL;
        p->files = grown;
        p->capacity = more;
    }
    p->files[p->n] = (process_file){.as = *found, .writer = -1};
    return &p->files[p->n++];
}

/* Each file once; writable if any descriptor of it is. */
static bool merge(process *p)
{
    p->n = 0;
    for (size_t i = 0; i < p->descriptors.n; i++) {
        const struct h5calib_open_descriptor *d = &p->descriptors.all[i];
        if (!d->regular || h5calib_is_own(d->file.fd, &d->file.stamp))
            continue;
        process_file *file = find_file(p, &d->file.stamp);
        if (!file) {
            if (!add_file(p, &d->file))
                return false;
            continue;
        }
        if (d->file.readable && !file->as.readable) {
            file->as.fd = d->file.fd;
            file->as.readable = true;
        }
        file->as.writable |= d->file.writable;
    }
    return true;
}

static bool is_view(const binding *b, hid_t file)
{
    for (const view *v = b->views; v; v = v->next)
        if (v->file == file)
            return true;
    return false;
}

/* ---- ids of the caller's library ------------------------------------------------------------ */

/* HDF5 takes long to say it, and an id is of the same kind for ever. */
typedef struct known_id {
    hid_t id;
    enum { OF_DESCRIPTOR, OF_NAME, OF_MEMORY } kind;
    int fd;
} known_id;

static hid_t driver_of(const binding *b, hid_t access)
{
    return access < 0 ? -1 : b->api.H5Pget_driver(access);
}

enum driver { SEC2, LOG, CORE };

static hid_t driver_set(binding *b, enum driver which)
{
    hid_t access = h5calib_new_access(b), driver = -1;
    herr_t set = -1;
    if (access >= 0 && which == SEC2)
        set = b->api.H5Pset_fapl_sec2(access);
    else if (access >= 0 && which == LOG)
        set = b->api.H5Pset_fapl_log(access, NULL, 0, 0);
    else if (access >= 0)
        set = b->api.H5Pset_fapl_core(access, 65536, false);
    if (set >= 0)
        driver = driver_of(b, access);
    if (access >= 0)
        b->api.H5Pclose(access);
    return driver;
}

static known_id ask(binding *b, hid_t id, hid_t file)
{
    known_id k = {.id = id, .kind = OF_NAME, .fd = -1};
    void *handle = NULL;
    const hid_t access = b->api.H5Fget_access_plist(file), driver = driver_of(b, access);
    if (driver >= 0 && driver == driver_set(b, CORE))
        k.kind = OF_MEMORY;
    else if (H5CALIB_SHARES_DESCRIPTORS && driver >= 0 &&
             (driver == driver_set(b, SEC2) || driver == driver_set(b, LOG)) &&
             b->api.H5Fget_vfd_handle(file, access, &handle) >= 0 && handle) {
        k.kind = OF_DESCRIPTOR;
        k.fd = *(int *)handle;
    }
    if (access >= 0)
        b->api.H5Pclose(access);
    return k;
}

static known_id kind_of(binding *b, process *p, hid_t id, hid_t file)
{
    for (size_t i = 0; i < p->n_ids; i++)
        if (p->ids[i].id == id)
            return p->ids[i];
    const known_id k = ask(b, id, file);
    known_id *grown = realloc(p->ids, (p->n_ids + 1) * sizeof *grown);
    if (grown) {
        p->ids = grown;
        grown[p->n_ids++] = k;
    }
    return k;
}

static void forget_closed_ids(const binding *b, process *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_ids; i++)
        if (b->api.H5Iis_valid(p->ids[i].id) > 0)
            p->ids[kept++] = p->ids[i];
    p->n_ids = kept;
}

/* The file on disk that an open one is; false: it is in memory, or nobody knows where. */
static bool stamp_of(binding *b, process *p, hid_t id, hid_t file, h5calib_stamp *stamp)
{
    const known_id k = kind_of(b, p, id, file);
    if (k.kind == OF_DESCRIPTOR)
        return h5calib_stamp_fd(k.fd, stamp);
    char *name = k.kind == OF_NAME ? h5calib_file_name(b, file) : NULL;
    const bool found = name && h5calib_stamp_path(name, stamp);
    free(name);
    return found;
}

static void look_at_id(binding *b, process *p, hid_t id)
{
    unsigned intent = 0;
    h5calib_open_file found = {.fd = -1, .readable = true};
    hid_t file = b->api.H5Iget_file_id(id);
    if (file < 0)
        return;
    if (!is_view(b, file)) {
        b->api.H5Fget_intent(file, &intent);
        process_file *entry = NULL;
        if (stamp_of(b, p, id, file, &found.stamp)) {
            entry = find_file(p, &found.stamp);
            if (!entry && !p->listed)
                entry = add_file(p, &found);
        }
        if (entry && (intent & H5F_ACC_RDWR)) {
            entry->as.writable = true;
            entry->writer = id;
        }
        if (!entry)
            p->without[p->n_without++] = id;
    }
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
    return true;
}

bool h5calib_process_look(binding *b, char *message, size_t size)
{
    process *p = b->process;
    if (!p && !(p = b->process = calloc(1, sizeof *p))) {
        h5calib_say(message, size, "out of memory");
        return false;
    }
    if (h5calib_reopened(b)) {
        h5calib_views_outlived(b);
        p->n_ids = 0;
    }
    const h5calib_listing listing = h5calib_look_at_descriptors(&p->descriptors);
    if (listing == H5CALIB_CANNOT_LIST || (listing == H5CALIB_LISTED && !merge(p))) {
        h5calib_say(message, size,
                    "which files this program has open cannot be listed: no file descriptor is "
                    "left, or no memory: close files, or allow more (ulimit -n)");
        return false;
    }
    p->listed = listing == H5CALIB_LISTED;
    if (!p->listed)
        p->n = 0;
    p->n_without = 0;
    forget_closed_ids(b, p);
    if (b->guest)
        return true;
    return look_at_ids(b, p->listed ? H5F_OBJ_FILE : H5F_OBJ_EVERY, message, size);
}

bool h5calib_process_look_again(binding *b, char *message, size_t size)
{
    b->process->n_without = 0;
    return b->guest || look_at_ids(b, H5F_OBJ_EVERY, message, size);
}

/* ---- what can be done with one of them ------------------------------------------------------- */

/* A name by which the caller's library opened this very file. */
static char *path_by_id(binding *b, const h5calib_stamp *file)
{
    char *path = NULL;
    h5calib_stamp stamp;
    h5_ssize_t n = b->api.H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_EVERY);
    hid_t *ids = n > 0 ? malloc((size_t)n * sizeof *ids) : NULL;
    n = ids ? b->api.H5Fget_obj_ids(H5F_OBJ_ALL, H5F_OBJ_EVERY, (size_t)n, ids) : 0;
    for (h5_ssize_t i = 0; i < n && !path; i++) {
        path = h5calib_file_name(b, ids[i]);
        if (path && !(h5calib_stamp_path(path, &stamp) && h5calib_same_file(&stamp, file))) {
            free(path);
            path = NULL;
        }
    }
    free(ids);
    return path;
}

char *h5calib_process_path(binding *b, const process_file *file)
{
    return file->as.fd >= 0 ? h5calib_fd_path(file->as.fd, &file->as.stamp)
                            : path_by_id(b, &file->as.stamp);
}

/* Does the caller's library have this very file open for writing, under no id
 * (as the source of a virtual dataset)? Opening it once more joins what is open
 * already; then its intent is the first one's. */
static hid_t join(binding *b, const char *path, const h5calib_stamp *file)
{
    unsigned intent = 0;
    void *handle = NULL;
    h5calib_stamp found;
    hid_t id = b->guest ? -1 : b->api.H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (id < 0)
        return -1;
    if (b->api.H5Fget_intent(id, &intent) >= 0 && (intent & H5F_ACC_RDWR) &&
        b->api.H5Fget_vfd_handle(id, H5P_DEFAULT, &handle) >= 0 && handle &&
        h5calib_stamp_fd(*(int *)handle, &found) && h5calib_same_file(&found, file))
        return id;
    b->api.H5Fclose(id);
    return -1;
}

hid_t h5calib_process_writer(binding *b, const char *path, const process_file *file)
{
    return file->writer >= 0 ? b->api.H5Iget_file_id(file->writer) : join(b, path, &file->as.stamp);
}

/* Once in a callback, and only a file that this chunk is computed from. */
static bool flush(binding *b, const char *path, process_file *file)
{
    if (file->flushed)
        return true;
    const hid_t id = h5calib_process_writer(b, path, file);
    if (id < 0)
        return false;
    file->flushed = b->api.H5Fflush(id, H5F_SCOPE_LOCAL) >= 0;
    if (file->flushed && file->as.fd >= 0)
        h5calib_stamp_fd(file->as.fd, &file->as.stamp);
    b->api.H5Fclose(id);
    return file->flushed;
}

h5calib_writing h5calib_process_writing(binding *b, const char *path, const h5calib_stamp *file,
                                        char *message, size_t size)
{
    process_file *entry = find_file(b->process, file);
    if (!entry || !entry->as.writable)
        return H5CALIB_NOT_WRITTEN;
    if (flush(b, path, entry))
        return H5CALIB_WRITTEN_FLUSHED;
    h5calib_say(message, size,
                "file '%s' is open for writing in this program through another library, so what is "
                "in it now is not certain: close it there, or open it for reading only",
                path);
    return H5CALIB_WRITTEN_UNKNOWN;
}
