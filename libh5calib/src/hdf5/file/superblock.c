/*
 * superblock.c - find the superblock of an HDF5 file, clear its flags.
 *
 * Layout: HDF5 File Format Specification, "Disk Format: Level 0A". The checksum
 * is Bob Jenkins' lookup3 hash (public domain), as that document says.
 */
#include "hdf5/file/superblock.h"

#include <string.h>

#include "hdf5/system/platform.h"

bool h5calib_superblock_find(const void *bytes, size_t n, size_t *offset)
{
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    for (size_t at = 0; at + 8 <= n; at = at ? 2 * at : 512)
        if (memcmp((const uint8_t *)bytes + at, signature, 8) == 0) {
            *offset = at;
            return true;
        }
    return false;
}

bool h5calib_superblock_swmr_writer(int fd, uint64_t size)
{
    enum { VERSION = 8, FLAGS = 11, SWMR_WRITE = 4 };
    uint8_t head[12];
    size_t offset;
    for (uint64_t at = 0; at + sizeof head <= size; at = at ? 2 * at : 512)
        if (h5calib_pread(fd, head, sizeof head, at) && h5calib_superblock_find(head, 8, &offset))
            return head[VERSION] == 3 && (head[FLAGS] & SWMR_WRITE);
    return false;
}

static uint32_t rotate(uint32_t x, int k)
{
    return x << k | x >> (32 - k);
}

static uint32_t word(const uint8_t *at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n && i < 4; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

static uint32_t lookup3(const uint8_t *at, size_t n)
{
    uint32_t a = 0xdeadbeef + (uint32_t)n, b = a, c = a;
    for (; n > 12; at += 12, n -= 12) {
        static const int turns[6] = {4, 6, 8, 16, 19, 4};
        a += word(at, 4);
        b += word(at + 4, 4);
        c += word(at + 8, 4);
        for (int i = 0; i < 6; i += 3) {
            a -= c, a ^= rotate(c, turns[i]), c += b;
            b -= a, b ^= rotate(a, turns[i + 1]), a += c;
            c -= b, c ^= rotate(b, turns[i + 2]), b += a;
        }
    }
    if (n == 0)
        return c;
    a += word(at, n);
    b += n > 4 ? word(at + 4, n - 4) : 0;
    c += n > 8 ? word(at + 8, n - 8) : 0;
    c ^= b, c -= rotate(b, 14);
    a ^= c, a -= rotate(c, 11);
    b ^= a, b -= rotate(a, 25);
    c ^= b, c -= rotate(b, 16);
    a ^= c, a -= rotate(c, 4);
    b ^= a, b -= rotate(a, 14);
    c ^= b, c -= rotate(b, 24);
    return c;
}

bool h5calib_superblock_clear_flags(void *image, size_t n)
{
    size_t offset;
    if (!h5calib_superblock_find(image, n, &offset) || n - offset < 12)
        return false;
    uint8_t *at = (uint8_t *)image + offset;
    size_t length = 12 + 4 * (size_t)at[9]; /* four addresses follow the first 12 bytes */
    if (at[8] != 3)
        return true; /* older superblocks have no such mark */
    if (n - offset < length + 4)
        return false;
    at[11] = 0;
    uint32_t sum = lookup3(at, length);
    for (int i = 0; i < 4; i++)
        at[length + i] = (uint8_t)(sum >> 8 * i);
    return true;
}
