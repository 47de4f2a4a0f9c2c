/*
 * platform.c - what is the same everywhere.
 */
#include "platform.h"

bool h5calib_same_file(const h5calib_stamp *a, const h5calib_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}

bool h5calib_stamp_equal(const h5calib_stamp *a, const h5calib_stamp *b)
{
    return h5calib_same_file(a, b) && a->size == b->size && a->modified == b->modified &&
           a->changed == b->changed;
}
