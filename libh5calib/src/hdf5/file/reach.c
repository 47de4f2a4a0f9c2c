/*
 * reach.c - from a file to others that it names, and back to them later.
 */
#include "hdf5/file/reach.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "hdf5/system/policy.h"
#include "hdf5/system/text.h"

/* Bytes of a path up to its last name. */
static size_t folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
#if defined(_WIN32)
    const char *back = strrchr(path, '\\');
    if (back && (!slash || back > slash))
        slash = back;
#endif
    return slash ? (size_t)(slash - path) + 1 : 0;
}

char *h5calib_resolve(const view *owner, const char *file, char *message, size_t size)
{
    const bool whole = h5calib_path_is_absolute(file);
    if (!whole && owner->in_memory) {
        h5calib_say(message, size,
                    "'%s' is a file in memory or of a Python object, so nothing tells the folder "
                    "in which its link to '%s' begins: open it by its path, or link by whole paths "
                    "(links=\"absolute\")",
                    owner->path, file);
        return NULL;
    }
    char *path = h5calib_text("%.*s%s", whole ? 0 : (int)folder_of(owner->path), owner->path, file);
    char *real = path ? h5calib_canonical_path(path) : NULL;
    if (!path)
        h5calib_say(message, size, "out of memory");
    if (real)
        free(path);
    return real ? real : path;
}

bool h5calib_may_reach(const view *owner, const char *path, char *message, size_t size)
{
    char *folder = h5calib_text("%.*s", (int)folder_of(owner->path), owner->path);
    if (!folder)
        h5calib_say(message, size, "out of memory");
    const bool may = folder && h5calib_may_lead_to(folder, path, message, size);
    free(folder);
    return may;
}

view *h5calib_reach(binding *b, const char *path, const h5calib_stamp *expect, bool *unknown,
                    char *message, size_t size)
{
    h5calib_stamp found;
    h5calib_writing writing = H5CALIB_NOT_WRITTEN;
    if (expect || h5calib_stamp_path(path, &found))
        writing = h5calib_process_writing(b, path, expect ? expect : &found, message, size);
    *unknown = writing == H5CALIB_WRITTEN_UNKNOWN;
    if (*unknown)
        return NULL;
    return h5calib_view_open(b, path, expect, writing != H5CALIB_NOT_WRITTEN, message, size);
}

bool h5calib_reach_unchanged(binding *b, const view *v, bool *unknown, char *message, size_t size)
{
    if (v->uses > 0)
        return true;
    *unknown =
        h5calib_process_writing(b, v->path, &v->stamp, message, size) == H5CALIB_WRITTEN_UNKNOWN;
    return !*unknown && v->settled && h5calib_view_current(v);
}
