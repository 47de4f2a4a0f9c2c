/*
 * epix100.c - ePix100 (LCLS): one gain; 0.06 keV per ADU unless a gain map is given.
 * The common mode has banks of 352 x 96 pixels (slac-lcls/lcls2, UtilsCommonMode.py).
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(epix100_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                            const h5calib_run *run, size_t i, size_t n, int pass)
{
    const REAL factor = (REAL)c->parameters[KEV_PER_ADU];
    SCRATCH(raws);
    SCRATCH(scratch);
    SCRATCH(values);
    REAL *value = pass == H5CALIB_ALL_AT_ONCE ? values : FRAME_VALUES(run) + i;
    if (pass != H5CALIB_SCALE) {
        const REAL *raw = FN(raw)(run, 0, i, n, raws);
        const REAL *pedestal = FN(plane)(&cell->planes[PEDESTAL][0], run->first + i, n, scratch);
        EACH(j, n)
        value[j] = raw[j] - pedestal[j];
    }
    if (pass == H5CALIB_SUBTRACT) {
        unsigned char *used = FRAME_USED(run) + i;
        EACH(j, n)
        used[j] = value[j] == value[j];
        return;
    }
    if (cell->planes[GAIN][0].data) {
        const REAL *gain = FN(plane)(&cell->planes[GAIN][0], run->first + i, n, scratch);
        EACH(j, n)
        value[j] *= gain[j];
    } else {
        EACH(j, n)
        value[j] *= factor;
    }
    FN(finish)(c, run, i, n, value);
}
H5CALIB_COMMON_MODE_KERNEL(epix100, TILES, COMMON_MODE, 352, 96)

#else

#include <math.h>

#include "core/internal.h"

enum { PEDESTAL, GAIN, PIXEL_MASK };
enum { KEV_PER_ADU = H5CALIB_COMMON_PARAMETERS, OUTPUT, COMMON_MODE };

#define TEMPLATE "kernels/epix100.c"
#include "core/variants.h"

#define FLAGS H5CALIB_CONSTANT_PER_CELL | H5CALIB_CONSTANT_OPTIONAL

static const h5calib_constant_spec constants[] = {
    {"pedestal", 1, 1, H5CALIB_CONSTANT_PER_CELL, "in ADU; the cell is the panel"},
    {"gain", 1, 1, FLAGS, "keV per ADU, in place of kev_per_adu"},
    {"pixel_mask", 1, 1, FLAGS | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"kev_per_adu", 0.06, -INFINITY, INFINITY, "keV per ADU of all pixels, without a gain map"},
    H5CALIB_OUTPUT_SPEC(1),
    H5CALIB_COMMON_MODE_SPECS,
};

const h5calib_algorithm_entry h5calib_epix100 = {
    {0x000A0001, "epix100", "(raw - pedestal [- common mode]) * gain", H5CALIB_WHOLE_FRAME,
     H5CALIB_RAW_ONE, H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    NULL,
    PEDESTAL,
    0,
    H5CALIB_KERNELS(epix100),
};

#endif
