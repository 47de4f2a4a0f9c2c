/*
 * epix10ka.c - ePix10ka (LCLS): seven gain states, from configuration bits of each pixel and
 * one gain bit of its data (slac-lcls/lcls2, UtilsEpix10ka.py).
 *
 * A pixel whose bits are none of the seven has pedestal 0 and gain 1. The common mode is that
 * of the pixels in high and medium gain, in banks of 176 x 48.
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(epix10ka_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                             const h5calib_run *run, size_t i, size_t n, int pass)
{
    const h5calib_raw_u16 *raw = (const h5calib_raw_u16 *)run->raw[0] + i;
    FN(stages) stages;
    SCRATCH(scratch);
    SCRATCH(values);
    REAL *value = pass == H5CALIB_ALL_AT_ONCE ? values : FRAME_VALUES(run) + i;
    const REAL *config = FN(plane)(&cell->planes[CONFIG_BITS][0], run->first + i, n, scratch);
    EACH(j, n)
    {
        const int bits = config[j] >= 0 && config[j] < 256 ? (int)config[j] & 28 : 4;
        stages.of[j] = (INT)1 << states[(bits | (raw[j] & 0x4000) >> 9) >> 2];
    }
    FN(stages_summary)(&stages, n);
    if (c->output == H5CALIB_OUTPUT_STAGE) {
        FN(finish_stages)(run, i, n, stages.of, NO_STATE);
        return;
    }
    if (pass != H5CALIB_SCALE) {
        FN(select_plane)(cell->planes[PEDESTAL], STATES, &stages, run->first + i, n, 0, scratch);
        EACH(j, n)
        value[j] = (REAL)(raw[j] & 0x3fff) - scratch[j];
        if (cell->planes[PIXEL_MASK][0].data) {
            const REAL *mask = FN(plane)(&cell->planes[PIXEL_MASK][0], run->first + i, n, scratch);
            EACH(j, n)
            value[j] -= mask[j];
        }
    }
    if (pass == H5CALIB_SUBTRACT) {
        unsigned char *used = FRAME_USED(run) + i;
        EACH(j, n)
        used[j] = (stages.of[j] & IN_COMMON_MODE) && value[j] == value[j];
        return;
    }
    FN(select_plane)(cell->planes[GAIN], STATES, &stages, run->first + i, n, 1, scratch);
    EACH(j, n)
    value[j] /= scratch[j];
    FN(finish)(c, run, i, n, value);
}
H5CALIB_COMMON_MODE_KERNEL(epix10ka, TILES, COMMON_MODE, 176, 48)

#else

#include <math.h>

#include "core/internal.h"

enum { PEDESTAL, GAIN, CONFIG_BITS, PIXEL_MASK };
enum { OUTPUT = H5CALIB_COMMON_PARAMETERS, COMMON_MODE };

/* The state of the bits 5 (the data's), 4, 3, 2: */
enum { FH, FM, FL, AHL_H, AML_M, AHL_L, AML_L, NONE, STATES = NONE };
static const unsigned char states[] = {
    AML_M, NONE, FL, FM, AHL_H, NONE, FL, FH, /* 0... */
    AML_L, NONE, FL, FM, AHL_L, NONE, FL, FH, /* 1... */
};
enum { IN_COMMON_MODE = 1 << FH | 1 << FM | 1 << AHL_H | 1 << AML_M, NO_STATE = 1 << NONE };

#define TEMPLATE "kernels/epix10ka.c"
#include "core/variants.h"

#define STATE_NAMES "FH, FM, FL, AHL_H, AML_M, AHL_L, AML_L"
#define PER_CELL H5CALIB_CONSTANT_PER_CELL

static const h5calib_constant_spec constants[] = {
    {"pedestal", 7, 7, PER_CELL, "of " STATE_NAMES " in ADU; the cell is the panel"},
    {"gain", 7, 7, PER_CELL | H5CALIB_CONSTANT_DIVISOR, "of " STATE_NAMES " in ADU per keV"},
    {"config_bits", 1, 1, PER_CELL | H5CALIB_CONSTANT_COMPARED,
     "integers: bits 2 to 4 of each pixel's configuration"},
    {"pixel_mask", 1, 1, PER_CELL | H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    H5CALIB_OUTPUT_SPEC(2),
    H5CALIB_COMMON_MODE_SPECS,
};

const h5calib_algorithm_entry h5calib_epix10ka = {
    {0x00090001, "epix10ka", "((raw & 0x3fff) - pedestal[g] [- common mode]) / gain[g]",
     H5CALIB_WHOLE_FRAME | H5CALIB_RAW_U16, H5CALIB_RAW_ONE, H5CALIB_TABLE(constants),
     H5CALIB_TABLE(parameters)},
    NULL,
    PIXEL_MASK, /* a pixel without a state has no pedestal that could be NaN */
    0,
    H5CALIB_KERNELS(epix10ka),
};

#endif
