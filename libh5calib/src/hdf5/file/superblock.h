/*
 * superblock.h - the mark of a file that is open for writing.
 */
#ifndef H5CALIB_SUPERBLOCK_H
#define H5CALIB_SUPERBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is there an HDF5 signature where one may be, in the first n bytes of a file? */
bool h5calib_superblock_find(const void *bytes, size_t n, size_t *offset);

/* Does the superblock of an open file of that size say that it is being written for readers (SWMR)?
 * The mark stays where the writer was killed. */
bool h5calib_superblock_swmr_writer(int fd, uint64_t size);

/* Take the consistency flags out of a version 3 superblock in memory and mend
 * its checksum. False where there is no superblock in the image. */
bool h5calib_superblock_clear_flags(void *image, size_t n);

#endif
