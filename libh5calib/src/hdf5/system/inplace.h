/*
 * inplace.h - bytes of a file looked at where the system keeps them.
 *
 * Reading a file that is in the page cache copies it, and the processor waits for memory while
 * it does. A mapping gives the bytes themselves, which kernels fetch ahead of themselves while
 * they compute. Five rules make that safe, bounded and worth it:
 *
 *   - Whoever looks at a mapped page behind the end of its file gets SIGBUS: another program may
 *     cut the file short at any moment. While anything is looked at, SIGBUS is ours: such a page
 *     becomes one of zeros, and who looked at it learns that in the end. What is not ours goes
 *     on to the handler that was there before.
 *   - A file is looked at only if it is as it was when its view was opened, before and after. One
 *     that was cut short and has grown again may have shown zeros without any SIGBUS.
 *   - Mapped pages count as memory of the process. At most 32 windows of 8 MiB are kept, as many
 *     as the bound of the cache leaves room for; those used longest ago go first.
 *   - Mapping pays where reading goes on: where more of that part of the file, or of the parts
 *     beside it, was asked for just now than one chunk needs, or is known to be asked for. Frames
 *     here and there are read.
 *   - Only what is in the page cache, or was when its window was opened, is looked at. What has to
 *     come from a disk or a network is read, which the system does better, and whose errors are
 *     errors; a disk's error in a page that had left the cache is a bus error, and it is read.
 *
 * Linux only, where it was measured; elsewhere there are no windows. H5CALIB_IN_PLACE=0 turns it
 * off, H5CALIB_IN_PLACE=always makes windows for whatever is asked for.
 */
#ifndef H5CALIB_INPLACE_H
#define H5CALIB_INPLACE_H

#include "hdf5/system/platform.h"

/* They begin every 6 MiB: what is looked at lies in one of them, unless it has more than 2 MiB. */
enum { H5CALIB_WINDOWS = 32, H5CALIB_WINDOW_BYTES = 8 << 20, H5CALIB_WINDOW_STEP = 6 << 20 };
/* Calls remembered, and how many bytes of them nearby are more than a chunk needs. */
enum { H5CALIB_RECENT = 256, H5CALIB_GOES_ON_BYTES = 2 << 20 };
typedef struct h5calib_window h5calib_window;

/* An open file, as it was when its view was opened. */
typedef struct h5calib_opened {
    uint64_t number; /* of the view: no other has or had it */
    int fd;          /* -1: there is none */
    bool settled;    /* what was done to the file since shows in its stamp */
    h5calib_stamp stamp;
} h5calib_opened;

/* Something will be looked at until h5calib_inplace_end is given what this returns; 0: it must be
 * read. */
unsigned h5calib_inplace_begin(void);
void h5calib_inplace_end(unsigned token);

/* n bytes at an offset of a file, as long as *window is held; NULL: read them. Any thread. */
const char *h5calib_inplace_get(const h5calib_opened *file, uint64_t offset, size_t n,
                                h5calib_window **window);
/* The same at each of `count` offsets; the file is asked once whether it changed. all_around: much
 * of the file around them is about to be asked for. */
void h5calib_inplace_get_all(const h5calib_opened *file, const uint64_t *offsets, size_t count,
                             size_t n, bool all_around, const char **bytes,
                             h5calib_window **windows);
/* False: the file was changed meanwhile, and what was looked at may never have been in it: zeros
 * behind its end, where it was cut short. Read it. */
bool h5calib_inplace_release(h5calib_window *window);
/* The same for windows of one file: false if any of them is to be read. */
bool h5calib_inplace_release_all(h5calib_window *const *windows, size_t count);

/* So many bytes may be mapped from now on. */
void h5calib_inplace_bound(size_t bytes);
/* The view of that number is going away; nobody looks at it any more. */
void h5calib_inplace_forget(uint64_t number);
/* In the child after a fork, where nobody but the caller is left. */
void h5calib_inplace_after_fork(void);

#endif
