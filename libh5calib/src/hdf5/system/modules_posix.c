/*
 * modules_posix.c - loaded libraries, on Linux and macOS.
 */
#if !defined(_WIN32)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr, dl_iterate_phdr */
#endif
#include "hdf5/system/platform.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <link.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#endif

#include "core/core.h"

bool h5calib_module_of(const void *address, h5calib_module *out)
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)address, &info) || !info.dli_fname)
        return false;
    out->base = info.dli_fbase;
    snprintf(out->path, sizeof out->path, "%s", info.dli_fname);
    out->handle = NULL;
    return true;
}

bool h5calib_module_keep(h5calib_module *module)
{
    module->handle = dlopen(module->path, RTLD_LAZY | RTLD_NOLOAD);
    if (!module->handle) /* the executable is found under no name */
        module->handle = dlopen(NULL, RTLD_LAZY);
    return module->handle != NULL;
}

void *h5calib_symbol(const h5calib_module *module, const char *name)
{
    Dl_info info;
    void *symbol = dlsym(module->handle, name);
    if (!symbol || !dladdr(symbol, &info) || info.dli_fbase != module->base)
        return NULL;
    return symbol;
}

#if defined(__linux__)

struct module_list {
    h5calib_module *all;
    size_t n;
};

static int add_module(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct module_list *list = data;
    if (!info->dlpi_name || !info->dlpi_name[0])
        return 0;
    h5calib_module *grown = realloc(list->all, (list->n + 1) * sizeof *grown);
    if (!grown)
        return 0;
    list->all = grown;
    grown[list->n].base = (void *)info->dlpi_addr;
    snprintf(grown[list->n].path, sizeof grown->path, "%s", info->dlpi_name);
    list->n++;
    return 0;
}

/* Opened after the list was walked: the loader holds a lock meanwhile, for which another thread
 * waits that loads a library and holds the one needed to open. */
bool h5calib_module_search(const char *name, bool (*suits)(void *symbol, void *data), void *data,
                           h5calib_module *out)
{
    struct module_list list = {0};
    bool found = false;
    dl_iterate_phdr(add_module, &list);
    for (size_t i = 0; i < list.n && !found; i++) {
        h5calib_module *m = &list.all[i];
        m->handle = dlopen(m->path, RTLD_LAZY | RTLD_NOLOAD);
        void *symbol = m->handle ? h5calib_symbol(m, name) : NULL;
        found = symbol && suits(symbol, data);
        if (found)
            *out = *m;
        else if (m->handle)
            dlclose(m->handle);
    }
    free(list.all);
    return found;
}

/* Own symbols first, even where the executable brings a libhdf5; AddressSanitizer
 * does not allow that, and musl has no such loading: there is no copy there. */
#if defined(__SANITIZE_ADDRESS__)
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL)
#elif defined(RTLD_DEEPBIND)
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

#define MOST_COPIES 64 /* with names of their own: of one there is hardly ever a second */

/* The copy lives in a file without a name: another inode, so the loader takes
 * it for another library and gives it globals of its own. It looks at names first: no two copies
 * may have the same. Called under the global lock. */
static void *load_copy(const char *path)
{
#if !defined(COPY_FLAGS)
    (void)path;
    return NULL;
#else
    static unsigned copies;
    int source = open(path, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return NULL;
    int copy = (int)syscall(SYS_memfd_create, "libhdf5-for-h5calib", 1U /* MFD_CLOEXEC */);
    struct stat status;
    void *handle = NULL;
    if (copy >= 0 && fstat(source, &status) == 0) {
        off_t done = 0;
        while (done < status.st_size &&
               sendfile(copy, source, &done, (size_t)(status.st_size - done)) > 0)
            ;
        char dots[2 * MOST_COPIES + 1] = "", name[sizeof dots + 64];
        for (unsigned i = 0; i < copies % MOST_COPIES; i++)
            strcat(dots, "./");
        copies++;
        snprintf(name, sizeof name, "/proc/self/fd/%s%d", dots, copy);
        if (done == status.st_size)
            handle = dlopen(name, COPY_FLAGS);
    }
    close(source);
    if (copy >= 0)
        close(copy);
    return handle;
#endif
}

static bool any_symbol(void *symbol, void *data)
{
    (void)symbol;
    (void)data;
    return true;
}

bool h5calib_module_copy(const char *name, h5calib_module *out, char *message, size_t size)
{
    h5calib_module found;
    if (!h5calib_module_search(name, any_symbol, NULL, &found)) {
        h5calib_say(message, size,
                    "the program's HDF5 library hides its functions and no other HDF5 library is "
                    "loaded: import h5py in the same process, or use a program that is linked to "
                    "a shared libhdf5");
        return false;
    }
    out->handle = load_copy(found.path);
    dlclose(found.handle);
    if (!out->handle) {
        h5calib_say(message, size,
                    "the program's HDF5 library hides its functions, and %s could not be loaded "
                    "a second time to serve it",
                    found.path);
        return false;
    }
    Dl_info where;
    void *symbol = dlsym(out->handle, name);
    out->base = symbol && dladdr(symbol, &where) ? where.dli_fbase : NULL;
    memcpy(out->path, found.path, sizeof out->path);
    return out->base != NULL;
}

#else

bool h5calib_module_search(const char *name, bool (*suits)(void *symbol, void *data), void *data,
                           h5calib_module *out)
{
    (void)name;
    (void)suits;
    (void)data;
    (void)out;
    return false;
}

bool h5calib_module_copy(const char *name, h5calib_module *out, char *message, size_t size)
{
    (void)name;
    (void)out;
    h5calib_say(message, size,
                "the program's HDF5 library hides its functions, so the calibration cannot find "
                "the raw data through it: use a program linked to a shared libhdf5");
    return false;
}

#endif
#endif
