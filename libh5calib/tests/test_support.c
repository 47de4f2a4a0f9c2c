/* test_support.c - sizes, checksum, messages. */
#include "check.h"
#include "core/core.h"

int main(void)
{
    static const size_t sizes[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 0};
    for (int d = 0; d < 13; d++)
        CHECK(h5calib_dtype_size((h5calib_dtype)d) == sizes[d], "dtype %d", d);
    CHECK(h5calib_crc32(0, "123456789", 9) == 0xcbf43926, "the usual check value");
    CHECK(h5calib_crc32(h5calib_crc32(0, "1234", 4), "56789", 5) == 0xcbf43926, "in two parts");
    CHECK(h5calib_crc32(0, NULL, 0) == 0, "nothing");
    char text[8];
    h5calib_say(text, sizeof text, "%s", "too long for it");
    CHECK(strcmp(text, "too lon") == 0, "%s", text);
    h5calib_say(NULL, 0, "%s", "nowhere");
    h5calib_say(text, 0, "%s", "nowhere");
    CHECK(strcmp(text, "too lon") == 0, "%s", text);
    return 0;
}
