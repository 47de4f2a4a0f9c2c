/*
 * process.h - the files this process has open.
 *
 * A filter is told neither file nor dataset. But the file being read is open
 * in this process, so it is among the open descriptors, whichever way it was
 * opened: directly, through an external link, as the source of a virtual
 * dataset, or with only a dataset left open. Files of drivers that have no
 * descriptor, and all files on systems that do not list descriptors, are found
 * through the ids of the caller's library.
 */
#ifndef H5CALIB_PROCESS_H
#define H5CALIB_PROCESS_H

#include "hdf5/file/view.h"

typedef struct process {
    h5calib_open_file *files; /* regular files, each once, none of our own */
    size_t n, capacity;
    h5calib_descriptors descriptors; /* what they were found among */
    hid_t *without; /* ids of the caller's library whose files have no descriptor */
    size_t n_without;
    bool listed; /* the system lists descriptors */
} process;

/* Look once per outermost callback: list the files, and write out what the
 * caller's library still holds back for those open for writing. */
bool h5calib_process_look(binding *b, char *message, size_t message_size);
/* Look at every open object of the caller's library, not only at files: a file
 * without a descriptor may have nothing open but a dataset. */
bool h5calib_process_look_again(binding *b, char *message, size_t message_size);

/* Path of one of process->files. */
bool h5calib_process_path(binding *b, const h5calib_open_file *file, char *out, size_t size);

typedef enum h5calib_writing {
    H5CALIB_NOT_WRITTEN,     /* nobody in this process has it open for writing */
    H5CALIB_WRITTEN_FLUSHED, /* the caller's library has, and was flushed */
    H5CALIB_WRITTEN_UNKNOWN  /* somebody else in this process has */
} h5calib_writing;

/* How this process may be changing the file. Says so in the message for the last kind. */
h5calib_writing h5calib_process_writing(binding *b, const char *path, const h5calib_stamp *file,
                                        char *message, size_t message_size);

#endif
