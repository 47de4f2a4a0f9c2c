/*
 * ccd.c - cameras: bias, dark scaled to the exposure, normalised flat, gain; each step only
 * where its constant is given (the steps of ccdproc).
 *
 * The flat is divided by its mean: that of all its finite pixels, summed in float64 in C order,
 * or the parameter flat_mean.
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(ccd_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                        const h5calib_run *run, size_t i, size_t n)
{
    const double *p = c->parameters;
    const REAL ratio = (REAL)(p[EXPOSURE] / p[DARK_EXPOSURE]), gain = (REAL)p[GAIN];
    const REAL mean = (REAL)(isnan(p[FLAT_MEAN]) ? cell->mean[FLAT] : p[FLAT_MEAN]);
    const h5calib_plane *bias = cell->planes[BIAS], *dark = cell->planes[DARK];
    SCRATCH(value);
    SCRATCH(scratch);
    const REAL *constant = FN(raw)(run, 0, i, n, scratch);
    EACH(j, n)
    value[j] = constant[j];
    if (bias->data) {
        constant = FN(plane)(bias, run->first + i, n, scratch);
        EACH(j, n)
        value[j] -= constant[j];
    }
    if (dark->data) {
        constant = FN(plane)(dark, run->first + i, n, scratch);
        EACH(j, n)
        value[j] -= constant[j] * ratio;
    }
    if (cell->planes[FLAT]->data) {
        constant = FN(plane)(cell->planes[FLAT], run->first + i, n, scratch);
        EACH(j, n)
        value[j] /= constant[j] / mean;
    }
    EACH(j, n)
    value[j] *= gain;
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(ccd)

#else

#include <float.h>
#include <math.h>

#include "core/internal.h"

enum { BIAS, DARK, FLAT, PIXEL_MASK };
enum { EXPOSURE = H5CALIB_COMMON_PARAMETERS, DARK_EXPOSURE, GAIN, FLAT_MEAN };

#define TEMPLATE "kernels/ccd.c"
#include "core/variants.h"

static h5calib_status setup(h5calib_calibrator *c, const unsigned *stages, char *message,
                            size_t message_size)
{
    (void)stages, (void)message, (void)message_size;
    c->constants[FLAT].mean = isnan(c->parameters[FLAT_MEAN]);
    return H5CALIB_OK;
}

#define OPTIONAL H5CALIB_CONSTANT_OPTIONAL

static const h5calib_constant_spec constants[] = {
    {"bias", 1, 1, OPTIONAL, "in ADU"},
    {"dark", 1, 1, OPTIONAL, "in ADU, of dark_exposure, bias subtracted"},
    {"flat", 1, 1, OPTIONAL | H5CALIB_CONSTANT_DIVISOR | H5CALIB_CONSTANT_POSITIVE,
     "any unit; is divided by its mean"},
    {"pixel_mask", 1, 1, OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"exposure", 1, 0, INFINITY, "seconds, of the frames"},
    {"dark_exposure", 1, DBL_MIN, INFINITY, "seconds, of the dark"},
    {"gain", 1, -INFINITY, INFINITY, "factor on the result, electrons per ADU"},
    {"flat_mean", NAN, DBL_MIN, INFINITY, "what the flat is divided by; NaN: its mean"},
    H5CALIB_OUTPUT_SPEC(1),
};

const h5calib_algorithm_entry h5calib_ccd = {
    {0x000B0001, "ccd",
     "(raw - bias - dark * (exposure / dark_exposure)) / (flat / mean(flat)) * gain", 0,
     H5CALIB_RAW_ONE, H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    setup,
    BIAS,
    0,
    H5CALIB_KERNELS(ccd),
};

#endif
