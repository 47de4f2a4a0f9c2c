/*
 * lpd.c - LPD (European XFEL): 12 bits of ADC, 2 bits of gain. EXPERIMENTAL: neither the
 * gain codes nor the chain of factors has a confirmed public source.
 *
 * Codes: 0 high, 1 medium, 2 low, 3 invalid. With parallel gain the stage is that of the
 * frame, not of the pixel: fixed_gain.
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(lpd_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                        const h5calib_run *run, size_t i, size_t n)
{
    const h5calib_raw_u16 *raw = (const h5calib_raw_u16 *)run->raw[0] + i;
    const int fixed = (int)c->parameters[FIXED_GAIN];
    FN(stages) stages;
    SCRATCH(value);
    SCRATCH(scratch);
    if (c->output == H5CALIB_OUTPUT_STAGE && fixed >= 0) {
        EACH(j, n)
        stages.of[j] = (INT)1 << fixed;
    } else if (fixed >= 0) {
        stages.in_tile = H5CALIB_HIGH; /* setup has put the fixed stage there */
    } else {
        EACH(j, n)
        {
            const INT code = raw[j] >> 12 & 3;
            const INT stage = code == 0 ? H5CALIB_HIGH : code == 1 ? H5CALIB_MEDIUM : H5CALIB_LOW;
            stages.of[j] = code == 3 ? H5CALIB_HIGH | INVALID : stage;
        }
        FN(stages_summary)(&stages, n);
    }
    if (c->output == H5CALIB_OUTPUT_STAGE) {
        FN(finish_stages)(run, i, n, stages.of, fixed < 0 ? INVALID : 0);
        return;
    }
    const REAL *constant =
        FN(staged_plane)(cell->planes[PEDESTAL], &stages, run->first + i, n, scratch);
    EACH(j, n)
    value[j] = (REAL)(raw[j] & 0xfff) - constant[j];
    for (int k = RELATIVE_GAIN; k <= FLAT_FIELD; k++) {
        if (!cell->planes[k][0].data)
            continue;
        constant = FN(staged_plane)(cell->planes[k], &stages, run->first + i, n, scratch);
        EACH(j, n)
        value[j] *= constant[j];
    }
    if (stages.in_tile & INVALID)
        FN(replace)(value, &stages, INVALID, (REAL)NAN, n);
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(lpd)

#else

#include <math.h>

#include "core/internal.h"

enum { PEDESTAL, RELATIVE_GAIN, GAIN_AMP_MAP, FLAT_FIELD, BAD_PIXELS };
enum { FIXED_GAIN = H5CALIB_COMMON_PARAMETERS };
enum { INVALID = 8 };

#define TEMPLATE "kernels/lpd.c"
#include "core/variants.h"

static h5calib_status setup(h5calib_calibrator *c, const unsigned *stages, char *message,
                            size_t message_size)
{
    static const unsigned char same[] = {0, 0, 0};
    const int fixed = (int)c->parameters[FIXED_GAIN];
    const unsigned char stage[] = {(unsigned char)fixed};
    for (unsigned k = PEDESTAL; k <= BAD_PIXELS; k++) {
        if (stages[k] == 2) {
            h5calib_say(message, message_size, "lpd: %s has 2 gain stages, it needs 1 or 3",
                        c->algorithm->public.constants[k].name);
            return H5CALIB_E_CONSTANT;
        }
        if (stages[k] == 3 && fixed >= 0)
            h5calib_choose_planes(c, k, 1, stage);
        if (stages[k] == 1 && fixed < 0 && k != BAD_PIXELS)
            h5calib_choose_planes(c, k, 3, same);
    }
    return H5CALIB_OK;
}

#define FLAGS H5CALIB_CONSTANT_PER_CELL | H5CALIB_CONSTANT_OPTIONAL

static const h5calib_constant_spec constants[] = {
    {"pedestal", 3, 3, H5CALIB_CONSTANT_PER_CELL, "of high, medium, low gain in ADU"},
    {"relative_gain", 1, 3, FLAGS, "factor, one or of high, medium, low gain"},
    {"gain_amp_map", 1, 3, FLAGS, "factor, one or of high, medium, low gain"},
    {"flat_field", 1, 3, FLAGS, "factor, one or of high, medium, low gain"},
    {"bad_pixels", 1, 3, FLAGS | H5CALIB_CONSTANT_MASK, "one or of high, medium, low gain, 0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"fixed_gain", -1, -1, 2, "of all frames (parallel gain): -1 none, 0 high, 1 medium, 2 low"},
    H5CALIB_OUTPUT_SPEC(2),
};

const h5calib_algorithm_entry h5calib_lpd = {
    {0x00070001, "lpd",
     "((raw & 0xfff) - pedestal[g]) * relative_gain[g] * gain_amp_map[g] * flat_field[g]",
     H5CALIB_EXPERIMENTAL | H5CALIB_RAW_U16, H5CALIB_RAW_ONE, H5CALIB_TABLE(constants),
     H5CALIB_TABLE(parameters)},
    setup,
    PEDESTAL,
    0,
    H5CALIB_KERNELS(lpd),
};

#endif
