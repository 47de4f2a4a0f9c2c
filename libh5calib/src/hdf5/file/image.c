/*
 * image.c - HDF5 reads a file that is in memory.
 */
#include "hdf5/file/image.h"

#include <stdlib.h>

#include "hdf5/system/text.h"

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
    return ((h5calib_image *)udata)->bytes;
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

hid_t h5calib_open_image(binding *b, const char *path, h5calib_image *image)
{
    static unsigned counter;
    const h5 *api = &b->api;
    h5_image_callbacks callbacks = {image_malloc, image_memcpy, NULL, image_free,
                                    same_udata,   keep_udata,   image};
    char *name = h5calib_text("%s#h5calib-%u", path, counter++);
    hid_t file = -1, access = name ? h5calib_new_access(b) : -1;
    if (access >= 0 && api->H5Pset_fapl_core(access, 65536, false) >= 0 &&
        api->H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
        api->H5Pset_file_image(access, image->bytes, image->size) >= 0)
        file = api->H5Fopen(name, H5F_ACC_RDONLY, access);
    if (access >= 0)
        api->H5Pclose(access);
    free(name);
    return file;
}
