/*
 * names.h - names that HDF5 knows, as long as they are.
 *
 * All are to be freed; NULL where there is none, or no memory for it.
 */
#ifndef H5CALIB_NAMES_H
#define H5CALIB_NAMES_H

#include "hdf5/library/api.h"

/* The name that a file was opened by, of any object in it. */
char *h5calib_file_name(const binding *b, hid_t id);
/* A path that an object was opened by. */
char *h5calib_object_name(const binding *b, hid_t id);
/* File and dataset of source i of a virtual dataset. */
char *h5calib_virtual_file(const binding *b, hid_t plist, size_t i);
char *h5calib_virtual_dataset(const binding *b, hid_t plist, size_t i);
/* Where a soft link leads. */
char *h5calib_soft_target(const binding *b, hid_t group, const char *link,
                          const h5_link_info *info);
/* Where an external link leads; false where it is damaged. */
bool h5calib_external_target(const binding *b, hid_t group, const char *link,
                             const h5_link_info *info, char **file, char **object);

#endif
