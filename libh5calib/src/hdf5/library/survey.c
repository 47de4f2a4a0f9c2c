/*
 * survey.c - look at every dataset of a file that has this filter.
 */
#include "hdf5/library/survey.h"

#include <string.h>

#define H5_INDEX_NAME 0
#define H5_ITER_NATIVE 2

typedef struct survey {
    binding *b;
    h5calib_surveyor *look;
    void *data;
} survey;

static herr_t visit(hid_t root, const char *name, const void *info, void *data)
{
    (void)info;
    const survey *s = data;
    const h5 *api = &s->b->api;
    unsigned flags, words[H5CALIB_MAX_WORDS];
    size_t n = H5CALIB_MAX_WORDS;
    hid_t dataset = api->H5Dopen2(root, name, H5P_DEFAULT);
    if (dataset < 0)
        return 0; /* a group or a type */
    hid_t plist = api->H5Dget_create_plist(dataset);
    if (api->H5Pget_layout(plist) == H5D_CHUNKED && api->H5Pget_nfilters(plist) >= 1 &&
        api->H5Pget_filter_by_id2(plist, H5CALIB_FILTER_ID, &flags, &n, words, 0, NULL, NULL) >=
            0 &&
        n <= H5CALIB_MAX_WORDS)
        s->look(s->b, dataset, plist, words, n, s->data);
    api->H5Pclose(plist);
    api->H5Dclose(dataset);
    return 0;
}

void h5calib_survey(binding *b, hid_t file, h5calib_surveyor *look, void *data)
{
    survey s = {b, look, data};
    b->api.H5Ovisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, visit, &s);
}

typedef struct wanted_words {
    const unsigned *words;
    size_t n;
    bool found;
} wanted_words;

static void compare(binding *b, hid_t dataset, hid_t plist, const unsigned *words, size_t n,
                    void *data)
{
    wanted_words *w = data;
    (void)b;
    (void)dataset;
    (void)plist;
    if (n == w->n && (n == 0 || memcmp(words, w->words, n * sizeof *words) == 0))
        w->found = true;
}

bool h5calib_survey_has(binding *b, hid_t file, const unsigned *words, size_t n)
{
    wanted_words w = {words, n, false};
    h5calib_survey(b, file, compare, &w);
    return w.found;
}
