/*
 * cell.c - the constants of one memory cell, as planes that kernels read.
 */
#include <stdlib.h>
#include <string.h>

#include "core/planes.h"

/* A constant that is not given, for a mask to be put into. */
static bool make_neutral(const h5calib_calibrator *c, h5calib_plane *plane)
{
    const float value = (float)c->algorithm->neutral;
    const h5calib_array one = {&value, H5CALIB_F32, 1, 1, {0, 0, 0, 0}};
    return h5calib_plane_take(c, &one, 0, 0, false, false, plane);
}

static bool take_constant(const h5calib_calibrator *c, const h5calib_array *array, unsigned k,
                          uint32_t cell, void **memory, bool borrow, bool may_be_uniform,
                          h5calib_cell *to)
{
    h5calib_plane *planes = to->planes[k];
    const unsigned flags = c->algorithm->public.constants[k].flags;
    const bool as_it_is = (flags & (H5CALIB_CONSTANT_MASK | H5CALIB_CONSTANT_COMPARED)) ||
                          (c->algorithm->public.flags & H5CALIB_LEGACY);
    const unsigned char *stage = c->constants[k].stage;
    if (c->constants[k].absent)
        return make_neutral(c, planes);
    if (memory && *memory && c->constants[k].planes && h5calib_plane_lies_there(c, array)) {
        to->arrays[k] = *memory;
        *memory = NULL;
    }
    may_be_uniform = may_be_uniform && !c->constants[k].mean;
    for (unsigned p = 0; p < c->constants[k].planes; p++) {
        unsigned same = 0;
        while (stage[same] != stage[p])
            same++;
        planes[p] = planes[same];
        if (same < p)
            continue;
        planes[p].borrowed = borrow && h5calib_plane_lies_there(c, array);
        if (!h5calib_plane_take(c, array, cell, stage[p], to->arrays[k] || planes[p].borrowed,
                                may_be_uniform, &planes[p]))
            return false;
        if (c->constants[k].mean && p == 0)
            to->mean[k] = h5calib_plane_mean(c, &planes[0]);
        if (as_it_is)
            continue;
        if (!h5calib_plane_fold(c, &planes[p], c->constants[k].divisor,
                                flags & H5CALIB_CONSTANT_POSITIVE))
            return false;
        if (c->constants[k].reciprocal &&
            (!h5calib_plane_convert(c, &planes[p], H5CALIB_F32, true) ||
             !h5calib_plane_fold(c, &planes[p], false, false)))
            return false;
    }
    if (flags & H5CALIB_CONSTANT_COMPARED)
        to->least[k] = h5calib_planes_least_above(c, planes, c->constants[k].planes);
    return true;
}

/* A mask becomes what is subtracted last: 0, or NaN where one of its chosen bits is set. */
static bool mask_to_subtract(const h5calib_calibrator *c, h5calib_plane *mask)
{
    static const uint16_t zero = 0;
    const h5calib_array zeros = {&zero, H5CALIB_F16, 1, 1, {0, 0, 0, 0}};
    h5calib_plane made = {0};
    const bool ok = h5calib_plane_take(c, &zeros, 0, 0, false, false, &made) &&
                    h5calib_plane_fold_mask(c, mask, &made);
    if (!mask->in_array)
        h5calib_release(mask->data);
    *mask = made;
    return ok;
}

static void free_planes(h5calib_plane *planes)
{
    for (unsigned p = 0; p < H5CALIB_MAX_PLANES; p++) {
        unsigned same = 0;
        while (planes[same].data != planes[p].data)
            same++;
        if (same == p && !planes[p].in_array)
            h5calib_release(planes[p].data);
    }
    memset(planes, 0, H5CALIB_MAX_PLANES * sizeof *planes);
}

static bool fill_cell(const h5calib_calibrator *c, const h5calib_array *arrays, uint32_t cell,
                      void **memory, bool borrow, h5calib_cell *to)
{
    const h5calib_algorithm *a = &c->algorithm->public;
    const unsigned target = c->mask_into;
    bool masked = false;
    for (unsigned k = 0; k < a->n_constants; k++)
        masked |= (a->constants[k].flags & H5CALIB_CONSTANT_MASK) && c->constants[k].planes;
    for (unsigned k = 0; k < a->n_constants; k++)
        if (!take_constant(c, &arrays[k], k, cell, memory ? &memory[k] : NULL, borrow,
                           !(masked && k == target), to))
            return false;
    for (unsigned k = 0; k < a->n_constants; k++) {
        const unsigned planes = c->constants[k].planes;
        if (!(a->constants[k].flags & H5CALIB_CONSTANT_MASK) || planes == 0)
            continue;
        if (k == target) {
            for (unsigned p = 0; p < planes; p++)
                if (!mask_to_subtract(c, &to->planes[k][p]))
                    return false;
            continue;
        }
        for (unsigned p = 0; p < c->constants[target].planes; p++)
            if (!h5calib_plane_fold_mask(c, &to->planes[k][planes > 1 ? p : 0],
                                         &to->planes[target][p]))
                return false;
        free_planes(to->planes[k]);
    }
    return true;
}

static h5calib_status check_arrays(const h5calib_calibrator *calibrator,
                                   const h5calib_array *constants, uint32_t cell, char *message,
                                   size_t message_size)
{
    const h5calib_algorithm *a = &calibrator->algorithm->public;
    for (unsigned k = 0; k < a->n_constants; k++) {
        const char *name = a->constants[k].name;
        const bool mask = (a->constants[k].flags & H5CALIB_CONSTANT_MASK) != 0;
        if (calibrator->constants[k].planes == 0 || calibrator->constants[k].absent)
            continue;
        if (h5calib_dtype_size(constants[k].dtype) == 0 ||
            (mask && h5calib_is_float(constants[k].dtype))) {
            h5calib_say(message, message_size, "%s: %s must be of %s", a->name, name,
                        mask ? "an integer type" : "an integer or floating-point type");
            return H5CALIB_E_DTYPE;
        }
        if (constants[k].cells > 1 && cell >= constants[k].cells) {
            h5calib_say(message, message_size, "%s: cell %u lies outside %s, which has %u cells",
                        a->name, (unsigned)cell, name, (unsigned)constants[k].cells);
            return H5CALIB_E_CELL;
        }
    }
    return H5CALIB_OK;
}

/* What it takes of the system's memory. */
static size_t bytes_of(const h5calib_calibrator *calibrator, const h5calib_array *constants,
                       const h5calib_cell *made)
{
    const h5calib_algorithm *a = &calibrator->algorithm->public;
    size_t bytes = sizeof *made;
    for (unsigned k = 0; k < a->n_constants; k++) {
        if (made->arrays[k])
            bytes += h5calib_allocated_bytes(calibrator->ny * calibrator->nx * constants[k].stages *
                                             h5calib_dtype_size(constants[k].dtype));
        for (unsigned p = 0; p < calibrator->constants[k].planes; p++)
            if (made->planes[k][p].data && !made->planes[k][p].in_array &&
                (p == 0 || made->planes[k][p].data != made->planes[k][0].data))
                bytes +=
                    h5calib_allocated_bytes(h5calib_plane_pixels(calibrator, &made->planes[k][p]) *
                                            made->planes[k][p].size);
    }
    return bytes;
}

static h5calib_status create_cell(const h5calib_calibrator *calibrator,
                                  const h5calib_array *constants, uint32_t cell, void **memory,
                                  bool borrow, h5calib_cell **out, char *message,
                                  size_t message_size)
{
    *out = NULL;
    const h5calib_status status = check_arrays(calibrator, constants, cell, message, message_size);
    if (status != H5CALIB_OK)
        return status;
    h5calib_cell *made = calloc(1, sizeof *made);
    if (!made || !fill_cell(calibrator, constants, cell, memory, borrow, made)) {
        h5calib_cell_free(made);
        h5calib_say(message, message_size, "out of memory");
        return H5CALIB_E_MEMORY;
    }
    const h5calib_algorithm *a = &calibrator->algorithm->public;
    for (unsigned k = 0; k < a->n_constants; k++)
        if (calibrator->constants[k].mean && calibrator->constants[k].planes &&
            !(made->mean[k] > 0)) {
            h5calib_say(message, message_size,
                        "%s: the mean of %s is %g, it must be greater than 0: nothing can be "
                        "divided by it (has an offset to be subtracted first?)",
                        a->name, a->constants[k].name, made->mean[k]);
            h5calib_cell_free(made);
            return H5CALIB_E_CONSTANT;
        }
    made->bytes = bytes_of(calibrator, constants, made);
    *out = made;
    return H5CALIB_OK;
}

h5calib_status h5calib_cell_create(const h5calib_calibrator *calibrator,
                                   const h5calib_array *constants, uint32_t cell, void **memory,
                                   h5calib_cell **out, char *message, size_t message_size)
{
    return create_cell(calibrator, constants, cell, memory, false, out, message, message_size);
}

h5calib_cell *h5calib_cell_borrow(const h5calib_calibrator *calibrator,
                                  const h5calib_array *constants)
{
    h5calib_cell *cell;
    create_cell(calibrator, constants, 0, NULL, true, &cell, NULL, 0);
    return cell;
}

void h5calib_cell_free(h5calib_cell *cell)
{
    if (!cell)
        return;
    for (unsigned k = 0; k < H5CALIB_MAX_CONSTANTS; k++) {
        free_planes(cell->planes[k]);
        h5calib_release(cell->arrays[k]);
        h5calib_release(cell->least[k]);
    }
    free(cell);
}

size_t h5calib_cell_bytes(const h5calib_cell *cell)
{
    return cell->bytes;
}
