/*
 * view.h - private read-only views of files.
 *
 * The plugin never reads through the caller's own file: a nested read there
 * disturbs the read that is under way (HDF5 keeps scratch state in the shared
 * dataset structure). It opens the same inode once more with another driver,
 * which gives a file structure of its own, without locks. Three ways:
 *
 *   by name       the usual one, HDF5's "log" driver without a log (it reads
 *                 with pread, so a forked child and its parent may share it)
 *   by mapping    the file is open for writing in this very process and marked
 *                 so in its superblock: a copy-on-write mapping with the mark
 *                 taken out, opened as a file image
 *   by image      the caller's file has no descriptor (core driver, Python
 *                 file objects): a copy made by HDF5
 *
 * A view is kept between calls as long as its file's stamp does not change.
 */
#ifndef H5CALIB_VIEW_H
#define H5CALIB_VIEW_H

#include "hdf5/library/api.h"
#include "hdf5/system/inplace.h"

typedef struct view {
    struct view *next;
    uint64_t number; /* no other view has or had it */
    int uses;        /* by callbacks under way; a used view is never closed */
    int holds;       /* by datasets set up from other files, kept between calls */
    bool dropped;    /* out of the list: closed when its last use ends */
    bool settled;    /* the file was old enough when it was opened: a later write will show */
    h5calib_stamp stamp;
    hid_t file;
    hid_t access; /* file access property list, private in the same way */
    int fd;       /* descriptor of our own, -1 for an image */
    int hdf5_fd;  /* the one HDF5 opened, -1 where there is none */
    void *image;
    size_t image_size;
    bool mapped;
    char path[1024];
    /* Datasets set up from this file (kept.c), and what frees them: those not in use that rest on
     * another view, or with NULL all. */
    struct calibrated *calibrated;
    void (*free_kept)(binding *b, struct view *home, const struct view *rests_on);
} view;

static inline h5calib_opened h5calib_view_opened(const view *v)
{
    return (h5calib_opened){v->number, v->fd, v->settled, v->stamp};
}

/*
 * The view of the file at `path`; counts as used until h5calib_view_release.
 * expect    if not NULL, the file that must be found there
 * writable  this process has the file open for writing (and has flushed it)
 */
view *h5calib_view_open(binding *b, const char *path, const h5calib_stamp *expect, bool writable,
                        char *message, size_t message_size);
/* The view there is already, used once more if its file is unchanged where it was found; NULL if
 * there is none. */
view *h5calib_view_again(binding *b, const h5calib_stamp *file);
/* The view of a file that has no descriptor, by a copy of it; never kept. */
view *h5calib_view_image(binding *b, hid_t file, char *message, size_t message_size);
void h5calib_view_release(binding *b, view *v);

/* A fresh file access property list, or a negative number. */
hid_t h5calib_new_access(binding *b);

/* Is the view still what is found at its path? */
bool h5calib_view_current(const view *v);
/* Close every view for which `gone` says so, unless it is used or held. */
void h5calib_views_sweep(binding *b, bool (*gone)(const view *v, void *data), void *data);

/* Is this descriptor one of a private view (of any binding)? */
bool h5calib_fd_is_private(int fd);

#endif
