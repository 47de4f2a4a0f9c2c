/*
 * api.c - find the libhdf5 of a caller and its functions.
 *
 * Only functions are looked up, never variables such as H5T_NATIVE_INT_g: an
 * executable may hold its own copy of those, and the library's is then stale.
 */
#include "hdf5/library/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "hdf5/system/inplace.h"

static binding *first; /* under the global lock; entries are never freed */

binding *h5calib_bindings(void)
{
    h5calib_global_lock();
    binding *b = first;
    h5calib_global_unlock();
    return b;
}

/* A caller that hides its libhdf5 uses the memory of the C library, as filters do. */
void *h5calib_binding_allocate(const binding *b, size_t n)
{
    return b->guest ? malloc(n) : b->api.H5allocate_memory(n, false);
}

void h5calib_binding_free(const binding *b, void *memory)
{
    if (b->guest)
        free(memory);
    else if (memory)
        b->api.H5free_memory(memory);
}

/* A type that nobody else makes. */
static bool is_witness(const binding *b, const char *tag)
{
    char *found = b->witness > 0 ? b->api.H5Tget_tag(b->witness) : NULL;
    const bool same = found && strcmp(found, tag) == 0;
    if (found)
        b->api.H5free_memory(found);
    return same;
}

bool h5calib_reopened(binding *b)
{
    char tag[64];
    snprintf(tag, sizeof tag, "h5calib %p", (void *)b);
    if (is_witness(b, tag))
        return false;
    const bool first_time = b->witness == 0;
    b->error_class = -1;
    b->witness = b->api.H5Tcreate(H5T_OPAQUE, 1);
    if (b->witness < 0 || b->api.H5Tset_tag(b->witness, tag) < 0)
        b->witness = -1; /* nothing is kept that cannot be shown to be ours */
    return !first_time;
}

static void after_fork(void)
{
    for (binding *b = first; b; b = b->next)
        h5calib_mutex_init(&b->lock);
    h5calib_inplace_after_fork();
}

static void *symbol_or(const h5calib_module *module, const char *one, const char *other)
{
    void *symbol = h5calib_symbol(module, one);
    return symbol ? symbol : h5calib_symbol(module, other);
}

static void store(void *slot, void *symbol)
{
    memcpy(slot, &symbol, sizeof symbol);
}

/* The name of the first function that is missing, or NULL. */
static const char *fill_table(const h5calib_module *module, h5 *api)
{
    void *symbol;
#define X(name, result, arguments)                                                                 \
    symbol = h5calib_symbol(module, #name);                                                        \
    if (!symbol)                                                                                   \
        return #name;                                                                              \
    store(&api->name, symbol);
    H5CALIB_H5_FUNCTIONS(X)
#undef X
#define X(name, first_name, second_name, result, arguments)                                        \
    symbol = symbol_or(module, first_name, second_name);                                           \
    if (!symbol)                                                                                   \
        return first_name;                                                                         \
    store(&api->name, symbol);
    H5CALIB_H5_VERSIONED(X)
#undef X
    store(&api->H5is_library_threadsafe, h5calib_symbol(module, "H5is_library_threadsafe"));
    return NULL;
}

static binding *make(const h5calib_module *module, const void *base, bool guest, char *message,
                     size_t size)
{
    binding *b = calloc(1, sizeof *b);
    if (!b) {
        h5calib_say(message, size, "out of memory");
        return NULL;
    }
    const char *missing = fill_table(module, &b->api);
    if (missing) {
        h5calib_say(message, size,
                    "%s has no function %s: a shared HDF5 library of version 1.10.7 or newer is "
                    "needed",
                    module->path, missing);
        free(b);
        return NULL;
    }
    b->guest = guest;
    b->base = (void *)(uintptr_t)base;
    memcpy(b->path, module->path, sizeof b->path);
    h5calib_mutex_init(&b->lock);
    if (guest) { /* a fresh copy: no executable holds copies of its variables */
        b->api.H5open();
        b->file_access_class = h5calib_symbol(module, "H5P_CLS_FILE_ACCESS_ID_g");
    }
    unsigned *version = b->api.version;
    b->api.H5get_libversion(&version[0], &version[1], &version[2]);
    if (version[0] > 1 || version[1] >= 14)
        store(&b->api.H5Dchunk_iter, h5calib_symbol(module, "H5Dchunk_iter"));
    return b;
}

static binding *make_for(h5calib_module *caller, char *message, size_t size)
{
    h5calib_module other;
    if (h5calib_module_keep(caller) && h5calib_symbol(caller, "H5Dread"))
        return make(caller, caller->base, false, message, size);
    if (!h5calib_module_copy("H5Dread", &other, message, size))
        return NULL;
    return make(&other, caller->base, true, message, size);
}

static binding *find_or_make(const void *address, char *message, size_t size)
{
    h5calib_module caller;
    if (!h5calib_module_of(address, &caller)) {
        h5calib_say(message, size, "the HDF5 library that called the filter cannot be found");
        return NULL;
    }
    for (binding *b = first; b; b = b->next)
        if (b->base == caller.base)
            return b;
    binding *b = make_for(&caller, message, size);
    if (b) {
        if (!first)
            h5calib_at_fork(after_fork);
        b->next = first;
        first = b;
    }
    return b;
}

binding *h5calib_bind(const void *address, char *message, size_t size)
{
    h5calib_global_lock();
    binding *b = first;
    while (b && b->caller != address)
        b = b->next;
    if (!b && (b = find_or_make(address, message, size)) != NULL)
        b->caller = address;
    h5calib_global_unlock();
    return b;
}
