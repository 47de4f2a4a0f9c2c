/*
 * platform_windows.c - Windows. There is no list of a process's open files:
 * identity.c asks the caller's library instead.
 */
#if defined(_WIN32)
#include "hdf5/system/platform.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/core.h"

void h5calib_mutex_init(h5calib_mutex *mutex)
{
    InitializeCriticalSection(mutex);
}
void h5calib_mutex_lock(h5calib_mutex *mutex)
{
    EnterCriticalSection(mutex);
}
void h5calib_mutex_unlock(h5calib_mutex *mutex)
{
    LeaveCriticalSection(mutex);
}

static SRWLOCK global = SRWLOCK_INIT;
void h5calib_global_lock(void)
{
    AcquireSRWLockExclusive(&global);
}
void h5calib_global_unlock(void)
{
    ReleaseSRWLockExclusive(&global);
}
void h5calib_at_fork(void (*function)(void))
{
    (void)function;
}

bool h5calib_module_of(const void *address, h5calib_module *out)
{
    HMODULE module;
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                                GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (LPCWSTR)address, &module))
        return false;
    out->handle = out->base = (void *)module;
    wchar_t name[sizeof out->path];
    const DWORD n = GetModuleFileNameW(module, name, sizeof out->path);
    return n > 0 && n < sizeof out->path &&
           WideCharToMultiByte(CP_UTF8, 0, name, -1, out->path, sizeof out->path, NULL, NULL) > 0;
}

bool h5calib_module_keep(h5calib_module *module)
{
    HMODULE kept;
    return GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (LPCWSTR)module->base, &kept);
}

void *h5calib_symbol(const h5calib_module *module, const char *name)
{
    return (void *)(uintptr_t)GetProcAddress((HMODULE)module->handle, name);
}

bool h5calib_module_copy(const char *name, h5calib_module *out, char *message, size_t size)
{
    (void)name;
    (void)out;
    h5calib_say(message, size,
                "the program's HDF5 library hides its functions, so the calibration cannot find "
                "the raw data through it: use a program linked to a shared hdf5.dll");
    return false;
}

bool h5calib_module_search(const char *name, bool (*suits)(void *symbol, void *data), void *data,
                           h5calib_module *out)
{
    (void)name;
    (void)suits;
    (void)data;
    (void)out;
    return false;
}

static bool stamp_handle(HANDLE handle, h5calib_stamp *out)
{
    BY_HANDLE_FILE_INFORMATION info;
    if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileInformationByHandle(handle, &info))
        return false;
    out->device = info.dwVolumeSerialNumber;
    out->inode = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    out->size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    out->modified = 100 * (int64_t)((uint64_t)info.ftLastWriteTime.dwHighDateTime << 32 |
                                    info.ftLastWriteTime.dwLowDateTime);
    out->changed = out->modified;
    return true;
}

bool h5calib_stamp_fd(int fd, h5calib_stamp *out)
{
    intptr_t handle = _get_osfhandle(fd);
    return handle != -1 && stamp_handle((HANDLE)handle, out);
}

bool h5calib_stamp_path(const char *path, h5calib_stamp *out)
{
    int fd = h5calib_open(path);
    bool ok = fd >= 0 && h5calib_stamp_fd(fd, out);
    h5calib_close(fd);
    return ok;
}

int64_t h5calib_file_clock(void)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return 100 * (int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime);
}

/* UTF-8, as HDF5 names files, in the system's words; to be freed. */
static wchar_t *wide(const char *path)
{
    const int n = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
    wchar_t *text = n > 0 ? malloc((size_t)n * sizeof *text) : NULL;
    if (text)
        MultiByteToWideChar(CP_UTF8, 0, path, -1, text, n);
    return text;
}

static char *narrow(const wchar_t *text)
{
    const int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *path = n > 0 ? malloc((size_t)n) : NULL;
    if (path)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, path, n, NULL, NULL);
    return path;
}

/* Others may write, rename and delete it meanwhile. */
int h5calib_open(const char *path)
{
    wchar_t *name = wide(path);
    if (!name)
        return -1;
    HANDLE handle =
        CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    free(name);
    if (handle == INVALID_HANDLE_VALUE)
        return -1;
    const bool regular = GetFileType(handle) == FILE_TYPE_DISK;
    const int fd =
        regular ? _open_osfhandle((intptr_t)handle, _O_RDONLY | _O_BINARY | _O_NOINHERIT) : -1;
    if (fd < 0)
        CloseHandle(handle);
    if (!regular)
        SetLastError(ERROR_BAD_FILE_TYPE);
    return fd;
}

h5calib_trouble h5calib_open_trouble(void)
{
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return H5CALIB_NOT_THERE;
    case ERROR_BAD_FILE_TYPE: return H5CALIB_NO_REGULAR_FILE;
    case ERROR_TOO_MANY_OPEN_FILES: return H5CALIB_NO_DESCRIPTOR;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION: return H5CALIB_NOT_ALLOWED;
    default: return H5CALIB_FAILED;
    }
}

bool h5calib_no_descriptor_left(void)
{
    return false;
}

void h5calib_close(int fd)
{
    if (fd >= 0)
        _close(fd);
}

bool h5calib_in_memory(int fd, uint64_t offset)
{
    (void)fd, (void)offset;
    return false;
}

void h5calib_will_need(int fd, uint64_t offset, uint64_t n)
{
    (void)fd, (void)offset, (void)n;
}

bool h5calib_pread(int fd, void *buffer, size_t n, uint64_t offset)
{
    HANDLE handle = (HANDLE)_get_osfhandle(fd);
    char *at = buffer;
    while (n > 0) {
        OVERLAPPED where = {0};
        where.Offset = (DWORD)offset;
        where.OffsetHigh = (DWORD)(offset >> 32);
        DWORD got = 0, want = n > 0x40000000 ? 0x40000000 : (DWORD)n;
        if (!ReadFile(handle, at, want, &got, &where) || got == 0)
            return false;
        at += got;
        offset += got;
        n -= got;
    }
    return true;
}

h5calib_listing h5calib_look_at_descriptors(h5calib_descriptors *known)
{
    (void)known;
    return H5CALIB_NOT_LISTED;
}

char *h5calib_fd_path(int fd, const h5calib_stamp *stamp)
{
    h5calib_stamp found;
    HANDLE handle = (HANDLE)_get_osfhandle(fd);
    const DWORD n = GetFinalPathNameByHandleW(handle, NULL, 0, FILE_NAME_NORMALIZED);
    wchar_t *text = n > 0 ? malloc(((size_t)n + 1) * sizeof *text) : NULL;
    char *path = NULL;
    if (text && GetFinalPathNameByHandleW(handle, text, n + 1, FILE_NAME_NORMALIZED) <= n)
        path = narrow(text);
    free(text);
    if (path && h5calib_stamp_path(path, &found) && h5calib_same_file(&found, stamp))
        return path;
    free(path);
    return NULL;
}

bool h5calib_is_fd_path(const char *path)
{
    (void)path;
    return false;
}

bool h5calib_path_is_absolute(const char *path)
{
    return (path[0] && path[1] == ':') || path[0] == '\\' || path[0] == '/';
}

char *h5calib_canonical_path(const char *path)
{
    wchar_t *name = wide(path);
    const DWORD n = name ? GetFullPathNameW(name, 0, NULL, NULL) : 0;
    wchar_t *full = n > 0 ? malloc((size_t)n * sizeof *full) : NULL;
    char *found = NULL;
    if (full && GetFullPathNameW(name, n, full, NULL) < n)
        found = narrow(full);
    free(full);
    free(name);
    return found;
}

void h5calib_will_write(void *memory, size_t size)
{
    (void)memory, (void)size;
}

void *h5calib_zeros(size_t size)
{
    return calloc(1, size);
}

void h5calib_zeros_free(void *memory, size_t size)
{
    (void)size;
    free(memory);
}

void *h5calib_map_private(int fd, size_t size)
{
    HANDLE mapping =
        CreateFileMappingW((HANDLE)_get_osfhandle(fd), NULL, PAGE_WRITECOPY, 0, 0, NULL);
    if (!mapping)
        return NULL;
    void *image = MapViewOfFile(mapping, FILE_MAP_COPY, 0, 0, size);
    CloseHandle(mapping);
    return image;
}

void h5calib_unmap(void *image, size_t size)
{
    (void)size;
    UnmapViewOfFile(image);
}
#endif
