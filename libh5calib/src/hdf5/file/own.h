/*
 * own.h - the descriptors that this plugin has open, of all its views.
 */
#ifndef H5CALIB_OWN_H
#define H5CALIB_OWN_H

#include "hdf5/system/platform.h"

/* This descriptor of that file is ours; false: there is no memory to remember it. */
bool h5calib_own(int fd, const h5calib_stamp *file);
void h5calib_disown(int fd);
/* Is this descriptor, which is of that file now, one of ours? */
bool h5calib_is_own(int fd, const h5calib_stamp *file);

#endif
