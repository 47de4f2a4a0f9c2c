/*
 * exports.c - what the Python package calls in the plugin beside HDF5.
 */
#include <stdio.h>
#include <string.h>

#include "core/descriptor.h"
#include "hdf5/library/api.h"

typedef herr_t write_chunk_func(hid_t dataset, hid_t dxpl, uint32_t filters, const hsize_t *offset,
                                size_t size, const void *buffer);

H5CALIB_API const char *h5calib_plugin_version(void);
H5CALIB_API int h5calib_plugin_write_stubs(void *write_chunk, int64_t dataset,
                                           const uint8_t uuid[16], unsigned rank,
                                           const uint64_t *shape, const uint64_t *chunks,
                                           uint64_t first, uint64_t count, char *message,
                                           size_t message_size);
H5CALIB_API size_t h5calib_plugin_report(char *json, size_t size);

const char *h5calib_plugin_version(void)
{
    return h5calib_version();
}

/*
 * Write the stubs of chunks [first, first + count) of a new dataset.
 *
 * write_chunk  H5Dwrite_chunk of the libhdf5 that `dataset` belongs to
 * rank         at most 32
 * Returns 0 when all were written. The caller holds whatever lock that libhdf5 needs.
 */
int h5calib_plugin_write_stubs(void *write_chunk, int64_t dataset, const uint8_t uuid[16],
                               unsigned rank, const uint64_t *shape, const uint64_t *chunks,
                               uint64_t first, uint64_t count, char *message, size_t message_size)
{
    write_chunk_func *write;
    uint8_t stub[H5CALIB_STUB_SIZE];
    hsize_t offset[32];
    memcpy(&write, &write_chunk, sizeof write);
    if (!write || rank == 0 || rank > 32) {
        h5calib_say(message, message_size, "no function to write with, or a rank of %u", rank);
        return 1;
    }
    for (uint64_t number = first; number - first < count; number++) {
        uint64_t rest = number;
        for (unsigned i = rank; i-- > 0;) {
            uint64_t grid = chunks[i] ? (shape[i] + chunks[i] - 1) / chunks[i] : 0;
            if (grid == 0) {
                h5calib_say(message, message_size, "the dataset has no chunks");
                return 1;
            }
            offset[i] = rest % grid * chunks[i];
            rest /= grid;
        }
        h5calib_stub_write(stub, uuid, number);
        if (rest || write(dataset, H5P_DEFAULT, 0, offset, sizeof stub, stub) < 0) {
            h5calib_say(message, message_size, "HDF5 did not write the stub of chunk %llu",
                        (unsigned long long)number);
            return 1;
        }
    }
    return 0;
}

/* Append to text of which `used` bytes are needed so far. */
static size_t append(char *text, size_t size, size_t used, const char *piece)
{
    size_t n = strlen(piece);
    if (used < size)
        snprintf(text + used, size - used, "%s", piece);
    return used + n;
}

static size_t append_quoted(char *text, size_t size, size_t used, const char *value)
{
    char piece[8];
    used = append(text, size, used, "\"");
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        snprintf(piece, sizeof piece,
                 c == '"' || c == '\\' ? "\\%c"
                 : c < 32              ? "\\u%04x"
                                       : "%c",
                 c);
        used = append(text, size, used, piece);
    }
    return append(text, size, used, "\"");
}

/* What the plugin is bound to, as JSON. Returns the length without the NUL, even
 * where it did not fit. */
size_t h5calib_plugin_report(char *json, size_t size)
{
    char piece[256];
    size_t used = append(json, size, 0, "{\"version\": ");
    used = append_quoted(json, size, used, h5calib_version());
    used = append(json, size, used, ", \"cpu_variant\": ");
    used = append_quoted(json, size, used, h5calib_cpu_variant());
    used = append(json, size, used, ", \"last_kernel\": ");
    used = append_quoted(json, size, used, h5calib_last_kernel());
    used = append(json, size, used, ", \"bound_to\": [");
    for (binding *b = h5calib_bindings(), *one = b; one; one = one->next) {
        used = append(json, size, used, one == b ? "{\"library\": " : ", {\"library\": ");
        used = append_quoted(json, size, used, one->path);
        h5calib_mutex_lock(&one->lock);
        snprintf(piece, sizeof piece,
                 ", \"hdf5\": \"%u.%u.%u\", \"private_copy\": %s, \"constants_bytes\": %zu}",
                 one->api.version[0], one->api.version[1], one->api.version[2],
                 one->guest ? "true" : "false", one->prepared_bytes);
        h5calib_mutex_unlock(&one->lock);
        used = append(json, size, used, piece);
    }
    return append(json, size, used, "]}");
}
