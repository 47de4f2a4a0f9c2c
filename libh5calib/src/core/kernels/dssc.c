/*
 * dssc.c - DSSC (European XFEL): raw minus pedestal, where a stored 0 stands for 256
 * (European-XFEL/EXtra-foam, DsscOffsetPolicy).
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(dssc_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                         const h5calib_run *run, size_t i, size_t n)
{
    SCRATCH(raws);
    SCRATCH(pedestals);
    SCRATCH(value);
    const REAL *raw = FN(raw)(run, 0, i, n, raws);
    const REAL *pedestal = FN(plane)(&cell->planes[PEDESTAL][0], run->first + i, n, pedestals);
    EACH(j, n)
    value[j] = (raw[j] == 0 ? 256 : raw[j]) - pedestal[j];
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(dssc)

#else

#include <math.h>

#include "core/internal.h"

enum { PEDESTAL, PIXEL_MASK };

#define TEMPLATE "kernels/dssc.c"
#include "core/variants.h"

static const h5calib_constant_spec constants[] = {
    {"pedestal", 1, 1, H5CALIB_CONSTANT_PER_CELL, "in ADU"},
    {"bad_pixels", 1, 1,
     H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_PER_CELL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {H5CALIB_COMMON_PARAMETER_SPECS,
                                                    H5CALIB_OUTPUT_SPEC(1)};

const h5calib_algorithm_entry h5calib_dssc = {
    {0x00080001, "dssc", "(256 if raw == 0 else raw) - pedestal[cell]", 0, H5CALIB_RAW_ONE,
     H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    NULL,
    PEDESTAL,
    0,
    H5CALIB_KERNELS(dssc),
};

#endif
