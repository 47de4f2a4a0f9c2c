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

typedef struct process_file {
    h5calib_open_file as; /* fd -1 where it is known by an id alone */
    hid_t writer;         /* an id of the caller's library, which writes it; -1: it does not */
    bool flushed;         /* everything was written out during this callback */
} process_file;

typedef struct process {
    process_file *files; /* regular files, each once, none of our own */
    size_t n, capacity;
    h5calib_descriptors descriptors; /* what they were found among */
    struct known_id *ids;            /* what kind of file each id is of, as asked once */
    size_t n_ids;
    hid_t *without; /* ids of the caller's library whose files have no descriptor */
    size_t n_without;
    bool listed; /* the system lists descriptors */
} process;

/* Look once per outermost callback: list the files, and which of them the caller's library
 * writes. Where HDF5 was closed since, everything that was kept ends first. */
bool h5calib_process_look(binding *b, char *message, size_t message_size);
/* Look at every open object of the caller's library, not only at files: a file
 * without a descriptor may have nothing open but a dataset. */
bool h5calib_process_look_again(binding *b, char *message, size_t message_size);

/* Path of one of process->files, to be freed; NULL: none leads there. */
char *h5calib_process_path(binding *b, const process_file *file);
/* An id, to be closed, of a file that the caller's library is writing; negative: it is not. */
hid_t h5calib_process_writer(binding *b, const char *path, const process_file *file);

typedef enum h5calib_writing {
    H5CALIB_NOT_WRITTEN,     /* nobody in this process has it open for writing */
    H5CALIB_WRITTEN_FLUSHED, /* the caller's library has, and was flushed */
    H5CALIB_WRITTEN_UNKNOWN  /* somebody else in this process has */
} h5calib_writing;

/* How this process may be changing the file. Says so in the message for the last kind. */
h5calib_writing h5calib_process_writing(binding *b, const char *path, const h5calib_stamp *file,
                                        char *message, size_t message_size);

#endif
