/*
 * names.c - names that HDF5 knows, as long as they are.
 */
#include "hdf5/library/names.h"

#include <stdlib.h>
#include <string.h>

#include "hdf5/system/text.h"

/* Room for a name of n bytes (HDF5 does not count the end), or NULL. */
static char *room_for(h5_ssize_t n)
{
    return n > 0 ? calloc((size_t)n + 1, 1) : NULL;
}

static char *whole(char *name, h5_ssize_t promised, h5_ssize_t got)
{
    if (!name || got == promised)
        return name;
    free(name);
    return NULL;
}

char *h5calib_file_name(const binding *b, hid_t id)
{
    const h5_ssize_t n = b->api.H5Fget_name(id, NULL, 0);
    char *name = room_for(n);
    return whole(name, n, name ? b->api.H5Fget_name(id, name, (size_t)n + 1) : 0);
}

char *h5calib_object_name(const binding *b, hid_t id)
{
    const h5_ssize_t n = b->api.H5Iget_name(id, NULL, 0);
    char *name = room_for(n);
    return whole(name, n, name ? b->api.H5Iget_name(id, name, (size_t)n + 1) : 0);
}

char *h5calib_virtual_file(const binding *b, hid_t plist, size_t i)
{
    const h5_ssize_t n = b->api.H5Pget_virtual_filename(plist, i, NULL, 0);
    char *name = room_for(n);
    return whole(name, n, name ? b->api.H5Pget_virtual_filename(plist, i, name, (size_t)n + 1) : 0);
}

char *h5calib_virtual_dataset(const binding *b, hid_t plist, size_t i)
{
    const h5_ssize_t n = b->api.H5Pget_virtual_dsetname(plist, i, NULL, 0);
    char *name = room_for(n);
    return whole(name, n, name ? b->api.H5Pget_virtual_dsetname(plist, i, name, (size_t)n + 1) : 0);
}

/* What is stored in a link that is no hard one. */
static char *value_of(const binding *b, hid_t group, const char *link, const h5_link_info *info)
{
    const size_t n = info->u.val_size;
    char *value = n < SIZE_MAX ? calloc(n + 1, 1) : NULL;
    if (value && b->api.H5Lget_val(group, link, value, n, H5P_DEFAULT) < 0) {
        free(value);
        return NULL;
    }
    return value;
}

char *h5calib_soft_target(const binding *b, hid_t group, const char *link, const h5_link_info *info)
{
    return value_of(b, group, link, info);
}

bool h5calib_external_target(const binding *b, hid_t group, const char *link,
                             const h5_link_info *info, char **file, char **object)
{
    unsigned flags;
    const char *file_name, *object_name;
    *file = *object = NULL;
    char *value = value_of(b, group, link, info);
    if (value && b->api.H5Lunpack_elink_val(value, info->u.val_size, &flags, &file_name,
                                            &object_name) >= 0) {
        *file = h5calib_text("%s", file_name);
        *object = h5calib_text("%s", object_name);
    }
    free(value);
    return *file && *object;
}
