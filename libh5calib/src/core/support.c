/* support.c - small things: sizes, messages, the checksum of stubs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

const char *h5calib_version(void)
{
    return H5CALIB_VERSION;
}

size_t h5calib_dtype_size(h5calib_dtype dtype)
{
    switch (dtype) {
    case H5CALIB_I8:
    case H5CALIB_U8: return 1;
    case H5CALIB_I16:
    case H5CALIB_U16:
    case H5CALIB_F16: return 2;
    case H5CALIB_I32:
    case H5CALIB_U32:
    case H5CALIB_F32: return 4;
    case H5CALIB_I64:
    case H5CALIB_U64:
    case H5CALIB_F64: return 8;
    }
    return 0;
}

void h5calib_say(char *message, size_t message_size, const char *format, ...)
{
    if (!message || message_size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(message, message_size, format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
}

uint32_t h5calib_crc32(uint32_t crc, const void *data, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const unsigned char *byte = data;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc = table[(crc ^ byte[i]) & 15] ^ (crc >> 4);
        crc = table[(crc ^ (byte[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return ~crc;
}

#define WIDEN(type)                                                                                \
    for (size_t i = 0; i < n; i++)                                                                 \
        out[i] = (int64_t)((const type *)data)[i];                                                 \
    break

void h5calib_to_int64(const void *data, h5calib_dtype dtype, size_t n, int64_t *out)
{
    switch (dtype) {
    case H5CALIB_I8: WIDEN(int8_t);
    case H5CALIB_U8: WIDEN(uint8_t);
    case H5CALIB_I16: WIDEN(int16_t);
    case H5CALIB_U16: WIDEN(uint16_t);
    case H5CALIB_I32: WIDEN(int32_t);
    case H5CALIB_U32: WIDEN(uint32_t);
    case H5CALIB_I64: WIDEN(int64_t);
    case H5CALIB_U64:
        for (size_t i = 0; i < n; i++) {
            const uint64_t value = ((const uint64_t *)data)[i];
            out[i] = value > INT64_MAX ? INT64_MAX : (int64_t)value;
        }
        break;
    default: break;
    }
}
