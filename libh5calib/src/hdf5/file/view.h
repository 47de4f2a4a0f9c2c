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
 * A view is kept between calls as long as its file's stamp does not change. HDF5 says nothing
 * when the program closes its file, so its views stay open until the next call, which lets those
 * go that nobody has open any more; HDF5's closing ends the others (h5calib_views_outlived).
 *
 * Who counts what:
 *
 *   uses      callbacks under way: one of whoever got the view (open, again, image) until it is
 *             released, one of each dataset in use that rests on it (kept.c). Never closed while
 *             there are any.
 *   holds     datasets kept between calls whose sources or their parts lie in this file and which
 *             are set up from another (source.c, parts.c). Not let go while there are any; closed
 *             all the same where it is outdated, and they are freed before.
 *   held      of a source: one of these holds is its own
 *   pinned    of a source: it has one of the uses of each of its views, until the dataset it is
 *             for is set up and counts them itself
 *   dropped   out of the list: nobody finds it any more, and its last use closes it
 *   settled   the file was old enough when it was opened that any later write shows in its stamp
 */
#ifndef H5CALIB_VIEW_H
#define H5CALIB_VIEW_H

#include "hdf5/file/image.h"
#include "hdf5/library/api.h"
#include "hdf5/system/inplace.h"

typedef struct view {
    struct view *next;
    uint64_t number; /* no other view has or had it */
    int uses, holds; /* see above */
    bool dropped, settled;
    bool in_memory; /* a copy of a file without a place: names in it have no folder to begin in */
    h5calib_stamp stamp;
    hid_t file;
    hid_t access; /* file access property list, private in the same way */
    int fd;       /* descriptor of our own, -1 for an image */
    int hdf5_fd;  /* the one HDF5 opened, -1 where there is none */
    h5calib_image image;
    bool mapped;
    char *path;
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

/* Is the view still what is found at its path? */
bool h5calib_view_current(const view *v);
/* Close every view for which `gone` says so, unless it is used or held. */
void h5calib_views_sweep(binding *b, bool (*gone)(const view *v, void *data), void *data);

/* HDF5 was closed and opened again since the last call (H5close): the ids of views name nothing
 * now, or things of the program. All views end, and none of their ids is closed. */
void h5calib_views_outlived(binding *b);

#endif
