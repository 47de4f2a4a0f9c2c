/*
 * fuzz_bitshuffle.c - any bytes as a chunk of bitshuffle with LZ4 (cmake -DH5CALIB_FUZZ=ON, clang).
 *
 * The first four bytes choose the size of elements, how many, a variant and a part; a header
 * that fits is put before the rest, mostly, since few would be found by chance.
 */
#include "check.h"
#include "core/bitshuffle.h"
#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 4)
        return 0;
    const size_t element = (size_t)1 << (data[0] & 3), elements = data[1] * (size_t)3;
    const size_t block = 8 * (1 + (data[0] >> 5)), bytes = element * elements;
    size_t variants = 0;
    while (h5calib_cpu_variant_at(variants))
        variants++;
    h5calib_set_cpu_variant(h5calib_cpu_variant_at(data[2] % variants));

    const size_t header = data[0] & 4 ? 0 : 12, stored = header + n - 4;
    uint8_t *chunk = malloc(stored ? stored : 1), *out = malloc(bytes ? bytes : 1);
    CHECK(chunk && out, "no memory");
    for (size_t i = 0; i < header; i++)
        chunk[i] = (uint8_t)(i < 8 ? (uint64_t)bytes >> 8 * (7 - i)
                                   : (uint64_t)(block * element) >> 8 * (11 - i));
    memcpy(chunk + header, data + 4, n - 4);

    h5calib_bitshuffle b;
    if (h5calib_bitshuffle_open(&b, chunk, stored, bytes, element)) {
        h5calib_bitshuffle_read(&b, 0, elements, out);
        const size_t first = data[3] % (elements + 1), part = elements - first;
        uint8_t *exact = malloc(part * element ? part * element : 1);
        CHECK(exact, "no memory");
        h5calib_bitshuffle_read(&b, first, part, exact);
        free(exact);
    }
    free(chunk);
    free(out);
    return 0;
}
