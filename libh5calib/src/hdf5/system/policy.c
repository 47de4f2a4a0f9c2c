/*
 * policy.c - what a file may make this process do, as the environment says.
 */
#include "hdf5/system/policy.h"

#include <errno.h>
#include <stdlib.h>

#include "core/core.h"

#define DEFAULT_BYTES ((uint64_t)4 << 30)

uint64_t h5calib_bound(void)
{
    const char *text = getenv("H5CALIB_MAX_BYTES");
    const uint64_t most = SIZE_MAX / 2;
    char *end;
    if (!text || !*text)
        return DEFAULT_BYTES < most ? DEFAULT_BYTES : most;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return 0;
    return value < most ? value : most;
}

bool h5calib_within_bound(const char *what, uint64_t bytes, char *message, size_t size)
{
    const uint64_t bound = h5calib_bound();
    const char *text = getenv("H5CALIB_MAX_BYTES");
    if (bytes <= bound && bound)
        return true;
    if (bound == 0)
        h5calib_say(message, size,
                    "H5CALIB_MAX_BYTES is '%s': it must be a number of bytes, 1 or more", text);
    else if (bytes == UINT64_MAX)
        h5calib_say(message, size,
                    "%s would take more bytes than there are in any memory: the file is damaged",
                    what);
    else
        h5calib_say(message, size,
                    "%s would take %llu bytes, more than the %llu that H5CALIB_MAX_BYTES allows: "
                    "set it higher if the file is to be trusted",
                    what, (unsigned long long)bytes, (unsigned long long)bound);
    return false;
}
