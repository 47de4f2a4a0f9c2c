/*
 * descriptor.c - parse filter parameters, stubs and the first h5calib's headers.
 */
#include "core/descriptor.h"

#include <string.h>

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t words_crc(const unsigned *words, size_t n)
{
    uint8_t bytes[4];
    uint32_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        put32(bytes, i == 1 ? words[i] & ~H5CALIB_FLAG_CREATE : words[i]);
        crc = h5calib_crc32(crc, bytes, 4);
    }
    return crc;
}

/* A plugin that knows no missing values refuses the flag, and so must not meet them without. */
static bool missing_as_said(const h5calib_descriptor *d, char *message, size_t size)
{
    const size_t n = d->n_parameters;
    const bool some = n > 0 && d->parameters[n - 1].index >= H5CALIB_MISSING_VALUE;
    if (some == ((d->flags & H5CALIB_FLAG_MISSING) != 0))
        return true;
    h5calib_say(message, size,
                "the filter parameters of the dataset contradict each other about missing values: "
                "they are damaged");
    return false;
}

bool h5calib_descriptor_parse(const unsigned *words, size_t n, h5calib_descriptor *out,
                              char *message, size_t size)
{
    if (n >= 1 && words[0] > H5CALIB_FORMAT) {
        h5calib_say(message, size,
                    "the dataset has format version %u, this plugin knows versions up to %u: "
                    "install a newer libh5calib",
                    words[0], H5CALIB_FORMAT);
        return false;
    }
    if (n < H5CALIB_FIXED_WORDS + 1 || words[0] != H5CALIB_FORMAT ||
        words[11] > H5CALIB_DESCRIPTOR_PARAMETERS || n != H5CALIB_FIXED_WORDS + 3 * words[11] + 1 ||
        words[n - 1] != words_crc(words, n - 1)) {
        h5calib_say(message, size,
                    "the filter parameters of the dataset are damaged or not those of h5calib "
                    "(%zu words)",
                    n);
        return false;
    }
    if (words[1] & ~(H5CALIB_FLAG_CREATE | H5CALIB_FLAG_UNWRITTEN | H5CALIB_FLAG_MISSING)) {
        h5calib_say(message, size,
                    "the dataset uses features this plugin does not know (flags 0x%x): install a "
                    "newer libh5calib",
                    words[1]);
        return false;
    }
    out->flags = words[1];
    out->algorithm = words[2];
    for (int i = 0; i < 4; i++) {
        put32(out->file_uuid + 4 * i, words[3 + i]);
        put32(out->dataset_uuid + 4 * i, words[7 + i]);
    }
    out->n_parameters = words[11];
    for (size_t i = 0; i < out->n_parameters; i++) {
        const unsigned *at = words + H5CALIB_FIXED_WORDS + 3 * i;
        uint64_t bits = at[1] | (uint64_t)at[2] << 32;
        out->parameters[i].index = at[0];
        memcpy(&out->parameters[i].value, &bits, sizeof bits);
        if (i > 0 && at[0] <= out->parameters[i - 1].index) {
            h5calib_say(message, size, "the parameters of the dataset are out of order");
            return false;
        }
    }
    return missing_as_said(out, message, size);
}

void h5calib_descriptor_rename(unsigned *words, size_t n, const uint8_t dataset_uuid[16])
{
    for (int i = 0; i < 4; i++)
        words[7 + i] = get32(dataset_uuid + 4 * i);
    words[n - 1] = words_crc(words, n - 1);
}

static uint32_t stub_crc(const uint8_t *dataset_uuid, const uint8_t *chunk)
{
    return h5calib_crc32(h5calib_crc32(0, dataset_uuid, 16), chunk, 8);
}

void h5calib_stub_write(uint8_t stub[H5CALIB_STUB_SIZE], const uint8_t dataset_uuid[16],
                        uint64_t chunk)
{
    memcpy(stub, "H5CS", 4);
    put32(stub + 8, (uint32_t)chunk);
    put32(stub + 12, (uint32_t)(chunk >> 32));
    put32(stub + 4, stub_crc(dataset_uuid, stub + 8));
}

bool h5calib_stub_parse(const void *data, size_t n, const uint8_t dataset_uuid[16], uint64_t *chunk,
                        char *message, size_t size)
{
    const uint8_t *stub = data;
    if (n != H5CALIB_STUB_SIZE || memcmp(stub, "H5CS", 4) != 0) {
        h5calib_say(message, size,
                    "a chunk holds %zu bytes that are not a stub of a calibrated dataset: the file "
                    "is damaged, or something else was written into the dataset",
                    n);
        return false;
    }
    if (get32(stub + 4) != stub_crc(dataset_uuid, stub + 8)) {
        h5calib_say(message, size,
                    "a chunk holds a damaged stub, or that of another calibrated dataset");
        return false;
    }
    *chunk = get32(stub + 8) | (uint64_t)get32(stub + 12) << 32;
    return true;
}

void h5calib_uuid_text(const uint8_t uuid[16], char text[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        text[2 * i] = digits[uuid[i] >> 4];
        text[2 * i + 1] = digits[uuid[i] & 15];
    }
    text[32] = 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool h5calib_uuid_parse(const char text[32], uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- version 0 --------------------------------------------------------------- */

static bool not_legacy(char *message, size_t size)
{
    h5calib_say(message, size,
                "a chunk without filter parameters has no header of the first h5calib: the file is "
                "damaged, or something else was written into the dataset");
    return false;
}

bool h5calib_legacy_parse(const void *chunk, size_t n, h5calib_legacy *out, char *message,
                          size_t size)
{
    const uint8_t *bytes = chunk;
    memset(out, 0, sizeof *out);
    if (n < 6 * 4 || get32(bytes) != H5CALIB_LEGACY_MAGIC)
        return not_legacy(message, size);
    out->file_magic = get32(bytes + 4);
    out->algorithm = get32(bytes + 8);
    size_t words;
    switch (out->algorithm) {
    case 0x00010001u:
        words = 6;
        out->image = get32(bytes + 12);
        out->cells = 1;
        break;
    case 0x00020001u:
    case 0x00020002u:
        words = 8;
        if (n < 4 * words)
            return not_legacy(message, size);
        out->cell = get32(bytes + 12);
        out->image = get32(bytes + 16);
        out->cells = get32(bytes + 20);
        break;
    default:
        h5calib_say(message, size, "unknown calibration algorithm 0x%08x", out->algorithm);
        return false;
    }
    out->ny = get32(bytes + 4 * (words - 2));
    out->nx = get32(bytes + 4 * (words - 1));
    out->raw = (const char *)bytes + 4 * words;
    const char *end = (const char *)bytes + n;
    const char *nul = memchr(out->raw, 0, (size_t)(end - out->raw));
    if (!nul)
        return not_legacy(message, size);
    out->constants = nul + 1;
    if (!memchr(out->constants, 0, (size_t)(end - out->constants)))
        return not_legacy(message, size);
    return true;
}
