/* view_of_file.h - a file of known bytes, none of them zero, as inplace.h wants to see it. */
#ifndef VIEW_OF_FILE_H
#define VIEW_OF_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "check.h"
#include "hdf5/system/inplace.h"

#define MIB ((uint64_t)1 << 20)
#define WINDOW ((uint64_t)H5CALIB_WINDOW_BYTES)
#define STEP ((uint64_t)H5CALIB_WINDOW_STEP)

static inline unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * UINT64_C(0x9e3779b97f4a7c15) >> 40) | 1;
}

static inline bool right_bytes(const char *bytes, uint64_t offset, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)bytes[i] != byte_at(offset + i))
            return false;
    return true;
}

/* In the current folder: /tmp may be in memory, where pages cannot be dropped. It has no name any
 * more when this returns, but /proc/self/maps has that of `name`. */
static inline h5calib_opened empty_file(const char *name)
{
    h5calib_opened v = {.fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    CHECK(v.fd >= 0 && unlink(name) == 0, "%s cannot be made here", name);
    return v;
}

/* As a view that was just opened. */
static inline void open_view(h5calib_opened *v)
{
    static uint64_t last;
    h5calib_inplace_forget(v->number);
    v->number = ++last;
    v->settled = true;
    CHECK(h5calib_stamp_fd(v->fd, &v->stamp), "no file");
}

static inline void write_bytes(const h5calib_opened *v, uint64_t begin, uint64_t end)
{
    static unsigned char block[1 << 16];
    for (uint64_t at = begin; at < end; at += sizeof block) {
        const size_t n = end - at < sizeof block ? (size_t)(end - at) : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(at + i);
        CHECK(pwrite(v->fd, block, n, (off_t)at) == (ssize_t)n, "no room for a file here");
    }
}

static inline h5calib_opened file_of(const char *name, uint64_t size)
{
    h5calib_opened v = empty_file(name);
    write_bytes(&v, 0, size);
    open_view(&v);
    usleep(12000); /* longer than a tick of the clock: whatever is done to it now shows */
    return v;
}

/* As a program that reads this file does when it is done with it. */
static inline void close_file(h5calib_opened *v)
{
    h5calib_inplace_forget(v->number);
    close(v->fd);
}

/* Where the system does not say what it has in memory, nothing is looked at: CTest shows that. */
enum { SKIPPED = 77 };
static inline bool system_tells(void)
{
    h5calib_opened v = file_of("inplace_probe.bin", 1);
    const bool tells = h5calib_in_memory(v.fd, 0);
    close(v.fd);
    if (!tells)
        printf("skipped: no preadv2 with RWF_NOWAIT on this file system\n");
    return tells;
}

#endif
