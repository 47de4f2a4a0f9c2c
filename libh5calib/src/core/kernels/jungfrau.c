/*
 * jungfrau.c - JUNGFRAU (PSI): 14 bits of ADC, 2 bits of gain code.
 *
 * Codes: 0 high gain, 1 medium, 3 low; 2 does not occur in good data and tools
 * disagree about it, hence the parameter invalid_gain. The common mode is that
 * of pixels in high gain, in banks of 256 x 64 (slac-lcls/lcls2, UtilsJungfrau.py).
 */
#ifdef REAL

/* Gain stages of a tile. */
H5CALIB_INLINE TARGET void FN(jungfrau_tile_stages)(const h5calib_calibrator *c,
                                                    const h5calib_raw_u16 *raw, size_t n,
                                                    INT invalid, FN(stages) * stages)
{
    uint16_t bits = 0;
    for (size_t j = 0; j < n; j++)
        bits |= raw[j];
    stages->in_tile = H5CALIB_HIGH;
    if (bits <= 0x3fff && !c->parameters[SATURATED] && c->output != H5CALIB_OUTPUT_STAGE)
        return;
    const uint16_t full = c->parameters[HIGH_GAIN] ? 0x3fff : 0xc000;
    const INT when_full = c->parameters[SATURATED] ? FULL : 0;
    EACH(j, n)
    {
        const INT code = raw[j] >> 14;
        const INT stage = code == 0 ? H5CALIB_HIGH : code == 1 ? H5CALIB_MEDIUM : H5CALIB_LOW;
        stages->of[j] = (code == 2 ? invalid : stage) | (raw[j] == full ? when_full : 0);
    }
    FN(stages_summary)(stages, n);
}

static TARGET void FN(jungfrau_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                     const h5calib_run *run, size_t i, size_t n, int pass)
{
    const h5calib_raw_u16 *raw = (const h5calib_raw_u16 *)run->raw[0] + i;
    const REAL energy = (REAL)c->parameters[PHOTON_ENERGY];
    const int policy = (int)c->parameters[INVALID_GAIN];
    const INT invalid = INVALID | (policy == INVALID_IS_G2 ? H5CALIB_LOW : H5CALIB_HIGH);
    FN(stages) stages;
    SCRATCH(values);
    SCRATCH(scratch);
    REAL *value = pass == H5CALIB_ALL_AT_ONCE ? values : FRAME_VALUES(run) + i;

    FN(jungfrau_tile_stages)(c, raw, n, invalid, &stages);
    if (c->output == H5CALIB_OUTPUT_STAGE) {
        const INT none = policy != INVALID_IS_G2 && policy != INVALID_IS_G0 ? INVALID : 0;
        EACH(j, n)
        stages.of[j] &= H5CALIB_STAGES | none;
        FN(finish_stages)(run, i, n, stages.of, none);
        return;
    }

    const REAL *constant;
    if (pass != H5CALIB_SCALE) {
        constant = FN(staged_plane)(cell->planes[PEDESTAL], &stages, run->first + i, n, scratch);
        EACH(j, n)
        value[j] = (REAL)(raw[j] & 0x3fff) - constant[j];
    }
    if (pass == H5CALIB_SUBTRACT) {
        unsigned char *used = FRAME_USED(run) + i;
        EACH(j, n)
        used[j] = raw[j] <= 0x3fff && value[j] == value[j];
        return;
    }
    constant = FN(staged_plane)(cell->planes[GAIN], &stages, run->first + i, n, scratch);
    if (c->parameters[MULTIPLY]) {
        EACH(j, n)
        value[j] *= constant[j];
    } else {
        EACH(j, n)
        value[j] /= constant[j];
    }
    if (energy == energy) {
        EACH(j, n)
        value[j] /= energy;
    }
    if ((stages.in_tile & INVALID) && policy != INVALID_IS_G2 && policy != INVALID_IS_G0)
        FN(replace)(value, &stages, INVALID, (REAL)invalid_values[policy], n);
    if (stages.in_tile & FULL)
        FN(replace)(value, &stages, FULL, (REAL)c->parameters[SATURATION_VALUE], n);
    FN(finish)(c, run, i, n, value);
}

#ifdef FUSED
/* Is any pixel of a block not in high gain? */
H5CALIB_INLINE TARGET bool FN(jungfrau_coded)(const uint16_t *raw)
{
    return SIMD(any_bits)(raw, 0xc000);
}

/* The gain codes of a block; false: one is invalid. */
H5CALIB_INLINE TARGET bool FN(jungfrau_stages)(const uint16_t *raw, FN(block) * block)
{
    bool invalid = false;
    block->any_medium = block->any_low = false;
    EACH_VECTOR(v)
    {
        const WORDS code = SIMD(bits)(SIMD(load_words)(raw + v * LANES), 0xc000);
        block->medium[v] = SIMD(equal)(code, 0x4000);
        block->low[v] = SIMD(equal)(code, 0xc000);
        block->any_medium |= SIMD(any)(block->medium[v]);
        block->any_low |= SIMD(any)(block->low[v]);
        invalid |= SIMD(any)(SIMD(equal)(code, 0x8000));
    }
    return !invalid;
}

H5CALIB_INLINE TARGET void FN(jungfrau_blocks)(const h5calib_calibrator *c,
                                               const h5calib_cell *cell, const h5calib_run *runs,
                                               size_t n_runs, size_t i, size_t n,
                                               const h5calib_formula *f, h5calib_dtype dtype,
                                               bool multiply)
{
    const float photon = (float)c->parameters[PHOTON_ENERGY];
    const VEC energy = SIMD(set)(photon);
    FN(frames) frames;
    FN(frames_of)(runs, n_runs, 1, i, &frames);
    for (size_t b = 0; b < n; b += H5CALIB_BLOCK) {
        FN(high) high;
        FN(load_high)(f, dtype, 2, b, &high);
        for (size_t k = 0; k < n_runs; k++) {
            const uint16_t *raw = frames.raw[0][k] + b;
            FN(block) block = {.any_medium = false};
            VEC value[FN(vectors)];
            if (frames.fetch) {
                H5CALIB_FETCH(raw + frames.raw_soon);
                if (!frames.stream)
                    FN(fetch_high)(f, dtype, 2, frames.out[k], b + H5CALIB_SOON);
            }
            const bool coded = FN(jungfrau_coded)(raw);
            if (coded && !FN(jungfrau_stages)(raw, &block)) {
                FN(jungfrau_tile)(c, cell, runs + k, i + b, H5CALIB_BLOCK, H5CALIB_ALL_AT_ONCE);
                continue;
            }
            EACH_VECTOR(v)
            value[v] = SIMD(real)(SIMD(bits)(SIMD(load_words)(raw + v * LANES), 0x3fff));
            if (coded)
                FN(apply)(f, dtype, multiply, 2, &high, &block, b, value);
            else
                FN(apply)(f, dtype, multiply, 2, &high, NULL, b, value);
            if (photon == photon)
                EACH_VECTOR(v) value[v] = SIMD(divide)(value[v], energy);
            FN(put)(frames.masked, frames.stream, frames.out[k] + b, value);
        }
    }
}

/* Float32 or float16 constants, nothing saturated; false: it is not of that kind. */
static TARGET bool FN(jungfrau_fused)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                      const h5calib_run *runs, size_t n_runs, size_t i, size_t n)
{
    h5calib_formula f = {.multiply = c->parameters[MULTIPLY] != 0};
    if (c->parameters[SATURATED] || !FN(plain_output)(c, runs) ||
        !h5calib_formula_add(&f, cell->planes[PEDESTAL], 3, runs->first + i) ||
        !h5calib_formula_add(&f, cell->planes[GAIN], 3, runs->first + i))
        return false;
    if (f.uniform && n > H5CALIB_TILE)
        return false;
#define LOOP(dtype, multiply)                                                                      \
    if (n_runs > 1)                                                                                \
        FN(jungfrau_blocks)(c, cell, runs, n_runs, i, n, &f, dtype, multiply);                     \
    else                                                                                           \
        FN(jungfrau_blocks)(c, cell, runs, 1, i, n, &f, dtype, multiply)
    EACH_FORMULA(f, LOOP)
#undef LOOP
    return true;
}
#endif
H5CALIB_COMMON_MODE_KERNEL(jungfrau, BLOCKS, COMMON_MODE, 256, 64)

#else

#include <float.h>
#include <math.h>

#include "core/internal.h"

enum { PEDESTAL, GAIN, PIXEL_MASK };
enum {
    PHOTON_ENERGY = H5CALIB_COMMON_PARAMETERS,
    INVALID_GAIN,
    MULTIPLY,
    HIGH_GAIN,
    SATURATED,
    SATURATION_VALUE,
    ROUNDING,
    OUTPUT,
    COMMON_MODE
};
enum { INVALID_IS_G2 = 1, INVALID_IS_G0 = 2 };
enum { INVALID = 8, FULL = 16 }; /* further bits of a pixel's stage */
static const double invalid_values[] = {NAN, 0, 0, 0, INT16_MIN};

#define TEMPLATE "kernels/jungfrau.c"
#include "core/variants.h"

static h5calib_status setup(h5calib_calibrator *c, const unsigned *stages, char *message,
                            size_t message_size)
{
    static const unsigned char first[] = {0, 1, 2}, mixed[] = {3, 1, 2}, high[] = {3, 4, 5};
    const unsigned char *of_pedestal = first, *of_gain = first;
    for (unsigned k = PEDESTAL; k <= GAIN; k++)
        if (stages[k] == 5) {
            h5calib_say(message, message_size,
                        "jungfrau: %s has 5 gain maps; there are 3 (G0, G1, G2), 4 (HG0 as well) "
                        "or 6 (HG1 and HG2 as well)",
                        c->algorithm->public.constants[k].name);
            return H5CALIB_E_CONSTANT;
        }
    if (c->parameters[HIGH_GAIN]) {
        if (stages[GAIN] < 4) {
            h5calib_say(message, message_size,
                        "jungfrau: high_gain needs 4 or 6 gain maps, the 4th of them HG0; gain has "
                        "%u",
                        stages[GAIN]);
            return H5CALIB_E_CONSTANT;
        }
        if (stages[PEDESTAL] == 3 && stages[GAIN] == 4) {
            h5calib_say(message, message_size,
                        "jungfrau: with high_gain 3 pedestal maps are those of HG0, HG1, HG2, and "
                        "4 gain maps have no HG1 and HG2: give 6, or 4 pedestal maps");
            return H5CALIB_E_CONSTANT;
        }
        const bool all = stages[GAIN] == 6 && stages[PEDESTAL] != 4;
        of_gain = all ? high : mixed; /* G1 and HG1 are different things: both of one kind */
        of_pedestal = stages[PEDESTAL] == 3 ? first : of_gain;
    }
    h5calib_choose_planes(c, PEDESTAL, 3, of_pedestal);
    h5calib_choose_planes(c, GAIN, 3, of_gain);
    c->constants[GAIN].reciprocal = c->parameters[MULTIPLY] != 0;
    return H5CALIB_OK;
}

static const h5calib_constant_spec constants[] = {
    {"pedestal", 3, 6, H5CALIB_CONSTANT_PER_CELL,
     "G0, G1, G2 [, HG0 [, HG1, HG2]] in ADU; 3 with high_gain: HG0, HG1, HG2"},
    {"gain", 3, 6, H5CALIB_CONSTANT_PER_CELL | H5CALIB_CONSTANT_DIVISOR,
     "G0, G1, G2 [, HG0 [, HG1, HG2]] in ADU per keV (or per photon)"},
    {"pixel_mask", 1, 1, H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"photon_energy", NAN, FLT_MIN, INFINITY, "keV; the value is divided by it; NaN: it is not"},
    {"invalid_gain", 0, 0, 4, "gain code 2: 0 nan, 1 g2, 2 g0, 3 zero, 4 int16_min"},
    {"multiply", 0, 0, 1, "0 divide by the gain, 1 multiply by float32(1 / gain)"},
    {"high_gain", 0, 0, 1,
     "code 0 takes: 0 G0, 1 HG0 (then codes 1 and 3 HG1 and HG2, if both constants have them)"},
    {"saturated", 0, 0, 1, "raw 0xc000 (0x3fff with high_gain): 0 compute, 1 saturation_value"},
    {"saturation_value", NAN, -INFINITY, INFINITY, "value of saturated pixels; NaN: as masked"},
    {"rounding", 0, 0, 1, "0 none, 1 half_even; integer output needs 1"},
    H5CALIB_OUTPUT_SPEC(2),
    H5CALIB_COMMON_MODE_SPECS,
};

const h5calib_algorithm_entry h5calib_jungfrau = {
    {0x00030001, "jungfrau", "((raw & 0x3fff) - pedestal[g]) / gain[g] [/ photon_energy]",
     H5CALIB_RAW_U16 | H5CALIB_WHOLE_FRAME, H5CALIB_RAW_ONE, H5CALIB_TABLE(constants),
     H5CALIB_TABLE(parameters)},
    setup,
    PEDESTAL,
    0,
    H5CALIB_KERNELS(jungfrau),
};

#endif
