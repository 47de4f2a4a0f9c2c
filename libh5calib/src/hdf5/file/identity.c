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
            open = h5calib_same_file(&b->process->files[i].stamp, &(*at)->stamp);
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

static bool is_hdf5(const char *path, const h5calib_open_file *file)
{
    /* A userblock may push the signature far back; HDF5 looks at every power of two. */
    uint8_t head[8];
    size_t offset;
    bool found = false;
    int fd = h5calib_open(path);
    for (uint64_t at = 0; !found && at + 8 <= file->stamp.size; at = at ? 2 * at : 512)
        found = h5calib_pread(fd, head, 8, at) && h5calib_superblock_find(head, 8, &offset);
    h5calib_close(fd);
    return found;
}

/* The view of an open file if it carries the identity. Remembers what it found. */
static view *look_into(binding *b, const h5calib_open_file *file, const h5calib_wanted *wanted,
                       char *trouble, size_t size)
{
    char path[1024];
    bool unknown;
    known_file *k = recall(b, &file->stamp);
    bool fresh = k && h5calib_stamp_equal(&k->stamp, &file->stamp);
    if (fresh && !matches(k, wanted))
        return NULL;
    view *v = fresh && !file->writable ? h5calib_view_again(b, &file->stamp) : NULL;
    if (v)
        return v;
    if (!h5calib_process_path(b, file, path, sizeof path))
        return NULL;
    if (!fresh && !is_hdf5(path, file)) {
        remember(b, k, &(known_file){.stamp = file->stamp});
        return NULL;
    }
    v = h5calib_reach(b, path, &file->stamp, &unknown, trouble, size);
    if (!v || fresh)
        return v;
    known_file found = {.stamp = v->stamp};
    read_identity(b, v->file, &found);
    if (!v->settled)
        found.stamp.size = UINT64_MAX; /* never equal: look again next time */
    remember(b, k, &found);
    if (matches(&found, wanted))
        return v;
    h5calib_view_release(b, v);
    return NULL;
}

static view *look_into_id(binding *b, hid_t id, const h5calib_wanted *wanted, char *trouble,
                          size_t size)
{
    known_file found = {0};
    view *v = NULL;
    hid_t file = b->api.H5Iget_file_id(id);
    if (file < 0)
        return NULL;
    read_identity(b, file, &found);
    if (matches(&found, wanted))
        v = h5calib_view_image(b, file, trouble, size);
    b->api.H5Fclose(file);
    return v;
}

/* ---- the answer ------------------------------------------------------------------------ */

static bool closed_by_all(const view *v, void *data)
{
    const process *p = data;
    for (size_t i = 0; i < p->n; i++)
        if (h5calib_same_file(&p->files[i].stamp, &v->stamp))
            return false;
    return true;
}

static int collect(binding *b, const h5calib_wanted *wanted, view **candidates, char *trouble,
                   size_t size)
{
    int n = 0;
    const process *p = b->process;
    for (size_t i = 0; i < p->n && n < H5CALIB_MAX_CANDIDATES; i++)
        if ((candidates[n] = look_into(b, &p->files[i], wanted, trouble, size)) != NULL)
            n++;
    for (size_t i = 0; i < p->n_without && n < H5CALIB_MAX_CANDIDATES; i++)
        if ((candidates[n] = look_into_id(b, p->without[i], wanted, trouble, size)) != NULL)
            n++;
    return n;
}

int h5calib_identify(binding *b, const h5calib_wanted *wanted,
                     view *candidates[H5CALIB_MAX_CANDIDATES], char *message, size_t size)
{
    char trouble[512] = "", text[33];
    forget_closed(b);
    h5calib_views_sweep(b, closed_by_all, b->process);
    int n = collect(b, wanted, candidates, trouble, sizeof trouble);
    if (n == 0 && b->process->listed && h5calib_process_look_again(b, trouble, sizeof trouble))
        n = collect(b, wanted, candidates, trouble, sizeof trouble);
    if (n > 0)
        return n;
    if (wanted->uuid)
        h5calib_uuid_text(wanted->uuid, text);
    else
        snprintf(text, sizeof text, "magic 0x%08x", wanted->magic);
    h5calib_say(message, size,
                "no open file carries the identity %s of this calibrated dataset: it was copied "
                "here without what it is made of, or the identity was removed%s%s",
                text, trouble[0] ? "; " : "", trouble);
    return -1;
}
