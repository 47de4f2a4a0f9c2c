/*
 * own.c - the descriptors that this plugin has open, of all its views.
 */
#include "hdf5/file/own.h"

#include <stdlib.h>

static struct own {
    int fd;
    h5calib_stamp file; /* a program may close what is not its own, and be given the number */
} *own;
static size_t n_own, capacity;

bool h5calib_own(int fd, const h5calib_stamp *file)
{
    if (fd < 0)
        return true;
    h5calib_global_lock();
    if (n_own == capacity) {
        size_t more = capacity ? 2 * capacity : 32;
        void *grown = realloc(own, more * sizeof *own);
        if (grown) {
            own = grown;
            capacity = more;
        }
    }
    const bool ok = n_own < capacity;
    if (ok)
        own[n_own++] = (struct own){fd, *file};
    h5calib_global_unlock();
    return ok;
}

void h5calib_disown(int fd)
{
    h5calib_global_lock();
    for (size_t i = 0; i < n_own; i++)
        if (own[i].fd == fd) {
            own[i] = own[--n_own];
            break;
        }
    h5calib_global_unlock();
}

bool h5calib_is_own(int fd, const h5calib_stamp *file)
{
    bool found = false;
    h5calib_global_lock();
    for (size_t i = 0; i < n_own && !found; i++)
        found = own[i].fd == fd && h5calib_same_file(&own[i].file, file);
    h5calib_global_unlock();
    return found;
}
