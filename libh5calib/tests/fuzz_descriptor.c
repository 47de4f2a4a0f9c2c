/*
 * fuzz_descriptor.c - any bytes as filter parameters, as a stub, as a header of the first h5calib.
 *
 * The first byte chooses which; check sums are made right, mostly, since none would be found by
 * chance.
 */
#include "check.h"
#include "core/core.h"
#include "core/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void parse_words(const uint8_t *data, size_t n, bool fix)
{
    char message[256] = "";
    uint8_t uuid[16];
    h5calib_descriptor d;
    const size_t words = n / sizeof(unsigned);
    unsigned *copy = malloc(words ? words * sizeof *copy : 1); /* of that size: a fence behind it */
    CHECK(copy, "no memory");
    memcpy(copy, data, words * sizeof *copy);
    if (fix && words > H5CALIB_FIXED_WORDS) {
        copy[0] = H5CALIB_FORMAT;
        memcpy(uuid, copy + 7, sizeof uuid);
        h5calib_descriptor_rename(copy, words, uuid); /* sets the sum */
    }
    if (h5calib_descriptor_parse(copy, words, &d, message, sizeof message)) {
        CHECK(d.n_parameters <= H5CALIB_DESCRIPTOR_PARAMETERS, "too many parameters");
        for (size_t i = 1; i < d.n_parameters; i++)
            CHECK(d.parameters[i].index > d.parameters[i - 1].index, "out of order");
    } else {
        CHECK(message[0], "refused without a word");
    }
    free(copy);
}

static void parse_stub(const uint8_t *data, size_t n, bool fix)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    char message[256] = "";
    uint64_t chunk = 0, again;
    uint8_t *copy = malloc(n ? n : 1);
    CHECK(copy, "no memory");
    memcpy(copy, data, n);
    if (fix && n == H5CALIB_STUB_SIZE) {
        memcpy(&chunk, data, sizeof chunk);
        h5calib_stub_write(copy, uuid, chunk);
    }
    if (h5calib_stub_parse(copy, n, uuid, &again, message, sizeof message))
        CHECK(!fix || again == chunk, "another chunk");
    else
        CHECK(message[0], "refused without a word");
    free(copy);
}

static void parse_legacy(const uint8_t *data, size_t n, bool fix)
{
    static const uint8_t magic[4] = {0x62, 0xD6, 0x90, 0x62};
    char message[256] = "";
    h5calib_legacy l;
    uint8_t *copy = malloc(n ? n : 1);
    CHECK(copy, "no memory");
    memcpy(copy, data, n);
    if (fix && n >= sizeof magic)
        memcpy(copy, magic, sizeof magic);
    if (h5calib_legacy_parse(copy, n, &l, message, sizeof message)) {
        const char *end = (const char *)copy + n;
        CHECK(l.raw + strlen(l.raw) < end && l.constants + strlen(l.constants) < end,
              "a path beyond the chunk");
    } else {
        CHECK(message[0], "refused without a word");
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    const bool fix = data[0] & 4;
    switch (data[0] & 3) {
    case 0: parse_words(data + 1, n - 1, fix); break;
    case 1: parse_stub(data + 1, n - 1, fix); break;
    default: parse_legacy(data + 1, n - 1, fix); break;
    }
    return 0;
}
