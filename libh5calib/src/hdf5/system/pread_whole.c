/*
 * pread_whole.c - read what a file holds, or know that it was cut short meanwhile.
 */
#include "hdf5/system/platform.h"

bool h5calib_pread_whole(int fd, void *buffer, size_t n, uint64_t offset)
{
    return h5calib_pread_pieces(fd, buffer, n, offset, 0, 1);
}

/* While a file changes it is read again; one that another program appends to all the time never
 * stays the same, but does not get shorter. */
bool h5calib_pread_pieces(int fd, void *buffer, size_t n, uint64_t offset, uint64_t step,
                          size_t count)
{
    h5calib_stamp before, after;
    for (int turn = 0; turn < 4; turn++) {
        if (!h5calib_stamp_fd(fd, &before))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!h5calib_pread(fd, (char *)buffer + i * n, n, offset + i * step))
                return false;
        if (!h5calib_stamp_fd(fd, &after) || after.size < before.size)
            return false;
        if (h5calib_stamp_equal(&before, &after))
            break;
    }
    return true;
}
