/*
 * reach.c - from a file to others that it names, and back to them later.
 */
#include "hdf5/file/reach.h"

#include <stdio.h>
#include <string.h>

static void folder_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
#if defined(_WIN32)
    const char *back = strrchr(path, '\\');
    if (back && (!slash || back > slash))
        slash = back;
#endif
    snprintf(out, size, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
}

static bool absolute(const char *path)
{
#if defined(_WIN32)
    if (path[0] && path[1] == ':')
        return true;
    if (path[0] == '\\')
        return true;
#endif
    return path[0] == '/';
}

void h5calib_resolve(const view *owner, const char *file, char *out, size_t size)
{
    char folder[1024] = "";
    if (!absolute(file))
        folder_of(owner->path, folder, sizeof folder);
    snprintf(out, size, "%s%s", folder, file);
    h5calib_canonical_path(out, size);
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
