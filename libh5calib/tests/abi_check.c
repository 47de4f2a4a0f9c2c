/*
 * abi_check.c - compares src/hdf5/h5abi.h and the function table of src/hdf5/api.h
 * with the headers of a real HDF5. Everything happens in the compiler.
 *
 * Both sides use HDF5's own names. So the values of the real constants are noted
 * first, then our header is read with its types renamed, then the function table
 * is read with the real types.
 */
#include <hdf5.h>

#include <stddef.h>
#include <stdint.h>

/* ---- 1. constants: note the real ones --------------------------------------------------- */

/* name, the expression of the real header */
#define CONSTANTS(X)                                                                               \
    X(H5P_DEFAULT, H5P_DEFAULT)                                                                    \
    X(H5S_ALL, H5S_ALL)                                                                            \
    X(H5E_DEFAULT, H5E_DEFAULT)                                                                    \
    X(H5T_DIR_DEFAULT, H5T_DIR_DEFAULT)                                                            \
    X(H5F_ACC_RDONLY, H5F_ACC_RDONLY)                                                              \
    X(H5F_ACC_RDWR, H5F_ACC_RDWR)                                                                  \
    X(H5F_ACC_SWMR_READ, H5F_ACC_SWMR_READ)                                                        \
    X(H5F_OBJ_ALL, H5F_OBJ_ALL)                                                                    \
    X(H5F_OBJ_FILE, H5F_OBJ_FILE)                                                                  \
    X(H5F_OBJ_DATASET, H5F_OBJ_DATASET)                                                            \
    X(H5F_OBJ_GROUP, H5F_OBJ_GROUP)                                                                \
    X(H5F_OBJ_DATATYPE, H5F_OBJ_DATATYPE)                                                          \
    X(H5F_OBJ_ATTR, H5F_OBJ_ATTR)                                                                  \
    X(H5F_OBJ_EVERY, H5F_OBJ_ALL)                                                                  \
    X(H5F_SCOPE_LOCAL, H5F_SCOPE_LOCAL)                                                            \
    X(H5F_CLOSE_STRONG, H5F_CLOSE_STRONG)                                                          \
    X(H5L_TYPE_HARD, H5L_TYPE_HARD)                                                                \
    X(H5L_TYPE_SOFT, H5L_TYPE_SOFT)                                                                \
    X(H5L_TYPE_EXTERNAL, H5L_TYPE_EXTERNAL)                                                        \
    X(H5L_SAME_LOC, H5L_SAME_LOC)                                                                  \
    X(H5S_SELECT_SET, H5S_SELECT_SET)                                                              \
    X(H5S_UNLIMITED, H5S_UNLIMITED)                                                                \
    X(H5T_INTEGER, H5T_INTEGER)                                                                    \
    X(H5T_FLOAT, H5T_FLOAT)                                                                        \
    X(H5T_STRING, H5T_STRING)                                                                      \
    X(H5T_ENUM, H5T_ENUM)                                                                          \
    X(H5T_OPAQUE, H5T_OPAQUE)                                                                      \
    X(H5T_ORDER_LE, H5T_ORDER_LE)                                                                  \
    X(H5T_ORDER_BE, H5T_ORDER_BE)                                                                  \
    X(H5T_SGN_NONE, H5T_SGN_NONE)                                                                  \
    X(H5D_COMPACT, H5D_COMPACT)                                                                    \
    X(H5D_CONTIGUOUS, H5D_CONTIGUOUS)                                                              \
    X(H5D_CHUNKED, H5D_CHUNKED)                                                                    \
    X(H5D_VIRTUAL, H5D_VIRTUAL)                                                                    \
    X(H5Z_FLAG_REVERSE, H5Z_FLAG_REVERSE)                                                          \
    X(H5Z_CLASS_T_VERS, H5Z_CLASS_T_VERS)                                                          \
    X(H5PL_TYPE_FILTER, H5PL_TYPE_FILTER)                                                          \
    X(H5E_MAJOR, H5E_MAJOR)                                                                        \
    X(H5E_MINOR, H5E_MINOR)
#define NOTE(name, expression) enum { real_##name = expression };
#undef H5OPEN /* some are calls of H5open() and then a value */
#undef H5CHECK
#define H5OPEN
#define H5CHECK
CONSTANTS(NOTE)

/* ---- 2. our header, its types renamed ------------------------------------------------------ */

#undef H5P_DEFAULT
#undef H5S_ALL
#undef H5E_DEFAULT
#undef H5T_DIR_DEFAULT
#undef H5F_ACC_RDONLY
#undef H5F_ACC_RDWR
#undef H5F_ACC_SWMR_READ
#undef H5F_OBJ_ALL
#undef H5F_OBJ_FILE
#undef H5F_OBJ_DATASET
#undef H5F_OBJ_GROUP
#undef H5F_OBJ_DATATYPE
#undef H5F_OBJ_ATTR
#undef H5L_SAME_LOC
#undef H5L_TYPE_HARD
#undef H5S_UNLIMITED
#undef H5Z_FLAG_REVERSE
#undef H5Z_CLASS_T_VERS

#define hid_t ours_hid_t
#define herr_t ours_herr_t
#define htri_t ours_htri_t
#define hsize_t ours_hsize_t
#define hssize_t ours_hssize_t
#define haddr_t ours_haddr_t
#define H5Z_filter_t ours_H5Z_filter_t
#define H5E_type_t ours_H5E_type_t
#define H5F_scope_t ours_H5F_scope_t
#define H5F_close_degree_t ours_H5F_close_degree_t
#include "hdf5/library/h5abi.h"
#undef hid_t
#undef herr_t
#undef htri_t
#undef hsize_t
#undef hssize_t
#undef haddr_t
#undef H5Z_filter_t
#undef H5E_type_t
#undef H5F_scope_t
#undef H5F_close_degree_t

#ifdef SPOIL_CONSTANT /* to show that the check can fail */
#undef H5F_ACC_SWMR_READ
#define H5F_ACC_SWMR_READ 0x0080u
#endif

/* ---- 3. compare -------------------------------------------------------------------------------
 */

#define COMPARE(name, expression)                                                                  \
    _Static_assert((uint64_t)(name) == (uint64_t)real_##name, #name " has another value in HDF5");
CONSTANTS(COMPARE)

#define SAME_INTEGER(type)                                                                         \
    _Static_assert(sizeof(ours_##type) == sizeof(type), #type " has another size in HDF5");        \
    _Static_assert(((ours_##type) - 1 < 1) == ((type) - 1 < 1), #type " has another sign in "      \
                                                                      "HDF5");
#define SAME_SIZE(ours, real)                                                                      \
    _Static_assert(sizeof(ours) == sizeof(real), #real " has another size in HDF5");
#define SAME_PLACE(ours, ours_member, real, real_member)                                           \
    _Static_assert(offsetof(ours, ours_member) == offsetof(real, real_member) &&                   \
                       sizeof(((ours *)0)->ours_member) == sizeof(((real *)0)->real_member),       \
                   #real_member " lies elsewhere in " #real);

SAME_INTEGER(hid_t)
SAME_INTEGER(herr_t)
SAME_INTEGER(htri_t)
SAME_INTEGER(hsize_t)
SAME_INTEGER(hssize_t)
SAME_INTEGER(haddr_t)
SAME_INTEGER(H5Z_filter_t)
SAME_SIZE(h5_ssize_t, ssize_t)
SAME_SIZE(ours_H5E_type_t, H5E_type_t)
SAME_SIZE(ours_H5F_scope_t, H5F_scope_t)
SAME_SIZE(ours_H5F_close_degree_t, H5F_close_degree_t)
SAME_SIZE(bool, hbool_t)

SAME_SIZE(h5_filter_class, H5Z_class2_t)
SAME_PLACE(h5_filter_class, version, H5Z_class2_t, version)
SAME_PLACE(h5_filter_class, id, H5Z_class2_t, id)
SAME_PLACE(h5_filter_class, encoder_present, H5Z_class2_t, encoder_present)
SAME_PLACE(h5_filter_class, decoder_present, H5Z_class2_t, decoder_present)
SAME_PLACE(h5_filter_class, name, H5Z_class2_t, name)
SAME_PLACE(h5_filter_class, can_apply, H5Z_class2_t, can_apply)
SAME_PLACE(h5_filter_class, set_local, H5Z_class2_t, set_local)
SAME_PLACE(h5_filter_class, filter, H5Z_class2_t, filter)

SAME_SIZE(h5_image_callbacks, H5FD_file_image_callbacks_t)
SAME_PLACE(h5_image_callbacks, image_malloc, H5FD_file_image_callbacks_t, image_malloc)
SAME_PLACE(h5_image_callbacks, image_memcpy, H5FD_file_image_callbacks_t, image_memcpy)
SAME_PLACE(h5_image_callbacks, image_realloc, H5FD_file_image_callbacks_t, image_realloc)
SAME_PLACE(h5_image_callbacks, image_free, H5FD_file_image_callbacks_t, image_free)
SAME_PLACE(h5_image_callbacks, udata_copy, H5FD_file_image_callbacks_t, udata_copy)
SAME_PLACE(h5_image_callbacks, udata_free, H5FD_file_image_callbacks_t, udata_free)
SAME_PLACE(h5_image_callbacks, udata, H5FD_file_image_callbacks_t, udata)

/* Our struct serves both versions; its union is the larger one. */
#define SAME_LINK_INFO(real)                                                                       \
    SAME_PLACE(h5_link_info, type, real, type)                                                     \
    SAME_PLACE(h5_link_info, corder_valid, real, corder_valid)                                     \
    SAME_PLACE(h5_link_info, corder, real, corder)                                                 \
    SAME_PLACE(h5_link_info, cset, real, cset)                                                     \
    _Static_assert(offsetof(h5_link_info, u.val_size) == offsetof(real, u.val_size) &&             \
                       sizeof(h5_link_info) >= sizeof(real),                                       \
                   #real " has another size of values in HDF5");
#if H5_VERSION_GE(1, 12, 0)
SAME_LINK_INFO(H5L_info1_t)
SAME_LINK_INFO(H5L_info2_t)
#else
SAME_LINK_INFO(H5L_info_t)
#endif

/* The function table, its types now HDF5's own. Enumerations that have a negative
 * member are `int` to the compiler, and to the table. */
#include "hdf5/library/api.h"
#define h5_ssize_t ssize_t
#define h5_error_func H5E_auto2_t
#define h5_iterate_func H5P_iterate_t
#define h5_image_callbacks H5FD_file_image_callbacks_t
#define SAME_FUNCTION(name, result, arguments)                                                     \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name), result(*) arguments),           \
                   #name " has other arguments or another result in HDF5");
H5CALIB_H5_FUNCTIONS(SAME_FUNCTION)

/* The two with several versions: only what they visit is our own type. */
#if H5_VERSION_GE(1, 12, 0)
#define LINK_INFO H5Lget_info1
#define LINK_INFO_T H5L_info1_t
#define VISIT H5Ovisit1
#define VISIT_T H5O_iterate1_t
#else
#define LINK_INFO H5Lget_info
#define LINK_INFO_T H5L_info_t
#define VISIT H5Ovisit
#define VISIT_T H5O_iterate_t
#endif
SAME_FUNCTION(LINK_INFO, herr_t, (hid_t, const char *, LINK_INFO_T *, hid_t))
SAME_FUNCTION(VISIT, herr_t, (hid_t, H5_index_t, H5_iter_order_t, VISIT_T, void *))
_Static_assert(sizeof(H5_index_t) == sizeof(int) && sizeof(H5_iter_order_t) == sizeof(int),
               "an enumeration has another size in HDF5");
