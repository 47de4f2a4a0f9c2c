/*
 * linear.c - NeXus: (raw + offset) * scaling_factor, each a scalar, per pixel or per frame
 * (nexusformat/definitions, issues 1332 and 1343). Per frame: the cell is the frame's number.
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(linear_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                           const h5calib_run *run, size_t i, size_t n)
{
    SCRATCH(raws);
    SCRATCH(scratch);
    SCRATCH(value);
    const REAL *constant = FN(raw)(run, 0, i, n, raws);
    EACH(j, n)
    value[j] = constant[j];
    if (cell->planes[OFFSET][0].data) {
        constant = FN(plane)(&cell->planes[OFFSET][0], run->first + i, n, scratch);
        EACH(j, n)
        value[j] += constant[j];
    }
    if (cell->planes[SCALING_FACTOR][0].data) {
        constant = FN(plane)(&cell->planes[SCALING_FACTOR][0], run->first + i, n, scratch);
        EACH(j, n)
        value[j] *= constant[j];
    }
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(linear)

#else

#include <math.h>

#include "core/internal.h"

enum { OFFSET, SCALING_FACTOR, PIXEL_MASK };

#define TEMPLATE "kernels/linear.c"
#include "core/variants.h"

#define FLAGS H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_PER_CELL

static const h5calib_constant_spec constants[] = {
    {"offset", 1, 1, FLAGS, "in the unit of raw, added"},
    {"scaling_factor", 1, 1, FLAGS, "units per unit of raw"},
    {"pixel_mask", 1, 1, FLAGS | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {H5CALIB_COMMON_PARAMETER_SPECS,
                                                    H5CALIB_OUTPUT_SPEC(1)};

const h5calib_algorithm_entry h5calib_linear = {
    {0x000D0001, "linear", "(raw + offset) * scaling_factor", 0, H5CALIB_RAW_ONE,
     H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    NULL,
    SCALING_FACTOR,
    1,
    H5CALIB_KERNELS(linear),
};

#endif
