/*
 * flat_field.c - imaging and tomography: (raw - dark) / (flat - dark), optionally -ln of it.
 *
 * Several darks and flats are those of a frame's cell, or between those of its cell and the
 * next (the parameter steps): a + (b - a) * weight.
 */
#ifdef REAL

/* A constant at the frame's place. */
H5CALIB_INLINE TARGET const REAL *FN(between)(const h5calib_cell *cell, int k,
                                              const h5calib_run *run, size_t i, size_t n,
                                              REAL *scratch, REAL *result)
{
    const REAL weight = (REAL)run->weight;
    const REAL *a = FN(plane)(&cell->planes[k][0], run->first + i, n, scratch);
    if (run->weight == 0 || !run->next)
        return a;
    SCRATCH(nexts);
    const REAL *b = FN(plane)(&run->next->planes[k][0], run->first + i, n, nexts);
    EACH(j, n)
    result[j] = a[j] + (b[j] - a[j]) * weight;
    return result;
}

H5CALIB_INLINE TARGET void FN(flat_field_tile)(const h5calib_calibrator *c,
                                               const h5calib_cell *cell, const h5calib_run *run,
                                               size_t i, size_t n)
{
    SCRATCH(value);
    SCRATCH(scratch);
    SCRATCH(darks);
    SCRATCH(flats);
    SCRATCH(dark_scratch);
    const REAL *raw = FN(raw)(run, 0, i, n, value);
    const REAL *flat = FN(between)(cell, FLAT, run, i, n, scratch, flats);
    if (cell->planes[DARK][0].data) {
        const REAL *dark = FN(between)(cell, DARK, run, i, n, dark_scratch, darks);
        EACH(j, n)
        {
            const REAL most = flat[j] - dark[j];
            value[j] = (raw[j] - dark[j]) / (most > 0 ? most : (REAL)NAN);
        }
    } else {
        EACH(j, n)
        value[j] = raw[j] / (flat[j] > 0 ? flat[j] : (REAL)NAN);
    }
    if (c->parameters[LOGARITHM]) {
        for (size_t j = 0; j < n; j++)
            value[j] = value[j] > 0 ? (REAL)-log((double)value[j]) : (REAL)NAN;
    }
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(flat_field)

#else

#include <math.h>

#include "core/internal.h"

enum { DARK, FLAT, PIXEL_MASK };
enum { LOGARITHM = H5CALIB_COMMON_PARAMETERS, STEPS };

#define TEMPLATE "kernels/flat_field.c"
#include "core/variants.h"

#define PER_CELL H5CALIB_CONSTANT_PER_CELL

static const h5calib_constant_spec constants[] = {
    {"dark", 1, 1, PER_CELL | H5CALIB_CONSTANT_OPTIONAL, "without light, in the unit of raw"},
    {"flat", 1, 1, PER_CELL, "without a sample, in the unit of raw"},
    {"pixel_mask", 1, 1, H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"logarithm", 0, 0, 1, "0 the quotient, 1 -ln of it, unusable where it is not positive"},
    {"steps", 1, 1, 1073741824,
     "cell ids count steps of 1/steps from one dark or flat to the next"},
    H5CALIB_OUTPUT_SPEC(1),
};

const h5calib_algorithm_entry h5calib_flat_field = {
    {0x000C0001, "flat_field", "(raw - dark) / (flat - dark), or -ln of it", 0, H5CALIB_RAW_ONE,
     H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    NULL,
    FLAT,
    1,
    H5CALIB_KERNELS(flat_field),
};

#endif
