/*
 * api.h - run-time binding to the libhdf5 that called the plugin.
 *
 * One process can hold several libhdf5 (each wheel brings its own), and all of
 * them load the same plugin file. Each gets a `binding`: its functions, and
 * everything the plugin remembers on its behalf. A binding's lock is taken for
 * the whole of a callback and is recursive, because reading raw data may call
 * the filter again.
 */
#ifndef H5CALIB_API_H
#define H5CALIB_API_H

#include "hdf5/library/h5abi.h"
#include "hdf5/system/platform.h"

/* name, result, arguments: what must be there */
#define H5CALIB_H5_FUNCTIONS(X)                                                                    \
    X(H5open, herr_t, (void))                                                                      \
    X(H5get_libversion, herr_t, (unsigned *, unsigned *, unsigned *))                              \
    X(H5free_memory, herr_t, (void *))                                                             \
    X(H5allocate_memory, void *, (size_t, bool))                                                   \
    X(H5Eclear2, herr_t, (hid_t))                                                                  \
    X(H5Eget_current_stack, hid_t, (void))                                                         \
    X(H5Eset_current_stack, herr_t, (hid_t))                                                       \
    X(H5Epush2, herr_t,                                                                            \
      (hid_t, const char *, const char *, unsigned, hid_t, hid_t, hid_t, const char *, ...))       \
    X(H5Eregister_class, hid_t, (const char *, const char *, const char *))                        \
    X(H5Ecreate_msg, hid_t, (hid_t, H5E_type_t, const char *))                                     \
    X(H5Eget_auto2, herr_t, (hid_t, h5_error_func *, void **))                                     \
    X(H5Eset_auto2, herr_t, (hid_t, h5_error_func, void *))                                        \
    X(H5Iget_file_id, hid_t, (hid_t))                                                              \
    X(H5Iis_valid, htri_t, (hid_t))                                                                \
    X(H5Iget_name, h5_ssize_t, (hid_t, char *, size_t))                                            \
    X(H5Fget_obj_count, h5_ssize_t, (hid_t, unsigned))                                             \
    X(H5Fget_obj_ids, h5_ssize_t, (hid_t, unsigned, size_t, hid_t *))                              \
    X(H5Fopen, hid_t, (const char *, unsigned, hid_t))                                             \
    X(H5Fclose, herr_t, (hid_t))                                                                   \
    X(H5Fget_name, h5_ssize_t, (hid_t, char *, size_t))                                            \
    X(H5Fget_vfd_handle, herr_t, (hid_t, hid_t, void **))                                          \
    X(H5Fget_intent, herr_t, (hid_t, unsigned *))                                                  \
    X(H5Fflush, herr_t, (hid_t, H5F_scope_t))                                                      \
    X(H5Fget_access_plist, hid_t, (hid_t))                                                         \
    X(H5Fget_file_image, h5_ssize_t, (hid_t, void *, size_t))                                      \
    X(H5Pget_class, hid_t, (hid_t))                                                                \
    X(H5Pclose_class, herr_t, (hid_t))                                                             \
    X(H5Pcreate, hid_t, (hid_t))                                                                   \
    X(H5Pclose, herr_t, (hid_t))                                                                   \
    X(H5Pset_fapl_log, herr_t, (hid_t, const char *, unsigned long long, size_t))                  \
    X(H5Pset_fapl_core, herr_t, (hid_t, size_t, bool))                                             \
    X(H5Pset_file_image_callbacks, herr_t, (hid_t, h5_image_callbacks *))                          \
    X(H5Pset_file_image, herr_t, (hid_t, void *, size_t))                                          \
    X(H5Pset_file_locking, herr_t, (hid_t, bool, bool))                                            \
    X(H5Pset_metadata_read_attempts, herr_t, (hid_t, unsigned))                                    \
    X(H5Pget_driver, hid_t, (hid_t))                                                               \
    X(H5Piterate, int, (hid_t, int *, h5_iterate_func, void *))                                    \
    X(H5Pset_fapl_sec2, herr_t, (hid_t))                                                           \
    X(H5Pset_elink_fapl, herr_t, (hid_t, hid_t))                                                   \
    X(H5Pget_filter_by_id2, herr_t,                                                                \
      (hid_t, H5Z_filter_t, unsigned *, size_t *, unsigned *, size_t, char *, unsigned *))         \
    X(H5Pmodify_filter, herr_t, (hid_t, H5Z_filter_t, unsigned, size_t, const unsigned *))         \
    X(H5Pget_nfilters, int, (hid_t))                                                               \
    X(H5Pget_filter2, int,                                                                         \
      (hid_t, unsigned, unsigned *, size_t *, unsigned *, size_t, char *, unsigned *))             \
    X(H5Pget_layout, int, (hid_t))                                                                 \
    X(H5Pget_chunk, int, (hid_t, int, hsize_t *))                                                  \
    X(H5Pget_external_count, int, (hid_t))                                                         \
    X(H5Pget_virtual_count, herr_t, (hid_t, size_t *))                                             \
    X(H5Pget_virtual_filename, h5_ssize_t, (hid_t, size_t, char *, size_t))                        \
    X(H5Pget_virtual_dsetname, h5_ssize_t, (hid_t, size_t, char *, size_t))                        \
    X(H5Pget_virtual_vspace, hid_t, (hid_t, size_t))                                               \
    X(H5Aexists, htri_t, (hid_t, const char *))                                                    \
    X(H5Aopen, hid_t, (hid_t, const char *, hid_t))                                                \
    X(H5Aget_type, hid_t, (hid_t))                                                                 \
    X(H5Aget_storage_size, hsize_t, (hid_t))                                                       \
    X(H5Aread, herr_t, (hid_t, hid_t, void *))                                                     \
    X(H5Aclose, herr_t, (hid_t))                                                                   \
    X(H5Gopen2, hid_t, (hid_t, const char *, hid_t))                                               \
    X(H5Gclose, herr_t, (hid_t))                                                                   \
    X(H5Lexists, htri_t, (hid_t, const char *, hid_t))                                             \
    X(H5Lget_val, herr_t, (hid_t, const char *, void *, size_t, hid_t))                            \
    X(H5Lunpack_elink_val, herr_t,                                                                 \
      (const void *, size_t, unsigned *, const char **, const char **))                            \
    X(H5Dopen2, hid_t, (hid_t, const char *, hid_t))                                               \
    X(H5Dclose, herr_t, (hid_t))                                                                   \
    X(H5Dget_space, hid_t, (hid_t))                                                                \
    X(H5Dget_type, hid_t, (hid_t))                                                                 \
    X(H5Dget_create_plist, hid_t, (hid_t))                                                         \
    X(H5Dget_access_plist, hid_t, (hid_t))                                                         \
    X(H5Dread, herr_t, (hid_t, hid_t, hid_t, hid_t, hid_t, void *))                                \
    X(H5Dget_space_status, herr_t, (hid_t, int *))                                                 \
    X(H5Dget_offset, haddr_t, (hid_t))                                                             \
    X(H5Dget_chunk_info_by_coord, herr_t,                                                          \
      (hid_t, const hsize_t *, unsigned *, haddr_t *, hsize_t *))                                  \
    X(H5Fget_create_plist, hid_t, (hid_t))                                                         \
    X(H5Pget_userblock, herr_t, (hid_t, hsize_t *))                                                \
    X(H5Tequal, htri_t, (hid_t, hid_t))                                                            \
    X(H5Screate_simple, hid_t, (int, const hsize_t *, const hsize_t *))                            \
    X(H5Sclose, herr_t, (hid_t))                                                                   \
    X(H5Sget_simple_extent_ndims, int, (hid_t))                                                    \
    X(H5Sget_simple_extent_dims, int, (hid_t, hsize_t *, hsize_t *))                               \
    X(H5Sselect_hyperslab, herr_t,                                                                 \
      (hid_t, int, const hsize_t *, const hsize_t *, const hsize_t *, const hsize_t *))            \
    X(H5Tcreate, hid_t, (int, size_t))                                                             \
    X(H5Tset_tag, herr_t, (hid_t, const char *))                                                   \
    X(H5Tget_tag, char *, (hid_t))                                                                 \
    X(H5Sget_select_bounds, herr_t, (hid_t, hsize_t *, hsize_t *))                                 \
    X(H5Sis_regular_hyperslab, htri_t, (hid_t))                                                    \
    X(H5Sget_regular_hyperslab, herr_t, (hid_t, hsize_t *, hsize_t *, hsize_t *, hsize_t *))       \
    X(H5Tcopy, hid_t, (hid_t))                                                                     \
    X(H5Tclose, herr_t, (hid_t))                                                                   \
    X(H5Tget_class, int, (hid_t))                                                                  \
    X(H5Tget_size, size_t, (hid_t))                                                                \
    X(H5Tget_sign, int, (hid_t))                                                                   \
    X(H5Tget_order, int, (hid_t))                                                                  \
    X(H5Tset_order, herr_t, (hid_t, int))                                                          \
    X(H5Tget_precision, size_t, (hid_t))                                                           \
    X(H5Tset_precision, herr_t, (hid_t, size_t))                                                   \
    X(H5Tset_offset, herr_t, (hid_t, size_t))                                                      \
    X(H5Tis_variable_str, htri_t, (hid_t))                                                         \
    X(H5Tget_super, hid_t, (hid_t))                                                                \
    X(H5Tget_ebias, size_t, (hid_t))

/* the same with two names: releases changed what the plain one means */
#define H5CALIB_H5_VERSIONED(X)                                                                    \
    X(H5Lget_info, "H5Lget_info1", "H5Lget_info", herr_t,                                          \
      (hid_t, const char *, h5_link_info *, hid_t))                                                \
    X(H5Ovisit, "H5Ovisit1", "H5Ovisit", herr_t, (hid_t, int, int, h5_visit_func, void *))

typedef struct h5 {
#define X(name, result, arguments) result(*name) arguments;
    H5CALIB_H5_FUNCTIONS(X)
#undef X
#define X(name, first, second, result, arguments) result(*name) arguments;
    H5CALIB_H5_VERSIONED(X)
#undef X
    herr_t (*H5is_library_threadsafe)(bool *); /* may be NULL: every release before 1.8.16 */
    herr_t (*H5Dchunk_iter)(hid_t, hid_t, h5_chunk_func, void *); /* NULL before 1.14 */
    unsigned version[3];
} h5;

struct view;
struct ahead;

typedef struct binding {
    h5 api;
    bool guest; /* the caller's own libhdf5 hides its functions: another serves it */
    char path[1024];
    void *base;
    const void *caller;             /* the last address that was bound to this: saves a look-up */
    const hid_t *file_access_class; /* of a guest, where no id of a caller tells it */
    hid_t error_class, error_major, error_minor;
    hid_t witness; /* an id of this HDF5, which ends with it: see h5calib_reopened */
    h5calib_mutex lock;
    struct view *views;               /* private views of files, see view.h */
    struct process *process;          /* the files the process has open, see process.c */
    struct known_file *known;         /* the identities found in files, see identity.c */
    struct prepared *newest, *oldest; /* prepared constants, see constants.c */
    size_t prepared_bytes;
    unsigned works;      /* that hold prepared constants, see chunk.c */
    struct ahead *ahead; /* the chunks prepared before they are asked for, see ahead.c */
    size_t ahead_bytes;  /* of these chunks */
    unsigned depth;      /* callbacks under way on the thread that holds the lock */
    struct binding *next;
} binding;

/* The binding of the libhdf5 that holds `address`. Where that one exports no
 * functions, a private copy of another libhdf5 of the process. NULL with a
 * message if there is none. */
binding *h5calib_bind(const void *address, char *message, size_t message_size);
/* Was HDF5 closed and opened again (H5close) since this was asked last? Then it gives its ids once
 * more, and those kept may name things of the program. */
bool h5calib_reopened(binding *b);
/* Memory for HDF5 to own, or to be given back. */
void *h5calib_binding_allocate(const binding *b, size_t n);
void h5calib_binding_free(const binding *b, void *memory);
/* The bindings made so far, for reports; follow `next`. */
binding *h5calib_bindings(void);

#endif
