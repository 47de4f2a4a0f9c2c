/*
 * h5abi.h - the part of HDF5's binary interface that the plugin uses.
 *
 * The plugin is built without HDF5: it binds at run time to the libhdf5 that
 * called it (api.c). These declarations hold for every HDF5 from 1.10.7 on;
 * tests/abi_check.c compares them with the real headers where there are any.
 */
#ifndef H5CALIB_H5ABI_H
#define H5CALIB_H5ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(_WIN32)
#include <basetsd.h>
typedef SSIZE_T h5_ssize_t;
#else
typedef ssize_t h5_ssize_t;
#endif

typedef int64_t hid_t;
typedef int herr_t;
typedef int htri_t;
typedef uint64_t hsize_t;
typedef int64_t hssize_t;
typedef uint64_t haddr_t;
/* enumerations, each of the size of an int */
typedef int H5E_type_t;
typedef int H5F_scope_t;
typedef int H5F_close_degree_t;

#define H5P_DEFAULT ((hid_t)0)
#define H5S_ALL ((hid_t)0)
#define H5E_DEFAULT ((hid_t)0)
#define H5T_DIR_DEFAULT 0

/* files */
#define H5F_ACC_RDONLY 0x0000u
#define H5F_ACC_RDWR 0x0001u
#define H5F_ACC_SWMR_READ 0x0040u
#define H5F_OBJ_ALL ((hid_t)0x001f) /* as a file id: every file */
#define H5F_OBJ_FILE 0x0001u
#define H5F_OBJ_DATASET 0x0002u
#define H5F_OBJ_GROUP 0x0004u
#define H5F_OBJ_DATATYPE 0x0008u
#define H5F_OBJ_ATTR 0x0010u
#define H5F_OBJ_EVERY 0x001fu
#define H5F_SCOPE_LOCAL 0

/* links */
#define H5L_TYPE_HARD 0
#define H5L_TYPE_SOFT 1
#define H5L_TYPE_EXTERNAL 64
#define H5L_SAME_LOC ((hid_t)0)
typedef struct h5_link_info { /* H5L_info1_t and H5L_info2_t up to the union */
    int type;
    bool corder_valid;
    int64_t corder;
    int cset;
    union {
        uint64_t words[2]; /* address or token */
        size_t val_size;
    } u;
} h5_link_info;

/* dataspaces, datatypes, layouts */
#define H5S_SELECT_SET 0
#define H5S_UNLIMITED ((hsize_t) - 1)
#define H5T_INTEGER 0
#define H5T_FLOAT 1
#define H5T_STRING 3
#define H5T_OPAQUE 5
#define H5T_ENUM 8
#define H5T_ORDER_LE 0
#define H5T_ORDER_BE 1
#define H5T_SGN_NONE 0
#define H5D_COMPACT 0
#define H5D_CONTIGUOUS 1
#define H5D_CHUNKED 2
#define H5D_VIRTUAL 3

/* filters */
#define H5Z_FLAG_REVERSE 0x0100u
#define H5Z_CLASS_T_VERS 1
typedef int H5Z_filter_t;
typedef htri_t (*h5_can_apply_func)(hid_t dcpl, hid_t type, hid_t space);
typedef herr_t (*h5_set_local_func)(hid_t dcpl, hid_t type, hid_t space);
typedef size_t (*h5_filter_func)(unsigned flags, size_t cd_nelmts, const unsigned cd_values[],
                                 size_t nbytes, size_t *buf_size, void **buf);
typedef struct h5_filter_class { /* H5Z_class2_t */
    int version;
    H5Z_filter_t id;
    unsigned encoder_present;
    unsigned decoder_present;
    const char *name;
    h5_can_apply_func can_apply;
    h5_set_local_func set_local;
    h5_filter_func filter;
} h5_filter_class;
#define H5PL_TYPE_FILTER 0

/* errors */
#define H5E_MAJOR 0
#define H5E_MINOR 1
typedef herr_t (*h5_iterate_func)(hid_t id, const char *name, void *data);
typedef herr_t (*h5_error_func)(hid_t stack, void *client_data);

/* file images (core driver) */
typedef struct h5_image_callbacks { /* H5FD_file_image_callbacks_t */
    void *(*image_malloc)(size_t size, int op, void *udata);
    void *(*image_memcpy)(void *dest, const void *src, size_t size, int op, void *udata);
    void *(*image_realloc)(void *ptr, size_t size, int op, void *udata);
    herr_t (*image_free)(void *ptr, int op, void *udata);
    void *(*udata_copy)(void *udata);
    herr_t (*udata_free)(void *udata);
    void *udata;
} h5_image_callbacks;

/* H5D_chunk_iter_op_t of HDF5 1.14; 1.12 and 1.13 had other arguments */
typedef int (*h5_chunk_func)(const hsize_t *offset, unsigned mask, haddr_t address, hsize_t size,
                             void *data);

typedef herr_t (*h5_visit_func)(hid_t object, const char *name, const void *info, void *data);

#endif
