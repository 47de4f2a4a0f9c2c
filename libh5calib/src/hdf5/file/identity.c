/*
 * identity.c - which file is being read.
 */
#include "hdf5/file/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/descriptor.h"
#include "hdf5/file/reach.h"
#include "hdf5/file/superblock.h"

/* What was found in a file, remembered while its stamp stays as it is. */
typedef struct known_file {
    struct known_file *next;
    h5calib_stamp stamp;
    bool has_uuid, has_magic;
    uint8_t uuid[16];
    uint32_t magic;
} known_file;

/* ---- reading the identity --------------------------------------------------------- */

static void read_uuid(binding *b, hid_t file, known_file *out)
{
    const h5 *api = &b->api;
    char text[64] = {0};
    if (api->H5Aexists(file, "h5calib_file_uuid") <= 0)
        return;
    hid_t attribute = api->H5Aopen(file, "h5calib_file_uuid", H5P_DEFAULT);
    if (attribute < 0)
        return;
    hid_t type = api->H5Aget_type(attribute);
    if (api->H5Tget_class(type) == H5T_STRING && api->H5Tis_variable_str(type) == 0 &&
        api->H5Aget_storage_size(attribute) >= 32 &&
        api->H5Aget_storage_size(attribute) < sizeof text &&
        api->H5Aread(attribute, type, text) >= 0)
        out->has_uuid = h5calib_uuid_parse(text, out->uuid);
    api->H5Tclose(type);
    api->H5Aclose(attribute);
}

static void read_magic(binding *b, hid_t file, known_file *out)
{
    const h5 *api = &b->api;
    if (api->H5Aexists(file, "h5calib_file_magic") <= 0)
        return;
    hid_t attribute = api->H5Aopen(file, "h5calib_file_magic", H5P_DEFAULT);
    if (attribute < 0)
        return;
    hid_t stored = api->H5Aget_type(attribute), type = api->H5Tcopy(stored);
    uint64_t value = 0;
    size_t n = api->H5Tget_size(type);
    api->H5Tset_order(type, H5T_ORDER_LE);
    if (api->H5Tget_class(type) == H5T_INTEGER && (n == 4 || n == 8) &&
        api->H5Aget_storage_size(attribute) == n && api->H5Aread(attribute, type, &value) >= 0) {
        out->has_magic = true;
        out->magic = (uint32_t)value;
    }
    api->H5Tclose(type);
    api->H5Tclose(stored);
    api->H5Aclose(attribute);
}

static void read_identity(binding *b, hid_t file, known_file *out)
{
    out->has_uuid = out->has_magic = false;
    read_uuid(b, file, out);
    read_magic(b, file, out);
}

static bool matches(const known_file *k, const h5calib_wanted *wanted)
{
    if (wanted->uuid)
        return k->has_uuid && memcmp(k->uuid, wanted->uuid, 16) == 0;
    return k->has_magic && k->magic == wanted->magic;
}

bool h5calib_view_has(binding *b, const view *v, const h5calib_wanted *wanted)
{
    known_file k = {0};
    read_identity(b, v->file, &k);
    return matches(&k, wanted);
}

/* ---- what is known of the open files ------------------------------------------------ */

static known_file *recall(binding *b, const h5calib_stamp *stamp)
{
    for (known_file *k = b->known; k; k = k->next)
        if (h5calib_same_file(&k->stamp, stamp))
            return k;
    return NULL;
}

/* Closed files are forgotten, so that the list is never longer than what is open. */
static void forget_closed(binding *b)
{
    for (known_file **at = &b->known; *at;) {
        bool open = false;
        for (size_t i = 0; i < b->process->n && !open; i++)
            open = h5calib_same_file(&b->process->files[i].as.stamp, &(*at)->stamp);
        if (open) {
            at = &(*at)->next;
        } else {
            known_file *old = *at;
            *at = old->next;
            free(old);
        }
    }
}

/* Put into the list, or in the place of an older entry. */
static void remember(binding *b, known_file *older, const known_file *found)
{
    known_file *k = older ? older : calloc(1, sizeof *k);
    if (!k)
        return; /* it will be looked into again */
    known_file *next = older ? older->next : b->known;
    *k = *found;
    k->next = next;
    if (!older)
        b->known = k;
}

typedef enum signature { NO_HDF5, HDF5, NOBODY_KNOWS } signature;

/* Read by the descriptor that the program has: opening the file could fail, and reading does not
 * disturb it. A userblock may push the signature far back; HDF5 looks at every power of two. */
static signature look_for_signature(const char *path, const h5calib_open_file *file)
{
    uint8_t head[8];
    size_t offset;
    h5calib_stamp after;
    signature found = NO_HDF5;
    const int fd = file->fd >= 0 ? file->fd : h5calib_open(path);
    for (uint64_t at = 0; found == NO_HDF5 && at + 8 <= file->stamp.size; at = at ? 2 * at : 512) {
        if (!h5calib_pread(fd, head, 8, at))
            found = NOBODY_KNOWS;
        else if (h5calib_superblock_find(head, 8, &offset))
            found = HDF5;
    }
    if (!h5calib_stamp_fd(fd, &after) || !h5calib_same_file(&after, &file->stamp))
        found = NOBODY_KNOWS;
    if (fd != file->fd)
        h5calib_close(fd);
    return found;
}

/* What is being asked, and what stood in the way of an answer. */
typedef struct question {
    const h5calib_wanted *wanted;
    char trouble[512];
    bool unsure; /* a file could be the one, and cannot be looked into for now */
} question;

/* What the caller's library has in memory of a file that it writes: need it be written out? */
static bool written_without(binding *b, const char *path, const process_file *file,
                            const question *q)
{
    known_file found = {0};
    const hid_t id = file->as.writable ? h5calib_process_writer(b, path, file) : -1;
    if (id < 0)
        return false;
    read_identity(b, id, &found);
    b->api.H5Fclose(id);
    return !matches(&found, q->wanted);
}

static view *look_inside(binding *b, const process_file *file, known_file *k, const char *path,
                         question *q)
{
    const bool fresh = k && h5calib_stamp_equal(&k->stamp, &file->as.stamp);
    bool unknown;
    if (!fresh) {
        const signature s = look_for_signature(path, &file->as);
        if (s == NOBODY_KNOWS && (q->unsure = true))
            h5calib_say(q->trouble, sizeof q->trouble,
                        "file '%s', which this program has open, cannot be read just now", path);
        if (s == NO_HDF5)
            remember(b, k, &(known_file){.stamp = file->as.stamp});
        if (s != HDF5)
            return NULL;
    }
    view *v = h5calib_reach(b, path, &file->as.stamp, &unknown, q->trouble, sizeof q->trouble);
    if (!v) {
        q->unsure |= !unknown && h5calib_no_descriptor_left();
        return NULL;
    }
    if (fresh)
        return v;
    known_file found = {.stamp = v->stamp};
    read_identity(b, v->file, &found);
    if (!v->settled)
        found.stamp.size = UINT64_MAX; /* never equal: look again next time */
    remember(b, k, &found);
    if (matches(&found, q->wanted))
        return v;
    h5calib_view_release(b, v);
    return NULL;
}

/* The view of an open file if it carries the identity. Remembers what it found. */
static view *look_into(binding *b, const process_file *file, question *q)
{
    known_file *k = recall(b, &file->as.stamp);
    const bool fresh = k && h5calib_stamp_equal(&k->stamp, &file->as.stamp);
    if (!file->as.readable || (fresh && file->writer < 0 && !matches(k, q->wanted)))
        return NULL;
    view *v = fresh && !file->as.writable ? h5calib_view_again(b, &file->as.stamp) : NULL;
    char *path = v ? NULL : h5calib_process_path(b, file);
    if (path && !written_without(b, path, file, q))
        v = look_inside(b, file, k, path, q);
    free(path);
    return v;
}

static view *look_into_id(binding *b, hid_t id, question *q)
{
    known_file found = {0};
    view *v = NULL;
    hid_t file = b->api.H5Iget_file_id(id);
    if (file < 0)
        return NULL;
    read_identity(b, file, &found);
    if (matches(&found, q->wanted))
        v = h5calib_view_image(b, file, q->trouble, sizeof q->trouble);
    b->api.H5Fclose(file);
    return v;
}

/* ---- the answer ------------------------------------------------------------------------ */

static bool closed_by_all(const view *v, void *data)
{
    const process *p = data;
    for (size_t i = 0; i < p->n; i++)
        if (h5calib_same_file(&p->files[i].as.stamp, &v->stamp))
            return false;
    return true;
}

static int collect(binding *b, question *q, view **candidates)
{
    int n = 0;
    view *v;
    const process *p = b->process;
    for (size_t i = 0; i < p->n + p->n_without; i++) {
        v = i < p->n ? look_into(b, &p->files[i], q) : look_into_id(b, p->without[i - p->n], q);
        if (!v)
            continue;
        if (n < H5CALIB_MAX_CANDIDATES) {
            candidates[n++] = v;
            continue;
        }
        h5calib_view_release(b, v);
        q->unsure = true;
        h5calib_say(q->trouble, sizeof q->trouble,
                    "more than %d open files carry the identity of this calibrated dataset: close "
                    "copies of it",
                    H5CALIB_MAX_CANDIDATES);
    }
    return n;
}

int h5calib_identify(binding *b, const h5calib_wanted *wanted,
                     view *candidates[H5CALIB_MAX_CANDIDATES], char *message, size_t size)
{
    question q = {.wanted = wanted};
    char text[33];
    forget_closed(b);
    h5calib_views_sweep(b, closed_by_all, b->process);
    int n = collect(b, &q, candidates);
    if (n == 0 && !q.unsure && b->process->listed &&
        h5calib_process_look_again(b, q.trouble, sizeof q.trouble))
        n = collect(b, &q, candidates);
    if (q.unsure) { /* what was not looked into may be the very file */
        while (n > 0)
            h5calib_view_release(b, candidates[--n]);
        h5calib_say(message, size, "%s", q.trouble);
        return -1;
    }
    if (n > 0)
        return n;
    if (wanted->uuid)
        h5calib_uuid_text(wanted->uuid, text);
    else
        snprintf(text, sizeof text, "magic 0x%08x", wanted->magic);
    h5calib_say(message, size,
                "no open file carries the identity %s of this calibrated dataset: it was copied "
                "here without what it is made of, or the identity was removed%s%s",
                text, q.trouble[0] ? "; " : "", q.trouble);
    return -1;
}
