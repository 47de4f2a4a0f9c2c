/*
 * series.c - one more dataset of a series, in one call.
 *
 * A camera writes many calibrated datasets that are alike but for their raw data
 * and UUID. What is the same is made once by the Python package; here is the rest,
 * without an interpreter between one call of HDF5 and the next.
 */
#include <stdio.h>
#include <string.h>

#include "core/descriptor.h"
#include "hdf5/library/h5abi.h"

/* Functions of the libhdf5 that all ids belong to. */
typedef struct series_functions {
    hid_t (*gcreate)(hid_t, const char *, hid_t, hid_t, hid_t);             /* H5Gcreate2 */
    herr_t (*gclose)(hid_t);                                                /* H5Gclose */
    herr_t (*soft)(const char *, hid_t, const char *, hid_t, hid_t);        /* H5Lcreate_soft */
    herr_t (*hard)(hid_t, const char *, hid_t, const char *, hid_t, hid_t); /* H5Lcreate_hard */
    herr_t (*link)(hid_t, hid_t, const char *, hid_t, hid_t);               /* H5Olink */
    herr_t (*filter)(hid_t, int, unsigned, size_t, const unsigned *);       /* H5Pmodify_filter */
    hid_t (*dcreate)(hid_t, hid_t, hid_t, hid_t, hid_t);                    /* H5Dcreate_anon */
    herr_t (*chunk)(hid_t, hid_t, uint32_t, const hsize_t *, size_t,
                    const void *);                                     /* H5Dwrite_chunk */
    herr_t (*dclose)(hid_t);                                           /* H5Dclose */
    hid_t (*acreate)(hid_t, const char *, hid_t, hid_t, hid_t, hid_t); /* H5Acreate2 */
    herr_t (*awrite)(hid_t, hid_t, const void *);                      /* H5Awrite */
    herr_t (*aclose)(hid_t);                                           /* H5Aclose */
} series_functions;

/* What is the same for all datasets of one shape, dtype and set of attributes. */
typedef struct series_mould {
    hid_t homes;     /* the group /h5calib */
    hid_t constants; /* the group that all share */
    hid_t properties, type, space;
    const unsigned *words; /* of the descriptor; its UUID and check sum are set here */
    size_t n_words;
    const uint64_t *offsets; /* n_chunks times `rank` */
    size_t n_chunks;
    size_t rank;
} series_mould;

typedef struct series_attribute {
    const char *name;
    hid_t type, space;
    const void *value;
} series_attribute;

H5CALIB_API int h5calib_plugin_series_add(const series_functions *f, const series_mould *m,
                                          const uint8_t uuid[16], const char *raw,
                                          const series_attribute *attributes, size_t n_attributes,
                                          int64_t target, const char *name, const char **failed);

static const char *write_attributes(const series_functions *f, hid_t dataset,
                                    const series_attribute *attributes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const series_attribute *a = &attributes[i];
        hid_t id = f->acreate(dataset, a->name, a->type, a->space, H5P_DEFAULT, H5P_DEFAULT);
        if (id < 0)
            return "H5Acreate2";
        bool written = f->awrite(id, a->type, a->value) >= 0;
        if (f->aclose(id) < 0 || !written)
            return "H5Awrite";
    }
    return NULL;
}

static const char *write_stubs(const series_functions *f, const series_mould *m, hid_t dataset,
                               const uint8_t uuid[16])
{
    uint8_t stub[H5CALIB_STUB_SIZE];
    for (size_t i = 0; i < m->n_chunks; i++) {
        h5calib_stub_write(stub, uuid, i);
        if (f->chunk(dataset, H5P_DEFAULT, 0, m->offsets + i * m->rank, sizeof stub, stub) < 0)
            return "H5Dwrite_chunk";
    }
    return NULL;
}

/* Returns the name of the function that failed, or NULL. */
static const char *fill_home(const series_functions *f, const series_mould *m, hid_t home,
                             const uint8_t uuid[16], const char *raw,
                             const series_attribute *attributes, size_t n_attributes, hid_t target,
                             const char *name)
{
    unsigned words[H5CALIB_MAX_WORDS];
    if (f->soft(raw, home, "raw", H5P_DEFAULT, H5P_DEFAULT) < 0)
        return "H5Lcreate_soft";
    if (f->hard(m->constants, ".", home, "constants", H5P_DEFAULT, H5P_DEFAULT) < 0)
        return "H5Lcreate_hard";
    memcpy(words, m->words, m->n_words * sizeof *words);
    h5calib_descriptor_rename(words, m->n_words, uuid);
    if (f->filter(m->properties, H5CALIB_FILTER_ID, 0, m->n_words, words) < 0)
        return "H5Pmodify_filter";
    hid_t dataset = f->dcreate(home, m->type, m->space, m->properties, H5P_DEFAULT);
    if (dataset < 0)
        return "H5Dcreate_anon";
    const char *failed = write_stubs(f, m, dataset, uuid);
    if (!failed)
        failed = write_attributes(f, dataset, attributes, n_attributes);
    if (!failed && (f->link(dataset, home, "dataset", H5P_DEFAULT, H5P_DEFAULT) < 0 ||
                    f->link(dataset, target, name, H5P_DEFAULT, H5P_DEFAULT) < 0))
        failed = "H5Olink";
    if (f->dclose(dataset) < 0 && !failed)
        failed = "H5Dclose";
    return failed;
}

/*
 * Create a calibrated dataset: its home /h5calib/<uuid> with links, the dataset with
 * its stubs and attributes, and its link `name` in `target`.
 *
 * raw     absolute path of the raw data in the same file
 * failed  the name of HDF5's function that failed, if one did; then a home may be left
 * Returns 0, 1 when a function failed, 2 when the arguments are no use. The caller
 * holds whatever lock that libhdf5 needs.
 */
int h5calib_plugin_series_add(const series_functions *f, const series_mould *m,
                              const uint8_t uuid[16], const char *raw,
                              const series_attribute *attributes, size_t n_attributes,
                              int64_t target, const char *name, const char **failed)
{
    char text[33];
    if (m->n_words <= H5CALIB_FIXED_WORDS || m->n_words > H5CALIB_MAX_WORDS || m->rank == 0 ||
        m->rank > 32)
        return 2;
    h5calib_uuid_text(uuid, text);
    hid_t home = f->gcreate(m->homes, text, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    *failed = "H5Gcreate2";
    if (home < 0)
        return 1;
    *failed = fill_home(f, m, home, uuid, raw, attributes, n_attributes, target, name);
    if (f->gclose(home) < 0 && !*failed)
        *failed = "H5Gclose";
    return *failed ? 1 : 0;
}
