/*
 * missing.c - pixels that were not measured: raw numbers that the calibration calls missing, and
 * places whose storage was never written.
 *
 * They are looked for after the kernel has run, in the raw numbers it has just read, and hold
 * what is masked; so no kernel knows of them, but for the common mode, which is not theirs.
 */
#include <math.h>
#include <string.h>

#include "core/internal.h"

/* Greater whole numbers are not all in a parameter. */
#define GREATEST 9007199254740992.0

h5calib_status h5calib_take_missing(h5calib_calibrator *c, double value, char *message,
                                    size_t message_size)
{
    const h5calib_algorithm *a = &c->algorithm->public;
    if (a->flags & H5CALIB_LEGACY) {
        h5calib_say(message, message_size, "%s has no missing_value", a->name);
        return H5CALIB_E_ARGUMENT;
    }
    if (!(fabs(value) <= GREATEST) || value != floor(value)) {
        h5calib_say(message, message_size,
                    "%s: missing_value is %g, it must be a whole number of raw data (of at most "
                    "2^53)",
                    a->name, value);
        return H5CALIB_E_ARGUMENT;
    }
    if (c->n_missing == H5CALIB_MOST_MISSING_VALUES) {
        h5calib_say(message, message_size, "%s: there can be %d missing values, not more", a->name,
                    (int)H5CALIB_MOST_MISSING_VALUES);
        return H5CALIB_E_ARGUMENT;
    }
    c->missing[c->n_missing++] = (int64_t)value;
    return H5CALIB_OK;
}

/* Pixels of bit fields are uint16, also where a file calls them int16. */
static h5calib_dtype looked_at_as(const h5calib_calibrator *c, h5calib_dtype raw)
{
    return c->algorithm->public.flags & H5CALIB_RAW_U16 ? H5CALIB_U16 : raw;
}

h5calib_status h5calib_check_missing(const h5calib_calibrator *c, h5calib_dtype raw,
                                     const char *dtype_name, char *message, size_t message_size)
{
    static const double least[] = {[H5CALIB_I8] = INT8_MIN,
                                   [H5CALIB_I16] = INT16_MIN,
                                   [H5CALIB_I32] = INT32_MIN,
                                   [H5CALIB_I64] = -GREATEST,
                                   [H5CALIB_U64] = 0};
    static const double most[] = {
        [H5CALIB_I8] = INT8_MAX,    [H5CALIB_U8] = UINT8_MAX,  [H5CALIB_I16] = INT16_MAX,
        [H5CALIB_U16] = UINT16_MAX, [H5CALIB_I32] = INT32_MAX, [H5CALIB_U32] = UINT32_MAX,
        [H5CALIB_I64] = GREATEST,   [H5CALIB_U64] = GREATEST};
    const h5calib_dtype dtype = looked_at_as(c, raw);
    const char *name = c->algorithm->public.name;
    if (c->n_missing && h5calib_is_float(dtype)) {
        h5calib_say(message, message_size,
                    "%s: raw data is %s, a missing_value is one of integers (NaN is masked as it "
                    "is)",
                    name, dtype_name);
        return H5CALIB_E_DTYPE;
    }
    for (unsigned k = 0; k < c->n_missing; k++) {
        const double value = (double)c->missing[k];
        if (value < least[dtype] || value > most[dtype]) {
            h5calib_say(message, message_size,
                        "%s: missing_value %.0f does not exist in raw data of %s", name, value,
                        dtype_name);
            return H5CALIB_E_DTYPE;
        }
    }
    return H5CALIB_OK;
}

#define LOOK(type)                                                                                 \
    {                                                                                              \
        H5CALIB_ANYWHERE(type, raw_number);                                                        \
        const raw_number *x = from;                                                                \
        const type wanted = (type)value;                                                           \
        if (step == 1) {                                                                           \
            for (size_t j = 0; j < n; j++)                                                         \
                found[j] |= (unsigned char)(x[j] == wanted);                                       \
        } else {                                                                                   \
            for (size_t j = 0; j < n; j++)                                                         \
                found[j] |= (unsigned char)(x[step * j] == wanted);                                \
        }                                                                                          \
        break;                                                                                     \
    }

static void look_for_value(const void *from, h5calib_dtype dtype, size_t step, size_t n,
                           int64_t value, unsigned char *found)
{
    switch (dtype) {
    case H5CALIB_I8: LOOK(int8_t)
    case H5CALIB_U8: LOOK(uint8_t)
    case H5CALIB_I16: LOOK(int16_t)
    case H5CALIB_U16: LOOK(uint16_t)
    case H5CALIB_I32: LOOK(int32_t)
    case H5CALIB_U32: LOOK(uint32_t)
    case H5CALIB_I64: LOOK(int64_t)
    case H5CALIB_U64: LOOK(uint64_t)
    default: break;
    }
}

/* Which of the pixels [i, i + n) of a run, at most H5CALIB_TILE, are missing. False: none. */
static bool find(const h5calib_calibrator *c, const h5calib_run *run, size_t i, size_t n,
                 unsigned char *found)
{
    const size_t offset = i * run->raw_step * h5calib_dtype_size(run->raw_dtype);
    const h5calib_dtype dtype = looked_at_as(c, run->raw_dtype);
    unsigned char any = 0;
    memset(found, 0, n);
    for (int v = 0; v < 2 && run->raw[v]; v++)
        for (unsigned k = 0; k < c->n_missing; k++)
            look_for_value((const char *)run->raw[v] + offset, dtype, run->raw_step, n,
                           c->missing[k], found);
    if (run->missing)
        for (size_t j = 0; j < n; j++)
            found[j] |= run->missing[i + j] != 0;
    for (size_t j = 0; j < n; j++)
        any |= found[j];
    return any != 0;
}

/* Pixels [j, end) of a tile that are missing one after the other. */
static size_t end_of(const unsigned char *found, size_t j, size_t n)
{
    while (j < n && found[j])
        j++;
    return j;
}

#define EACH_MISSING(call)                                                                         \
    for (size_t i = 0; i < run->count; i += H5CALIB_TILE) {                                        \
        unsigned char found[H5CALIB_TILE];                                                         \
        const size_t n = run->count - i < H5CALIB_TILE ? run->count - i : H5CALIB_TILE;            \
        if (!find(c, run, i, n, found))                                                            \
            continue;                                                                              \
        for (size_t j = 0; j < n; j++) {                                                           \
            const size_t end = end_of(found, j, n);                                                \
            if (end > j)                                                                           \
                call;                                                                              \
            j = end > j ? end : j;                                                                 \
        }                                                                                          \
    }

void h5calib_mask_missing(const h5calib_calibrator *c, const h5calib_run *run)
{
    const size_t size = h5calib_dtype_size(run->out_dtype);
    if (c->n_missing || run->missing)
        EACH_MISSING(
            h5calib_fill_masked(c, (char *)run->out + (i + j) * size, run->out_dtype, end - j))
}

void h5calib_leave_missing(const h5calib_calibrator *c, const h5calib_run *run, unsigned char *used)
{
    if (c->n_missing || run->missing)
        EACH_MISSING(memset(used + i + j, 0, end - j))
}
