/*
 * fingerprint.c - is data in another file still what the dataset was made with?
 */
#include "hdf5/data/fingerprint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 2048
#define MAX_SAMPLE 4096 /* bytes */

/* "f4 3x512x1024 1a2b3c4d 0+128 786304+128 =2049:1234": type, shape, CRC-32, samples, file */
typedef struct fingerprint {
    char dtype[3];
    int rank;
    hsize_t dims[H5CALIB_MAX_RANK];
    uint32_t crc;
    const char *samples;
} fingerprint;

/* ---- the text ------------------------------------------------------------------------- */

static bool letter(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

static bool number(const char **at, int base, uint64_t *out)
{
    char *end;
    if (!isxdigit((unsigned char)**at))
        return false; /* strtoull takes blanks and signs */
    *out = strtoull(*at, &end, base);
    const bool any = end != *at;
    *at = end;
    return any;
}

static bool parse(const char *at, fingerprint *f)
{
    uint64_t crc;
    memset(f, 0, sizeof *f);
    if (strlen(at) < 4 || at[2] != ' ')
        return false;
    memcpy(f->dtype, at, 2);
    at += 3;
    if (!letter(&at, '-')) /* that of a scalar */
        do {
            if (f->rank == H5CALIB_MAX_RANK || !number(&at, 10, &f->dims[f->rank++]))
                return false;
        } while (letter(&at, 'x'));
    if (!letter(&at, ' ') || !number(&at, 16, &crc) || crc > UINT32_MAX)
        return false;
    f->crc = (uint32_t)crc;
    f->samples = at;
    return *at == ' ';
}

/* Is the source's file the very one that was linked to? The last word, if there is one, says
 * which that was, by device and inode. It is taken off the text. */
static bool same_file(char *text, const view *v, bool *damaged)
{
    char *last = strstr(text, " =");
    const char *at = last ? last + 2 : NULL;
    uint64_t device = 0, inode = 0;
    if (!last)
        return false;
    *damaged = !number(&at, 10, &device) || !letter(&at, ':') || !number(&at, 10, &inode) || *at;
    *last = 0;
    return !*damaged && device == v->stamp.device && inode == v->stamp.inode;
}

/* The n elements from `first`, in C order, as a box: whole inner axes, part of one. */
static bool box(const fingerprint *f, uint64_t first, uint64_t n, hsize_t *start, hsize_t *count)
{
    bool inside = n == 1 || f->rank > 0;
    for (int k = f->rank - 1; inside && k >= 0; k--) {
        if (f->dims[k] == 0)
            return false;
        start[k] = first % f->dims[k];
        count[k] = n < f->dims[k] ? n : f->dims[k];
        inside = n % count[k] == 0 && start[k] + count[k] <= f->dims[k];
        first /= f->dims[k];
        n /= count[k];
    }
    return inside && n == 1 && first == 0;
}

/* ---- comparing ------------------------------------------------------------------------- */

static bool same_form(const fingerprint *f, const h5calib_source *s, bool may_grow)
{
    static const struct {
        h5calib_dtype dtype;
        char name[3];
    } names[] = {{H5CALIB_I8, "i1"},  {H5CALIB_U8, "u1"},  {H5CALIB_I16, "i2"}, {H5CALIB_U16, "u2"},
                 {H5CALIB_I32, "i4"}, {H5CALIB_U32, "u4"}, {H5CALIB_I64, "i8"}, {H5CALIB_U64, "u8"},
                 {H5CALIB_F16, "f2"}, {H5CALIB_F32, "f4"}, {H5CALIB_F64, "f8"}};
    bool same = f->rank == s->rank, known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= names[i].dtype == s->dtype && strcmp(names[i].name, f->dtype) == 0;
    for (int i = 0; same && i < s->rank; i++)
        same = may_grow && i == 0 ? s->dims[i] >= f->dims[i] : s->dims[i] == f->dims[i];
    return same && known;
}

/* CRC-32 of all samples, little-endian. *damaged: they are not samples of that shape. */
static bool sum(binding *b, const fingerprint *f, const h5calib_source *s, uint32_t *crc,
                bool *damaged, char *message, size_t size)
{
    unsigned char values[MAX_SAMPLE];
    hsize_t start[H5CALIB_MAX_RANK], count[H5CALIB_MAX_RANK];
    uint64_t first, n;
    const char *at = f->samples;
    bool ok = true;
    *crc = 0;
    *damaged = false;
    while (ok && letter(&at, ' ')) {
        if (!number(&at, 10, &first) || !letter(&at, '+') || !number(&at, 10, &n) || n == 0 ||
            n > sizeof values / s->element || !box(f, first, n, start, count)) {
            *damaged = true;
            return true;
        }
        ok = h5calib_source_read(b, s, start, count, values, message, size);
        *crc = h5calib_crc32(*crc, values, (size_t)n * s->element);
    }
    *damaged = *at != 0;
    return ok;
}

bool h5calib_fingerprint_fits(binding *b, hid_t group, const char *name, const h5calib_source *s,
                              bool may_grow, char *message, size_t size)
{
    char attribute[128], text[MAX_TEXT];
    fingerprint f;
    h5calib_source little;
    uint32_t crc = 0;
    bool damaged;
    snprintf(attribute, sizeof attribute, "fingerprint_%s", name);
    if (!s->view || b->api.H5Aexists(group, attribute) == 0)
        return true;
    damaged = !h5calib_read_text(b, group, attribute, text, sizeof text);
    if (!damaged && same_file(text, s->view, &damaged))
        return true; /* what is written into it is an edit, not a mistake */
    damaged = damaged || !parse(text, &f);
    bool same = !damaged && same_form(&f, s, may_grow);
    if (same) {
        little = *s;
        little.memory_type = b->api.H5Tcopy(s->memory_type);
        if (s->element > 1)
            b->api.H5Tset_order(little.memory_type, H5T_ORDER_LE);
        bool read = sum(b, &f, &little, &crc, &damaged, message, size);
        b->api.H5Tclose(little.memory_type);
        if (!read)
            return false;
    }
    if (damaged)
        h5calib_say(message, size, "the fingerprint of '%s', linked to in '%s', is damaged", name,
                    s->view->path);
    else if (!same || crc != f.crc)
        h5calib_say(message, size,
                    "'%s' in '%s' is not the data that the calibrated dataset was made with: it "
                    "has another type, shape or other values (h5calib verify tells what changed, "
                    "h5calib relink leads to the right file, with --changed it takes this one)",
                    name, s->view->path);
    return !damaged && same && crc == f.crc;
}
