/*
 * platform.h - the few things the operating systems name differently.
 */
#ifndef H5CALIB_PLATFORM_H
#define H5CALIB_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef CRITICAL_SECTION h5calib_mutex;
#if defined(_MSC_VER)
#include <intrin.h>
#define H5CALIB_RETURN_ADDRESS() _ReturnAddress()
#else
#define H5CALIB_RETURN_ADDRESS() __builtin_return_address(0)
#endif
#else
#include <pthread.h>
typedef pthread_mutex_t h5calib_mutex;
#define H5CALIB_RETURN_ADDRESS() __builtin_return_address(0)
#endif

/* Can a descriptor that HDF5 has be used here? Not where it may have a C library of its own. */
#if defined(_WIN32)
#define H5CALIB_SHARES_DESCRIPTORS 0
#else
#define H5CALIB_SHARES_DESCRIPTORS 1
#endif

/* Recursive locks. */
void h5calib_mutex_init(h5calib_mutex *mutex);
void h5calib_mutex_lock(h5calib_mutex *mutex);
void h5calib_mutex_unlock(h5calib_mutex *mutex);

/* The lock that guards the list of bindings; ready from the start, and ready
 * again in the child after a fork. */
void h5calib_global_lock(void);
void h5calib_global_unlock(void);
/* In the child after fork(), `function` runs before anything else does. */
void h5calib_at_fork(void (*function)(void));

/* The loaded module (executable or shared library) that holds an address. */
typedef struct h5calib_module {
    void *handle; /* for h5calib_symbol, after h5calib_module_keep */
    void *base;
    char path[1024];
} h5calib_module;
bool h5calib_module_of(const void *address, h5calib_module *out);
/* Keep it loaded from now on. */
bool h5calib_module_keep(h5calib_module *module);
/* A function this very module defines; NULL where it only passes on another's. */
void *h5calib_symbol(const h5calib_module *module, const char *name);
/* A private copy of a loaded libhdf5 with state of its own, or of any other
 * module that defines `name`; false if no module does, or it cannot be copied. */
bool h5calib_module_copy(const char *name, h5calib_module *out, char *message, size_t size);

/* The first loaded module that defines `name` and whose symbol suits; kept loaded. False if there
 * is none, or the system has no list of them. */
bool h5calib_module_search(const char *name, bool (*suits)(void *symbol, void *data), void *data,
                           h5calib_module *out);

/* What a file is and when it changed last. Two equal stamps: the same content,
 * as far as the file system tells. */
typedef struct h5calib_stamp {
    uint64_t device, inode, size;
    int64_t modified, changed; /* nanoseconds */
} h5calib_stamp;
bool h5calib_stamp_fd(int fd, h5calib_stamp *out);
bool h5calib_stamp_path(const char *path, h5calib_stamp *out);
static inline bool h5calib_same_file(const h5calib_stamp *a, const h5calib_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}
static inline bool h5calib_stamp_equal(const h5calib_stamp *a, const h5calib_stamp *b)
{
    return h5calib_same_file(a, b) && a->size == b->size && a->modified == b->modified &&
           a->changed == b->changed;
}
/* Now, on the clock the file system uses, in nanoseconds. */
int64_t h5calib_file_clock(void);

/* Open a regular file for reading; the descriptor is not inherited. -1 on failure. */
int h5calib_open(const char *path);
/* Why it could not be opened just now. */
typedef enum h5calib_trouble {
    H5CALIB_NOT_THERE,
    H5CALIB_NO_REGULAR_FILE,
    H5CALIB_NOT_ALLOWED,
    H5CALIB_NO_DESCRIPTOR, /* none is left */
    H5CALIB_FAILED         /* the device, the network */
} h5calib_trouble;
h5calib_trouble h5calib_open_trouble(void);
bool h5calib_no_descriptor_left(void);
void h5calib_close(int fd);
/* Read exactly n bytes at an offset; false if the file is shorter (errno is 0) or fails. */
bool h5calib_pread(int fd, void *buffer, size_t n, uint64_t offset);
/* The same; false also if the file was cut short meanwhile: while it is, what lay behind the cut is
 * read as zeros. Then of `count` pieces, `step` bytes apart in the file and none in memory. */
bool h5calib_pread_whole(int fd, void *buffer, size_t n, uint64_t offset);
bool h5calib_pread_pieces(int fd, void *buffer, size_t n, uint64_t offset, uint64_t step,
                          size_t count);
/* Is a byte of a file in the page cache, so that it can be had at once? */
bool h5calib_in_memory(int fd, uint64_t offset);
/* These bytes will be read soon: advice for the system. */
void h5calib_will_need(int fd, uint64_t offset, uint64_t n);

/* The regular files this process has open. */
typedef struct h5calib_open_file {
    int fd;        /* -1 where it is only known by its path */
    bool writable; /* by some descriptor of this process */
    bool readable; /* by this one */
    h5calib_stamp stamp;
} h5calib_open_file;

/* All descriptors of this process, as they were found last. */
typedef struct h5calib_descriptors {
    struct h5calib_open_descriptor {
        h5calib_open_file file;
        bool regular;
    } *all;
    size_t n, capacity;
    bool counted; /* the system says how many there are, and these are all */
} h5calib_descriptors;

typedef enum h5calib_listing {
    H5CALIB_NOT_LISTED, /* the system has no such list */
    H5CALIB_LISTED,
    H5CALIB_CANNOT_LIST /* for want of a descriptor or memory */
} h5calib_listing;
/* List them, or look at those known where these are all. */
h5calib_listing h5calib_look_at_descriptors(h5calib_descriptors *known);
/* Path of an open descriptor, as of now, to be freed: a name that opens the very file. NULL: there
 * is none. */
char *h5calib_fd_path(int fd, const h5calib_stamp *stamp);

/* Is that path no name in any folder: is the file renamed or deleted? */
bool h5calib_is_fd_path(const char *path);

bool h5calib_path_is_absolute(const char *path);
/* The path without links and dots, to be freed; NULL if there is no such file. */
char *h5calib_canonical_path(const char *path);

/* All of this memory is about to be written: the system may give it at once, not page by page. */
void h5calib_will_write(void *memory, size_t size);
/* Memory of zeros, of which only what is touched is taken; NULL on failure. */
void *h5calib_zeros(size_t size);
void h5calib_zeros_free(void *memory, size_t size);

/* A private, writable-in-memory image of an open file; NULL on failure. */
void *h5calib_map_private(int fd, size_t size);
void h5calib_unmap(void *image, size_t size);

#endif
