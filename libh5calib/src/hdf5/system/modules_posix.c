/*
 * modules_posix.c - loaded libraries, on Linux and macOS.
 */
#if !defined(_WIN32)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr, dl_iterate_phdr, memfd_create */
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
#endif

#include "core/core.h"
#include "hdf5/library/h5abi.h"

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

struct filter_search {
    int id;
    const h5_filter_class *found;
};

static int offers_filter(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct filter_search *search = data;
    Dl_info where;
    if (!info->dlpi_name || !info->dlpi_name[0])
        return 0;
    void *handle = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    void *symbol = handle ? dlsym(handle, "H5PLget_plugin_info") : NULL;
    if (symbol && dladdr(symbol, &where) && where.dli_fbase == (void *)info->dlpi_addr) {
        const void *(*plugin_info)(void);
        memcpy(&plugin_info, &symbol, sizeof plugin_info);
        const h5_filter_class *class_found = plugin_info();
        if (class_found && class_found->version == H5Z_CLASS_T_VERS &&
            class_found->id == search->id) {
            search->found = class_found;
            return 1; /* the handle stays open */
        }
    }
    if (handle)
        dlclose(handle);
    return 0;
}

const h5_filter_class *h5calib_find_filter(int id)
{
    struct filter_search search = {.id = id};
    dl_iterate_phdr(offers_filter, &search);
    return search.found;
}

struct search {
    const char *name;
    h5calib_module found;
};

static int offers(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct search *search = data;
    if (!info->dlpi_name || !info->dlpi_name[0])
        return 0;
    void *handle = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle)
        return 0;
    Dl_info where;
    void *symbol = dlsym(handle, search->name);
    if (symbol && dladdr(symbol, &where) && where.dli_fbase == (void *)info->dlpi_addr) {
        search->found.handle = handle;
        snprintf(search->found.path, sizeof search->found.path, "%s", info->dlpi_name);
        return 1;
    }
    dlclose(handle);
    return 0;
}

/* Own symbols first, even where the executable brings a libhdf5; AddressSanitizer
 * does not allow that. */
#if defined(__SANITIZE_ADDRESS__)
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL)
#else
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

/* The copy lives in a file without a name: another inode, so the loader takes
 * it for another library and gives it globals of its own. */
static void *load_copy(const char *path)
{
    int source = open(path, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return NULL;
    int copy = memfd_create("libhdf5-for-h5calib", MFD_CLOEXEC);
    struct stat status;
    void *handle = NULL;
    if (copy >= 0 && fstat(source, &status) == 0) {
        off_t done = 0;
        while (done < status.st_size &&
               sendfile(copy, source, &done, (size_t)(status.st_size - done)) > 0)
            ;
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
        if (done == status.st_size)
            handle = dlopen(name, COPY_FLAGS);
    }
    close(source);
    if (copy >= 0)
        close(copy);
    return handle;
}

bool h5calib_module_copy(const char *name, h5calib_module *out, char *message, size_t size)
{
    struct search search = {.name = name};
    if (!dl_iterate_phdr(offers, &search)) {
        h5calib_say(message, size,
                    "the program's HDF5 library hides its functions and no other HDF5 library is "
                    "loaded: import h5py in the same process, or use a program that is linked to "
                    "a shared libhdf5");
        return false;
    }
    out->handle = load_copy(search.found.path);
    dlclose(search.found.handle);
    if (!out->handle) {
        h5calib_say(message, size,
                    "the program's HDF5 library hides its functions, and %s could not be loaded "
                    "a second time to serve it",
                    search.found.path);
        return false;
    }
    Dl_info where;
    void *symbol = dlsym(out->handle, name);
    out->base = symbol && dladdr(symbol, &where) ? where.dli_fbase : NULL;
    memcpy(out->path, search.found.path, sizeof out->path);
    return out->base != NULL;
}

#else

const h5_filter_class *h5calib_find_filter(int id)
{
    (void)id;
    return NULL;
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
