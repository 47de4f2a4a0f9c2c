/*
 * inplace.c - bytes of a file looked at where the system keeps them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "hdf5/system/inplace.h"

#if !defined(__linux__)

unsigned h5calib_inplace_begin(void)
{
    return 0;
}
void h5calib_inplace_end(unsigned token)
{
    (void)token;
}
void h5calib_inplace_get_all(const h5calib_opened *file, const uint64_t *offsets, size_t count,
                             size_t n, bool all_around, const char **bytes,
                             h5calib_window **windows)
{
    (void)file, (void)offsets, (void)n, (void)all_around, (void)windows;
    for (size_t i = 0; i < count; i++)
        bytes[i] = NULL;
}
const char *h5calib_inplace_get(const h5calib_opened *file, uint64_t offset, size_t n,
                                h5calib_window **window)
{
    (void)file, (void)offset, (void)n, (void)window;
    return NULL;
}
bool h5calib_inplace_release_all(h5calib_window *const *windows, size_t count)
{
    (void)windows, (void)count;
    return true;
}
bool h5calib_inplace_release(h5calib_window *window)
{
    (void)window;
    return true;
}
void h5calib_inplace_bound(size_t bytes)
{
    (void)bytes;
}
void h5calib_inplace_forget(uint64_t number)
{
    (void)number;
}
void h5calib_inplace_after_fork(void) {}

#else

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hdf5/system/bus_errors.h"

#define N_WINDOWS H5CALIB_WINDOWS
#define WINDOW_BYTES ((uint64_t)H5CALIB_WINDOW_BYTES)
#define PART_BYTES ((uint64_t)1 << 20)
#define HUGE_PAGE ((uint64_t)2 << 20) /* windows begin where the system can use one */

struct h5calib_window {
    _Atomic(uintptr_t) at; /* 0: there is none; the signal handler looks at these */
    _Atomic(size_t) bytes;
    _Atomic(bool) cut; /* pages of it are zeros of ours */
    uint64_t file;     /* number of the view, 0: of one that is gone */
    int fd;            /* of that view */
    h5calib_stamp stamp;
    uint64_t begin;     /* in the file */
    uint32_t in_memory; /* parts of PART_BYTES that were when it was opened, a bit each */
    unsigned users;
    uint64_t used; /* when last */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static h5calib_window windows[N_WINDOWS];
static unsigned allowed = N_WINDOWS;
static bool at_once; /* windows for whatever is asked for */
static uint64_t now;

/* ---- looking -------------------------------------------------------------------------------- */

static uintptr_t page_bytes;

/* A page of zeros, and all behind it: the file ends before them. */
static bool replace(uintptr_t address)
{
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++) {
        const uintptr_t at = atomic_load(&w->at);
        const size_t bytes = atomic_load(&w->bytes);
        if (at == 0 || address < at || address - at >= bytes || atomic_load(&w->at) != at)
            continue;
        const uintptr_t first = address - address % page_bytes;
        atomic_store(&w->cut, true);
        return mmap((void *)first, at + bytes - first, PROT_READ,
                    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
    }
    return false;
}

unsigned h5calib_inplace_begin(void)
{
    const char *when = getenv("H5CALIB_IN_PLACE");
    if (when && strcmp(when, "0") == 0)
        return 0;
    pthread_mutex_lock(&lock);
    at_once = when && strcmp(when, "always") == 0;
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_unlock(&lock);
    return h5calib_bus_errors_begin(replace);
}

void h5calib_inplace_end(unsigned token)
{
    h5calib_bus_errors_end(token);
}

/* ---- windows ------------------------------------------------------------------------------- */

static void close_window(h5calib_window *w)
{
    void *const at = (void *)atomic_load(&w->at);
    const size_t bytes = atomic_load(&w->bytes);
    if (!at)
        return;
    atomic_store(&w->at, 0);
    munmap(at, bytes);
    atomic_store(&w->cut, false);
}

/* The one used longest ago that nobody uses now. */
static h5calib_window *oldest(void)
{
    h5calib_window *found = NULL;
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++)
        if (atomic_load(&w->at) && w->users == 0 && (!found || w->used < found->used))
            found = w;
    return found;
}

/* A free place, closing windows until there is room for `room` more; NULL: there is none. */
static h5calib_window *make_room(unsigned room)
{
    h5calib_window *free_one = NULL, *old;
    unsigned open = 0;
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++) {
        if (atomic_load(&w->at))
            open++;
        else
            free_one = w;
    }
    for (; open + room > allowed && (old = oldest()) != NULL; open--)
        close_window(free_one = old);
    return open + room > allowed ? NULL : free_one;
}

static bool covers(const h5calib_window *w, const h5calib_opened *file, uint64_t offset, size_t n)
{
    return atomic_load(&w->at) && w->file == file->number && !atomic_load(&w->cut) &&
           offset >= w->begin && offset + n <= w->begin + atomic_load(&w->bytes);
}

static h5calib_window *find_window(const h5calib_opened *file, uint64_t offset, size_t n)
{
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++)
        if (covers(w, file, offset, n))
            return w;
    return NULL;
}

/* Are they in memory, for all that is known? What has left it since comes from the disk again. */
static bool was_in_memory(const h5calib_window *w, uint64_t offset, size_t n)
{
    const uint64_t first = (offset - w->begin) / PART_BYTES;
    const uint64_t last = (offset - w->begin + n - 1) / PART_BYTES;
    const uint32_t wanted = (uint32_t)(((uint64_t)2 << last) - ((uint64_t)1 << first));
    return (w->in_memory & wanted) == wanted;
}

static uint32_t parts_in_memory(const h5calib_opened *file, uint64_t begin, size_t bytes)
{
    uint32_t found = 0;
    for (uint64_t at = 0; at < bytes; at += PART_BYTES) {
        const uint64_t end = at + PART_BYTES < bytes ? at + PART_BYTES : bytes;
        found |= (uint32_t)h5calib_in_memory(file->fd, begin + end - 1) << at / PART_BYTES;
    }
    return found;
}

/* A window around these bytes; one that they would cross begins with them. */
static h5calib_window *open_window(const h5calib_opened *file, uint64_t offset, size_t n)
{
    uint64_t begin = offset - offset % H5CALIB_WINDOW_STEP;
    if (offset + n > begin + WINDOW_BYTES)
        begin = offset - offset % HUGE_PAGE;
    if (offset + n > begin + WINDOW_BYTES)
        return NULL;
    h5calib_window *w = make_room(1);
    if (!w)
        return NULL;
    const uint64_t left = file->stamp.size - begin;
    const size_t bytes = (size_t)(left < WINDOW_BYTES ? left : WINDOW_BYTES);
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file->fd, (off_t)begin);
    if (at == MAP_FAILED)
        return NULL;
    w->file = file->number;
    w->fd = file->fd;
    w->stamp = file->stamp;
    w->begin = begin;
    w->in_memory = parts_in_memory(file, begin, bytes);
    atomic_store(&w->bytes, bytes);
    atomic_store(&w->at, (uintptr_t)at);
    return w;
}

/* Is the file as it was when the view was opened? Whatever was done to it since shows in its
 * stamp, if it was settled then. */
static bool unchanged(int fd, const h5calib_stamp *then)
{
    h5calib_stamp found;
    return h5calib_stamp_fd(fd, &found) && h5calib_stamp_equal(&found, then);
}

/* What was asked for last. */
static struct {
    uint64_t file, part;
    size_t bytes;
} recent[H5CALIB_RECENT];

static void note_asked(const h5calib_opened *file, uint64_t offset, size_t n)
{
    static unsigned asked;
    const unsigned last = asked++ % H5CALIB_RECENT;
    recent[last].file = file->number;
    recent[last].part = offset / H5CALIB_WINDOW_STEP;
    recent[last].bytes = n;
}

/* Was enough of this part of the file, or of those beside it, asked for just now? Where frames of
 * many trains share constants, 16 parts of a file are asked for in turn (jobs.c). */
static bool goes_on(const h5calib_opened *file, uint64_t offset)
{
    const uint64_t part = offset / H5CALIB_WINDOW_STEP;
    size_t nearby = 0;
    for (unsigned i = 0; i < H5CALIB_RECENT; i++)
        if (recent[i].file == file->number && recent[i].part + 1 - part <= 2)
            nearby += recent[i].bytes;
    return nearby > H5CALIB_GOES_ON_BYTES;
}

static const char *look_through(h5calib_window *w, uint64_t offset)
{
    w->users++;
    w->used = ++now;
    return (const char *)atomic_load(&w->at) + (offset - w->begin);
}

/* Bytes of a file, in a window that is open or worth opening. */
static const char *get_bytes(const h5calib_opened *file, uint64_t offset, size_t n, bool all_around,
                             h5calib_window **window)
{
    pthread_mutex_lock(&lock);
    h5calib_window *w = find_window(file, offset, n);
    const bool wanted = w || all_around || at_once || goes_on(file, offset);
    if (wanted && !(w && was_in_memory(w, offset, n))) {
        pthread_mutex_unlock(&lock);
        const bool in_memory = h5calib_in_memory(file->fd, offset + n - 1);
        pthread_mutex_lock(&lock);
        w = in_memory ? find_window(file, offset, n) : NULL;
        if (in_memory && !w)
            w = open_window(file, offset, n);
    }
    note_asked(file, offset, n);
    const char *bytes = w ? look_through(w, offset) : NULL;
    pthread_mutex_unlock(&lock);
    *window = w;
    return bytes;
}

/* What is found counts only if the file is as it was opened. */
void h5calib_inplace_get_all(const h5calib_opened *file, const uint64_t *offsets, size_t count,
                             size_t n, bool all_around, const char **bytes,
                             h5calib_window **windows_held)
{
    const bool may = n > 0 && file->fd >= 0 && n <= file->stamp.size && file->settled;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = NULL;
        windows_held[i] = NULL;
        if (may && offsets[i] <= file->stamp.size - n) /* damaged files give any */
            bytes[i] = get_bytes(file, offsets[i], n, all_around, &windows_held[i]);
        any |= bytes[i] != NULL;
    }
    if (!any || (h5calib_bus_errors_arrive() && unchanged(file->fd, &file->stamp)))
        return;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i])
            h5calib_inplace_release(windows_held[i]);
        bytes[i] = NULL;
        windows_held[i] = NULL;
    }
}

const char *h5calib_inplace_get(const h5calib_opened *file, uint64_t offset, size_t n,
                                h5calib_window **window)
{
    const char *bytes;
    h5calib_inplace_get_all(file, &offset, 1, n, false, &bytes, window);
    return bytes;
}

/* Not every file that is cut short gives a bus error: the rest of the page it ends in is zeros,
 * and it may have grown again. */
bool h5calib_inplace_release_all(h5calib_window *const *windows_held, size_t count)
{
    const bool same = count == 0 || unchanged(windows_held[0]->fd, &windows_held[0]->stamp);
    bool any_cut = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        h5calib_window *w = windows_held[i];
        if (w->file == 0 || !same)
            atomic_store(&w->cut, true);
        const bool cut = atomic_load(&w->cut);
        if (--w->users == 0 && cut)
            close_window(w);
        any_cut |= cut;
    }
    pthread_mutex_unlock(&lock);
    return !any_cut;
}

bool h5calib_inplace_release(h5calib_window *window)
{
    return h5calib_inplace_release_all(&window, 1);
}

void h5calib_inplace_bound(size_t bytes)
{
    const uint64_t most = bytes / WINDOW_BYTES;
    pthread_mutex_lock(&lock);
    allowed = most < N_WINDOWS ? (unsigned)most : N_WINDOWS;
    make_room(0);
    pthread_mutex_unlock(&lock);
}

void h5calib_inplace_forget(uint64_t number)
{
    pthread_mutex_lock(&lock);
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++) {
        if (w->file != number)
            continue;
        w->file = 0;
        if (w->users == 0)
            close_window(w);
    }
    pthread_mutex_unlock(&lock);
}

void h5calib_inplace_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    h5calib_bus_errors_after_fork();
    for (h5calib_window *w = windows; w < windows + N_WINDOWS; w++)
        w->users = 0;
}
#endif
