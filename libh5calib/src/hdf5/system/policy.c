/*
 * policy.c - what a file may make this process do, as the environment says.
 */
#include "hdf5/system/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "hdf5/system/platform.h"
#include "hdf5/system/text.h"

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

/* ---- other files ---------------------------------------------------------------------------- */

#if defined(_WIN32)
#define BETWEEN_FOLDERS ";"
#else
#define BETWEEN_FOLDERS ":"
#endif

static bool is_separator(char c)
{
#if defined(_WIN32)
    return c == '/' || c == '\\';
#else
    return c == '/';
#endif
}

/* Without links, or as it is where there is no such file; to be freed. */
static char *without_links(const char *path, size_t length)
{
    char *text = h5calib_text("%.*s", (int)length, path);
    char *real = text ? h5calib_canonical_path(text) : NULL;
    if (!real)
        return text;
    free(text);
    return real;
}

/* Is a path, without links, in that folder or below? */
static bool is_below(const char *path, const char *folder, size_t length)
{
    char *real = without_links(folder, length);
    size_t n = real ? strlen(real) : 0;
    while (n > 0 && is_separator(real[n - 1]))
        n--;
    const bool below = real && strncmp(path, real, n) == 0 && is_separator(path[n]);
    free(real);
    return below;
}

static bool in_a_folder_of(const char *list, const char *path)
{
    for (size_t n; *list; list += n + (list[n] != 0)) {
        n = strcspn(list, BETWEEN_FOLDERS);
        if (n > 0 && is_below(path, list, n))
            return true;
    }
    return false;
}

static bool is_list_of_folders(const char *list)
{
    for (size_t n; *list; list += n + (list[n] != 0)) {
        n = strcspn(list, BETWEEN_FOLDERS);
        if (n > 0 && !h5calib_path_is_absolute(list))
            return false;
    }
    return true;
}

bool h5calib_may_lead_to(const char *folder, const char *path, char *message, size_t size)
{
    const char *policy = getenv("H5CALIB_EXTERNAL");
    if (!policy || !*policy || strcmp(policy, "any") == 0)
        return true;
    const bool below = strcmp(policy, "below") == 0, none = strcmp(policy, "none") == 0;
    if (!below && !none && !is_list_of_folders(policy)) {
        h5calib_say(message, size,
                    "H5CALIB_EXTERNAL is '%s': it must be any, below, none or absolute folders",
                    policy);
        return false;
    }
    char *real = path && !none ? without_links(path, strlen(path)) : NULL;
    const bool allowed =
        real && (below ? is_below(real, folder, strlen(folder)) : in_a_folder_of(policy, real));
    free(real);
    if (!allowed)
        h5calib_say(
            message, size,
            "a file in '%s' leads to '%s', which H5CALIB_EXTERNAL=%s does not allow: put it "
            "where it is allowed, or change the variable if the file is to be trusted",
            folder, path ? path : "external storage", policy);
    return allowed;
}
