/* calibrator.c - from a configuration to a checked calibrator. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"

static const char *const dtype_names[] = {"?",      "int8",    "uint8",   "int16",
                                          "uint16", "int32",   "uint32",  "int64",
                                          "uint64", "float16", "float32", "float64"};

static const char *dtype_name(h5calib_dtype dtype)
{
    return dtype_names[h5calib_dtype_size(dtype) ? dtype : 0];
}

/* A parameter by its name, 0 where the algorithm has none such. */
static double named(const h5calib_calibrator *c, const char *name)
{
    const h5calib_algorithm *a = &c->algorithm->public;
    for (unsigned i = 0; i < a->n_parameters; i++)
        if (strcmp(a->parameters[i].name, name) == 0)
            return c->parameters[i];
    return 0;
}

/* Parameters that mean the same for every algorithm that has them. */
static void note_parameters(h5calib_calibrator *c)
{
    c->rounding = named(c, "rounding") != 0;
    c->output = (int)named(c, "output");
    c->whole_frame = named(c, "common_mode") != 0 && c->output != H5CALIB_OUTPUT_STAGE;
    c->steps = named(c, "steps") > 1 ? (uint32_t)named(c, "steps") : 1;
}

static h5calib_status take_parameters(h5calib_calibrator *c, const h5calib_config *config,
                                      char *message, size_t message_size)
{
    const h5calib_algorithm *a = &c->algorithm->public;
    uint32_t given = 0;
    for (unsigned i = 0; i < a->n_parameters; i++)
        c->parameters[i] = a->parameters[i].default_value;
    for (size_t i = 0; i < config->n_parameters; i++) {
        const uint32_t index = config->parameters[i].index;
        const double value = config->parameters[i].value;
        if (index >= H5CALIB_MISSING_VALUE &&
            index < H5CALIB_MISSING_VALUE + H5CALIB_MOST_MISSING_VALUES) {
            const h5calib_status status = h5calib_take_missing(c, value, message, message_size);
            if (status)
                return status;
            continue;
        }
        if (index >= a->n_parameters) {
            h5calib_say(message, message_size, "%s has no parameter %u", a->name, (unsigned)index);
            return H5CALIB_E_ARGUMENT;
        }
        const h5calib_parameter_spec *p = &a->parameters[index];
        if (given & (UINT32_C(1) << index)) {
            h5calib_say(message, message_size, "%s: %s is given twice", a->name, p->name);
            return H5CALIB_E_ARGUMENT;
        }
        given |= UINT32_C(1) << index;
        const bool whole = isfinite(p->minimum) && isfinite(p->maximum);
        const bool fine = isnan(value) ? isnan(p->default_value)
                                       : value >= p->minimum && value <= p->maximum &&
                                             !(whole && value != floor(value));
        if (!fine) {
            h5calib_say(message, message_size, "%s: %s is %g, it must be a %snumber from %g to %g",
                        a->name, p->name, value, whole ? "whole " : "", p->minimum, p->maximum);
            return H5CALIB_E_ARGUMENT;
        }
        c->parameters[index] = value;
    }
    note_parameters(c);
    return H5CALIB_OK;
}

static h5calib_status take_stages(h5calib_calibrator *c, const unsigned *stages, char *message,
                                  size_t message_size)
{
    static const unsigned char in_order[H5CALIB_MAX_PLANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    const h5calib_algorithm *a = &c->algorithm->public;
    for (unsigned k = 0; k < a->n_constants; k++) {
        const h5calib_constant_spec *s = &a->constants[k];
        if (stages[k] == 0 && !(s->flags & H5CALIB_CONSTANT_OPTIONAL)) {
            h5calib_say(message, message_size, "%s: the constant %s is missing", a->name, s->name);
            return H5CALIB_E_CONSTANT;
        }
        if (stages[k] != 0 && (stages[k] < s->stages || stages[k] > s->max_stages)) {
            h5calib_say(message, message_size, "%s: %s has %u gain stages, it needs %u%s", a->name,
                        s->name, stages[k], s->stages, s->stages < s->max_stages ? " or more" : "");
            return H5CALIB_E_CONSTANT;
        }
        h5calib_choose_planes(c, k, stages[k], in_order);
        c->constants[k].divisor = (s->flags & H5CALIB_CONSTANT_DIVISOR) != 0;
    }
    const unsigned target = c->mask_into = c->algorithm->mask_into;
    for (unsigned k = 0; k < a->n_constants; k++)
        if ((a->constants[k].flags & H5CALIB_CONSTANT_MASK) && stages[k] && !stages[target]) {
            h5calib_choose_planes(c, target, 1, in_order);
            c->constants[target].absent = true;
        }
    return c->algorithm->setup ? c->algorithm->setup(c, stages, message, message_size) : H5CALIB_OK;
}

void h5calib_choose_planes(h5calib_calibrator *calibrator, unsigned k, unsigned planes,
                           const unsigned char *stage)
{
    calibrator->constants[k].planes = planes;
    for (unsigned p = 0; p < planes && p < H5CALIB_MAX_PLANES; p++)
        calibrator->constants[k].stage[p] = stage[p];
}

h5calib_status h5calib_calibrator_create(const h5calib_config *config, const unsigned *stages,
                                         size_t n_constants, h5calib_calibrator **out,
                                         char *message, size_t message_size)
{
    if (out)
        *out = NULL;
    if (!config || !stages || !out || (config->n_parameters && !config->parameters)) {
        h5calib_say(message, message_size, "a pointer is NULL");
        return H5CALIB_E_ARGUMENT;
    }
    const h5calib_algorithm *a = h5calib_algorithm_by_id(config->algorithm);
    if (!a) {
        h5calib_say(message, message_size,
                    "no algorithm 0x%08x in h5calib %s; a newer version may have it",
                    (unsigned)config->algorithm, h5calib_version());
        return H5CALIB_E_ALGORITHM;
    }
    if (n_constants != a->n_constants) {
        h5calib_say(message, message_size, "%s has %u constants, not %zu", a->name, a->n_constants,
                    n_constants);
        return H5CALIB_E_ARGUMENT;
    }
    if (config->ny == 0 || config->nx == 0) {
        h5calib_say(message, message_size, "a frame of %u x %u pixels is empty",
                    (unsigned)config->ny, (unsigned)config->nx);
        return H5CALIB_E_ARGUMENT;
    }
    h5calib_status status = h5calib_check_variant(message, message_size);
    if (status)
        return status;
    h5calib_calibrator *c = calloc(1, sizeof *c);
    if (!c) {
        h5calib_say(message, message_size, "out of memory");
        return H5CALIB_E_MEMORY;
    }
    c->algorithm = (const h5calib_algorithm_entry *)a; /* its first member */
    c->ny = config->ny;
    c->nx = config->nx;
    status = take_parameters(c, config, message, message_size);
    if (!status)
        status = take_stages(c, stages, message, message_size);
    if (status)
        free(c);
    else
        *out = c;
    return status;
}

h5calib_calibrator *h5calib_calibrator_of_rows(const h5calib_calibrator *calibrator, size_t rows)
{
    bool whole = calibrator->whole_frame;
    for (unsigned k = 0; k < calibrator->algorithm->public.n_constants; k++)
        whole = whole || calibrator->constants[k].mean;
    h5calib_calibrator *c = whole ? NULL : malloc(sizeof *c);
    if (c) {
        *c = *calibrator;
        c->ny = rows;
    }
    return c;
}

void h5calib_calibrator_free(h5calib_calibrator *calibrator)
{
    free(calibrator);
}

const h5calib_algorithm *h5calib_calibrator_algorithm(const h5calib_calibrator *calibrator)
{
    return &calibrator->algorithm->public;
}

double h5calib_calibrator_parameter(const h5calib_calibrator *calibrator, unsigned index)
{
    return index < calibrator->algorithm->public.n_parameters ? calibrator->parameters[index] : NAN;
}

bool h5calib_calibrator_whole_frame(const h5calib_calibrator *calibrator)
{
    return calibrator->whole_frame;
}

bool h5calib_calibrator_locate(const h5calib_calibrator *calibrator, int64_t id, uint32_t n_cells,
                               uint32_t *cell, double *weight)
{
    const int64_t steps = calibrator->steps;
    if (id < 0 || id / steps >= n_cells || (id / steps == n_cells - 1 && id % steps))
        return false;
    *cell = (uint32_t)(id / steps);
    *weight = (double)(id % steps) / (double)steps;
    return true;
}

bool h5calib_calibrator_masks_bad_cells(const h5calib_calibrator *calibrator)
{
    return !(calibrator->algorithm->public.flags & H5CALIB_LEGACY) &&
           calibrator->parameters[H5CALIB_BAD_CELL] == 1;
}

h5calib_status h5calib_calibrator_check_dtypes(const h5calib_calibrator *calibrator,
                                               h5calib_dtype raw, h5calib_dtype out, char *message,
                                               size_t message_size)
{
    const h5calib_algorithm *a = &calibrator->algorithm->public;
    const bool bits = (a->flags & H5CALIB_RAW_U16) != 0;
    if (h5calib_dtype_size(raw) == 0 || (bits && raw != H5CALIB_U16 && raw != H5CALIB_I16)) {
        h5calib_say(message, message_size, "%s: raw data is %s, it must be %s", a->name,
                    dtype_name(raw), bits ? "uint16" : "integer or floating point");
        return H5CALIB_E_DTYPE;
    }
    const h5calib_status status =
        h5calib_check_missing(calibrator, raw, dtype_name(raw), message, message_size);
    if (status)
        return status;
    if (calibrator->output != H5CALIB_OUTPUT_VALUE) {
        if (out == H5CALIB_U8)
            return H5CALIB_OK;
        h5calib_say(message, message_size, "%s: the output is %s, gain stages and masks are uint8",
                    a->name, dtype_name(out));
        return H5CALIB_E_DTYPE;
    }
    if (out == H5CALIB_F32 || out == H5CALIB_F64 ||
        (calibrator->rounding && out != H5CALIB_F16 && h5calib_dtype_size(out)))
        return H5CALIB_OK;
    h5calib_say(message, message_size, "%s: the output is %s, it must be float32 or float64%s",
                a->name, dtype_name(out),
                calibrator->rounding ? " or an integer" : "; integers need rounding");
    return H5CALIB_E_DTYPE;
}
