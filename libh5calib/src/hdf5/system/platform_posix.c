/*
 * platform_posix.c - Linux and macOS.
 */
#if !defined(_WIN32)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall, O_PATH */
#endif
#include "hdf5/system/platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What the system has and an older C library has not. */
#if defined(__linux__)
#include <sys/syscall.h>
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* of Linux 5.14 */
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8 /* of Linux 4.14 */
#endif
#endif

/* ---- locks ---------------------------------------------------------------- */

void h5calib_mutex_init(h5calib_mutex *mutex)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

void h5calib_mutex_lock(h5calib_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}
void h5calib_mutex_unlock(h5calib_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;

void h5calib_global_lock(void)
{
    pthread_mutex_lock(&global);
}
void h5calib_global_unlock(void)
{
    pthread_mutex_unlock(&global);
}

static void (*in_child)(void);

static void child_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&global, &fresh, sizeof global); /* another thread may have held it */
    if (in_child)
        in_child();
}

void h5calib_at_fork(void (*function)(void))
{
    if (!in_child)
        pthread_atfork(NULL, NULL, child_after_fork);
    in_child = function;
}

/* ---- files ------------------------------------------------------------------ */

static void take_stamp(const struct stat *status, h5calib_stamp *out)
{
    out->device = (uint64_t)status->st_dev;
    out->inode = (uint64_t)status->st_ino;
    out->size = (uint64_t)status->st_size;
#if defined(__APPLE__)
    out->modified = status->st_mtimespec.tv_sec * 1000000000LL + status->st_mtimespec.tv_nsec;
    out->changed = status->st_ctimespec.tv_sec * 1000000000LL + status->st_ctimespec.tv_nsec;
#else
    out->modified = status->st_mtim.tv_sec * 1000000000LL + status->st_mtim.tv_nsec;
    out->changed = status->st_ctim.tv_sec * 1000000000LL + status->st_ctim.tv_nsec;
#endif
}

bool h5calib_stamp_fd(int fd, h5calib_stamp *out)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    take_stamp(&status, out);
    return S_ISREG(status.st_mode);
}

bool h5calib_stamp_path(const char *path, h5calib_stamp *out)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    take_stamp(&status, out);
    return S_ISREG(status.st_mode);
}

int64_t h5calib_file_clock(void)
{
    struct timespec now;
#if defined(CLOCK_REALTIME_COARSE)
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
#else
    clock_gettime(CLOCK_REALTIME, &now);
#endif
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Opening a pipe waits for who writes it, and a device may do anything: not even for a moment. */
int h5calib_open(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return -1;
    errno = EINVAL;
    if (!S_ISREG(status.st_mode))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EWOULDBLOCK) /* somebody has a lease on it, which has to end first */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

h5calib_trouble h5calib_open_trouble(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR: return H5CALIB_NOT_THERE;
    case EINVAL: return H5CALIB_NO_REGULAR_FILE;
    case EMFILE:
    case ENFILE: return H5CALIB_NO_DESCRIPTOR;
    case EACCES:
    case EPERM: return H5CALIB_NOT_ALLOWED;
    default: return H5CALIB_FAILED;
    }
}

bool h5calib_no_descriptor_left(void)
{
    const int fd = open("/", O_RDONLY | O_CLOEXEC);
    h5calib_close(fd);
    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

void h5calib_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool h5calib_in_memory(int fd, uint64_t offset)
{
#if defined(SYS_preadv2) /* the C library has a function for it only since 2.26 */
    char byte;
    const struct iovec one = {&byte, 1};
    const unsigned long low = (unsigned long)offset, high = sizeof low > 4 ? 0 : offset >> 32;
    return syscall(SYS_preadv2, fd, &one, 1UL, low, high, RWF_NOWAIT) == 1;
#else
    (void)fd, (void)offset;
    return false;
#endif
}

void h5calib_will_need(int fd, uint64_t offset, uint64_t n)
{
    /* the beginning may have come with what lies before it */
    if (n == 0 || h5calib_in_memory(fd, offset + n / 2))
        return; /* with all of it, most likely; the system would look at every page */
#ifdef POSIX_FADV_WILLNEED
    posix_fadvise(fd, (off_t)offset, (off_t)n, POSIX_FADV_WILLNEED);
#else
    (void)fd, (void)offset, (void)n;
#endif
}

bool h5calib_pread(int fd, void *buffer, size_t n, uint64_t offset)
{
    char *at = buffer;
    while (n > 0) {
        ssize_t got = pread(fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

#if defined(__linux__)
#define FD_FOLDER "/proc/self/fd"
#else
#define FD_FOLDER "/dev/fd"
#endif

/* What a descriptor is now; false: it is closed. */
static bool look_at(int fd, struct h5calib_open_descriptor *out)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    const bool regular = S_ISREG(status.st_mode);
    const int flags = regular ? fcntl(fd, F_GETFL) : O_RDONLY;
    if (flags < 0)
        return false;
    *out = (struct h5calib_open_descriptor){{.fd = fd}, regular};
    out->file.writable = (flags & O_ACCMODE) != O_RDONLY;
    out->file.readable = (flags & O_ACCMODE) != O_WRONLY;
#ifdef O_PATH
    out->file.readable = out->file.readable && !(flags & O_PATH);
#endif
    take_stamp(&status, &out->file.stamp);
    return true;
}

/* How many descriptors are open, as Linux says from 6.2 on; elsewhere some other number. */
static uint64_t count_descriptors(void)
{
    struct stat status;
    return stat(FD_FOLDER, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* If as many are open as were found, and all that were found are open, there are no others. */
static bool are_all(h5calib_descriptors *known)
{
    if (!known->counted || count_descriptors() != known->n)
        return false;
    for (size_t i = 0; i < known->n; i++)
        if (!look_at(known->all[i].file.fd, &known->all[i]))
            return false;
    return true;
}

static bool list(h5calib_descriptors *known, DIR *folder)
{
    struct dirent *entry;
    known->n = 0;
    while ((entry = readdir(folder)) != NULL) {
        char *end;
        const long fd = strtol(entry->d_name, &end, 10);
        if (*end || end == entry->d_name || fd == dirfd(folder))
            continue;
        if (known->n == known->capacity) {
            const size_t more = known->capacity ? 2 * known->capacity : 32;
            void *grown = realloc(known->all, more * sizeof *known->all);
            if (!grown)
                return false;
            known->all = grown;
            known->capacity = more;
        }
        known->n += look_at((int)fd, &known->all[known->n]);
    }
    return true;
}

h5calib_listing h5calib_look_at_descriptors(h5calib_descriptors *known)
{
    if (are_all(known))
        return H5CALIB_LISTED;
    known->counted = false;
    DIR *folder = opendir(FD_FOLDER);
    if (!folder)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? H5CALIB_CANNOT_LIST
                                                                     : H5CALIB_NOT_LISTED;
    const bool ok = list(known, folder);
    closedir(folder);
    known->counted = ok && known->n > 0 && count_descriptors() == known->n;
    return ok ? H5CALIB_LISTED : H5CALIB_CANNOT_LIST;
}

static bool leads_to(const char *path, const h5calib_stamp *stamp)
{
    h5calib_stamp found;
    return h5calib_stamp_path(path, &found) && h5calib_same_file(&found, stamp);
}

char *h5calib_fd_path(int fd, const h5calib_stamp *stamp)
{
    char *path = malloc(PATH_MAX + 1);
    char name[64];
    snprintf(name, sizeof name, FD_FOLDER "/%d", fd);
    if (!path)
        return NULL;
#if defined(__APPLE__)
    if (fcntl(fd, F_GETPATH, path) == 0 && leads_to(path, stamp))
        return path;
#else
    const ssize_t n = readlink(name, path, PATH_MAX);
    path[n > 0 ? n : 0] = 0;
    if (n > 0 && leads_to(path, stamp))
        return path;
#endif
    /* renamed away, deleted, or too long: the descriptor still names the inode */
    snprintf(path, PATH_MAX, "%s", name);
    if (leads_to(path, stamp))
        return path;
    free(path);
    return NULL;
}

bool h5calib_is_fd_path(const char *path)
{
    return strncmp(path, FD_FOLDER "/", strlen(FD_FOLDER) + 1) == 0;
}

bool h5calib_path_is_absolute(const char *path)
{
    return path[0] == '/';
}

char *h5calib_canonical_path(const char *path)
{
    return realpath(path, NULL);
}

void h5calib_will_write(void *memory, size_t size)
{
#if defined(__linux__)
    const uintptr_t within = (uintptr_t)memory % (uintptr_t)sysconf(_SC_PAGESIZE);
    madvise((char *)memory - within, size + within, MADV_POPULATE_WRITE); /* or as it is touched */
#else
    (void)memory, (void)size;
#endif
}

void *h5calib_zeros(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void h5calib_zeros_free(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

void *h5calib_map_private(int fd, size_t size)
{
    void *image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    return image == MAP_FAILED ? NULL : image;
}

void h5calib_unmap(void *image, size_t size)
{
    munmap(image, size);
}
#endif
