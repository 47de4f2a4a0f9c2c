/*
 * agipd.c - AGIPD (European XFEL): two values a pixel, the signal and a gain
 * voltage that is compared with two thresholds; and AGIPD_v2 of the first h5calib.
 */
#ifdef REAL

/* Low where the voltage is above the second threshold, medium where above the
 * first; a NaN threshold is never exceeded. */
H5CALIB_INLINE TARGET void FN(compare)(const h5calib_plane *thresholds, const h5calib_run *run,
                                       size_t i, size_t n, bool chain, FN(stages) * stages)
{
    SCRATCH(voltages);
    SCRATCH(firsts);
    SCRATCH(seconds);
    const REAL *voltage = FN(raw)(run, 1, i, n, voltages);
    const REAL *first = FN(plane)(&thresholds[0], run->first + i, n, firsts);
    const REAL *second = FN(plane)(&thresholds[1], run->first + i, n, seconds);
    const INT unchained = chain ? 0 : 1;
    EACH(j, n)
    {
        const INT above_first = voltage[j] > first[j], above_second = voltage[j] > second[j];
        const INT low = above_second & (above_first | unchained);
        stages->of[j] = low ? H5CALIB_LOW : above_first ? H5CALIB_MEDIUM : H5CALIB_HIGH;
    }
    FN(stages_summary)(stages, n);
}

/* Pixels in a stage of `from` move to stage `to` where signal - pedestal[to] < below. */
H5CALIB_INLINE TARGET void FN(force)(const h5calib_plane *pedestals, const h5calib_run *run,
                                     size_t i, size_t n, const REAL *signal, INT from, INT to,
                                     REAL below, FN(stages) * stages)
{
    SCRATCH(scratch);
    if (below != below || !(stages->in_tile & (unsigned)from))
        return;
    const REAL *pedestal = FN(plane)(&pedestals[to >> 1], run->first + i, n, scratch);
    EACH(j, n)
    {
        const INT stage = stages->of[j];
        stages->of[j] = (stage & from) && signal[j] - pedestal[j] < below ? to : stage;
    }
    FN(stages_summary)(stages, n);
}

static TARGET void FN(agipd_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                  const h5calib_run *run, size_t i, size_t n)
{
    FN(stages) stages;
    SCRATCH(signals);
    SCRATCH(value);
    SCRATCH(scratch);
    const size_t first = run->first + i;
    const REAL *signal = FN(raw)(run, 0, i, n, signals);
    if (c->parameters[FIXED_GAIN] < 0) {
        const h5calib_plane *pedestals = cell->planes[PEDESTAL];
        FN(compare)(cell->planes[THRESHOLD], run, i, n, c->parameters[THRESHOLD_CHAIN] != 0,
                    &stages);
        FN(force)(pedestals, run, i, n, signal, H5CALIB_LOW, H5CALIB_MEDIUM,
                  (REAL)c->parameters[FORCE_MEDIUM_BELOW], &stages);
        FN(force)(pedestals, run, i, n, signal, H5CALIB_MEDIUM | H5CALIB_LOW, H5CALIB_HIGH,
                  (REAL)c->parameters[FORCE_HIGH_BELOW], &stages);
    } else {
        stages.in_tile = H5CALIB_HIGH; /* setup has put the fixed stage there */
    }
    if (c->output == H5CALIB_OUTPUT_STAGE) {
        if (c->parameters[FIXED_GAIN] >= 0) {
            EACH(j, n)
            stages.of[j] = (INT)1 << (int)c->parameters[FIXED_GAIN];
        }
        FN(finish_stages)(run, i, n, stages.of, 0);
        return;
    }

    const REAL *constant = FN(staged_plane)(cell->planes[PEDESTAL], &stages, first, n, scratch);
    EACH(j, n)
    value[j] = signal[j] - constant[j];
    if (cell->planes[GAIN][0].data) {
        constant = FN(staged_plane)(cell->planes[GAIN], &stages, first, n, scratch);
        if (c->parameters[CONVENTION]) {
            EACH(j, n)
            value[j] *= constant[j];
        } else {
            EACH(j, n)
            value[j] /= constant[j];
        }
    }
    for (int k = RELATIVE_GAIN; k <= FLAT_FIELD; k++) {
        if (!cell->planes[k][0].data)
            continue;
        constant = FN(staged_plane)(cell->planes[k], &stages, first, n, scratch);
        EACH(j, n)
        value[j] *= constant[j];
    }
    if (c->mask_into == BAD_PIXELS && cell->planes[BAD_PIXELS][0].data) {
        constant = FN(staged_plane)(cell->planes[BAD_PIXELS], &stages, first, n, scratch);
        EACH(j, n)
        value[j] -= constant[j];
    }
    FN(finish)(c, run, i, n, value);
}

#ifdef FUSED
/* Which pixels of block b are above a threshold. */
H5CALIB_INLINE TARGET bool FN(agipd_above)(const uint16_t *voltage, const VEC *threshold, size_t b,
                                           MASK *above)
{
    bool any = false;
    EACH_VECTOR(v)
    {
        above[v] = SIMD(above)(SIMD(real)(SIMD(load_words)(voltage + b + v * LANES)), threshold[v]);
        any |= SIMD(any)(above[v]);
    }
    return any;
}

/* Thresholds of some pixels, and, for the blocks of the frame, the least voltage above any of them
 * and above the second one. */
typedef struct FN(agipd_levels) {
    const h5calib_formula *thresholds; /* NULL with fixed gain */
    bool chain;
    const uint16_t *above_any, *above_second;
} FN(agipd_levels);

/* The least of some blocks for H5CALIB_BLOCK pixels, which may lie in two of them. Where no voltage
 * is as high, as nearly everywhere, the thresholds themselves need not be read. */
static inline uint16_t FN(agipd_least)(const uint16_t *least, size_t pixel)
{
    const uint16_t one = least[pixel / H5CALIB_BLOCK];
    const uint16_t two = least[(pixel + H5CALIB_BLOCK - 1) / H5CALIB_BLOCK];
    return one < two ? one : two;
}

H5CALIB_INLINE TARGET void FN(agipd_stages)(const uint16_t *voltage,
                                            const FN(agipd_levels) * levels, h5calib_dtype dtype,
                                            size_t pixel, size_t b, FN(block) * block)
{
    VEC threshold[FN(vectors)];
    FN(load_block)(levels->thresholds->from[0][0], dtype, b, threshold);
    block->any_medium = FN(agipd_above)(voltage, threshold, b, block->medium);
    block->any_low = SIMD(any_from)(voltage + b, FN(agipd_least)(levels->above_second, pixel + b));
    if (!block->any_low)
        return;
    FN(load_block)(levels->thresholds->from[0][1], dtype, b, threshold);
    block->any_low = FN(agipd_above)(voltage, threshold, b, block->low);
    if (levels->chain)
        EACH_VECTOR(v) block->low[v] = SIMD(both)(block->low[v], block->medium[v]);
    block->any_medium = false; /* of pixels that are not in low gain */
    EACH_VECTOR(v)
    block->any_medium |= SIMD(any)(SIMD(without)(block->medium[v], block->low[v]));
}

H5CALIB_INLINE TARGET void FN(agipd_blocks)(const h5calib_run *runs, size_t n_runs, size_t i,
                                            size_t n, const FN(agipd_levels) * levels,
                                            const h5calib_formula *f, h5calib_dtype dtype,
                                            bool multiply, unsigned n_factors)
{
    const size_t pixel = runs->first + i;
    const bool staged = levels->thresholds != NULL;
    FN(frames) frames;
    FN(frames_of)(runs, n_runs, 2, i, &frames);
    for (size_t b = 0; b < n; b += H5CALIB_BLOCK) {
        FN(high) high;
        FN(load_high)(f, dtype, n_factors, b, &high);
        const uint16_t least = staged ? FN(agipd_least)(levels->above_any, pixel + b) : 0;
        for (size_t k = 0; k < n_runs; k++) {
            const uint16_t *signal = frames.raw[0][k], *voltage = frames.raw[1][k];
            VEC value[FN(vectors)];
            if (frames.fetch) {
                H5CALIB_FETCH(voltage + b + frames.raw_soon);
                H5CALIB_FETCH(signal + b + frames.raw_soon);
                if (!frames.stream)
                    FN(fetch_high)(f, dtype, n_factors, frames.out[k], b + H5CALIB_SOON);
            }
            EACH_VECTOR(v) value[v] = SIMD(real)(SIMD(load_words)(signal + b + v * LANES));
            if (staged && SIMD(any_from)(voltage + b, least)) {
                FN(block) block = {.any_low = false};
                FN(agipd_stages)(voltage, levels, dtype, pixel, b, &block);
                FN(apply)(f, dtype, multiply, n_factors, &high, &block, b, value);
            } else {
                FN(apply)(f, dtype, multiply, n_factors, &high, NULL, b, value);
            }
            FN(put)(frames.masked, frames.stream, frames.out[k] + b, value);
        }
    }
}

/* Raw uint16, two planes, nothing forced; false: they are not of that kind. */
static TARGET bool FN(agipd_fused)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                   const h5calib_run *runs, size_t n_runs, size_t i, size_t n)
{
    const double *p = c->parameters;
    const bool fixed = p[FIXED_GAIN] >= 0;
    h5calib_formula thresholds = {0}, f = {.multiply = p[CONVENTION] != 0};
    if (runs->raw_dtype != H5CALIB_U16 || runs->raw_step != 1 || !FN(plain_output)(c, runs))
        return false;
    for (int k = PEDESTAL; k <= FLAT_FIELD; k++) {
        if (cell->planes[k][0].data &&
            !h5calib_formula_add(&f, cell->planes[k], fixed ? 1 : 3, runs->first + i))
            return false;
        if (k == GAIN && !cell->planes[k][0].data)
            f.multiply = true; /* what follows are factors */
    }
    if (!fixed && (!h5calib_formula_add(&thresholds, cell->planes[THRESHOLD], 2, runs->first + i) ||
                   thresholds.dtype != f.dtype || !cell->least[THRESHOLD] ||
                   !isnan(p[FORCE_MEDIUM_BELOW]) || !isnan(p[FORCE_HIGH_BELOW])))
        return false;
    if ((f.uniform || thresholds.uniform) && n > H5CALIB_TILE)
        return false;
    const FN(agipd_levels)
        levels = {fixed ? NULL : &thresholds, p[THRESHOLD_CHAIN] != 0, cell->least[THRESHOLD],
                  fixed ? NULL : cell->least[THRESHOLD] + h5calib_blocks(c)};
/* one frame, and two factors, are usual: compiled by themselves */
#define LOOP(dtype, multiply)                                                                      \
    if (f.n != 2)                                                                                  \
        FN(agipd_blocks)(runs, n_runs, i, n, &levels, &f, dtype, multiply, f.n);                   \
    else if (n_runs > 1)                                                                           \
        FN(agipd_blocks)(runs, n_runs, i, n, &levels, &f, dtype, multiply, 2);                     \
    else                                                                                           \
        FN(agipd_blocks)(runs, 1, i, n, &levels, &f, dtype, multiply, 2)
    EACH_FORMULA(f, LOOP)
#undef LOOP
    return true;
}
#endif
H5CALIB_FUSED_KERNEL(agipd)

H5CALIB_INLINE TARGET void FN(AGIPD_v2_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                             const h5calib_run *run, size_t i, size_t n)
{
    FN(stages) stages;
    SCRATCH(signals);
    SCRATCH(pedestals);
    SCRATCH(gains);
    const h5calib_plane *planes = cell->planes[0];
    const size_t first = run->first + i;
    const REAL *signal = FN(raw)(run, 0, i, n, signals);
    REAL *value = (REAL *)run->out + i;
    (void)c;
    FN(compare)(planes, run, i, n, false, &stages);
    const REAL *pedestal = FN(staged_plane)(planes + 2, &stages, first, n, pedestals);
    const REAL *gain = FN(staged_plane)(planes + 5, &stages, first, n, gains);
    EACH(j, n)
    value[j] = (signal[j] - pedestal[j]) / gain[j];
}
H5CALIB_KERNEL(AGIPD_v2)

#else

#include <math.h>

#include "core/internal.h"

enum { THRESHOLD, PEDESTAL, GAIN, RELATIVE_GAIN, FLAT_FIELD, BAD_PIXELS };
enum {
    FIXED_GAIN = H5CALIB_COMMON_PARAMETERS,
    CONVENTION,
    FIRST_THRESHOLD,
    THRESHOLD_CHAIN,
    FORCE_MEDIUM_BELOW,
    FORCE_HIGH_BELOW
};

#define TEMPLATE "kernels/agipd.c"
#include "core/variants.h"

static h5calib_status setup(h5calib_calibrator *c, const unsigned *stages, char *message,
                            size_t message_size)
{
    const int fixed = (int)c->parameters[FIXED_GAIN];
    const unsigned char skipped = (unsigned char)c->parameters[FIRST_THRESHOLD];
    if (fixed >= 0) {
        const unsigned char stage[] = {(unsigned char)fixed};
        h5calib_choose_planes(c, THRESHOLD, 0, NULL);
        for (unsigned k = PEDESTAL; k <= BAD_PIXELS; k++)
            if (stages[k] > 1)
                h5calib_choose_planes(c, k, 1, stage);
    } else if (stages[THRESHOLD] != 2u + skipped) {
        h5calib_say(message, message_size,
                    "agipd: threshold has %u levels, it needs %u with first_threshold=%u "
                    "(or none with a fixed_gain)",
                    stages[THRESHOLD], 2u + skipped, (unsigned)skipped);
        return H5CALIB_E_CONSTANT;
    } else {
        const unsigned char levels[] = {skipped, (unsigned char)(skipped + 1)};
        h5calib_choose_planes(c, THRESHOLD, 2, levels);
    }
    if (stages[FLAT_FIELD] == 2) {
        h5calib_say(message, message_size, "agipd: flat_field has 2 gain stages, it needs 1 or 3");
        return H5CALIB_E_CONSTANT;
    }
    if (stages[FLAT_FIELD] == 1) {
        static const unsigned char same[] = {0, 0, 0};
        h5calib_choose_planes(c, FLAT_FIELD, 3, same);
    }
    c->constants[GAIN].divisor = c->parameters[CONVENTION] == 0;
    /* stages that are forced depend on pedestals: a mask must not be in them */
    if (fixed < 0 &&
        !(isnan(c->parameters[FORCE_MEDIUM_BELOW]) && isnan(c->parameters[FORCE_HIGH_BELOW])))
        c->mask_into = BAD_PIXELS;
    return H5CALIB_OK;
}

/* Sort the eight constants of AGIPD_v2: two thresholds, three pedestals, three gains. */
static h5calib_status setup_v2(h5calib_calibrator *c, const unsigned *stages, char *message,
                               size_t message_size)
{
    static const unsigned char sorted[] = {0, 1, 2, 4, 6, 3, 5, 7};
    (void)stages, (void)message, (void)message_size;
    h5calib_choose_planes(c, 0, 8, sorted);
    return H5CALIB_OK;
}

#define PER_CELL H5CALIB_CONSTANT_PER_CELL
#define OPTIONAL H5CALIB_CONSTANT_OPTIONAL

static const h5calib_constant_spec constants_v2[] = {
    {"constants", 8, 8, PER_CELL,
     "threshold high/medium, threshold medium/low, then pedestal and gain of each stage"},
};

static const h5calib_constant_spec constants[] = {
    {"threshold", 2, 3, PER_CELL | OPTIONAL | H5CALIB_CONSTANT_COMPARED,
     "gain voltage above which a pixel is in medium, in low gain; with first_threshold after an "
     "unused one; optional with fixed_gain"},
    {"pedestal", 3, 3, PER_CELL, "of high, medium, low gain in ADU"},
    {"gain", 3, 3, PER_CELL | OPTIONAL | H5CALIB_CONSTANT_DIVISOR,
     "of high, medium, low gain in ADU per unit; with convention 1 units per ADU"},
    {"relative_gain", 3, 3, PER_CELL | OPTIONAL, "factors of high, medium, low gain"},
    {"flat_field", 1, 3, PER_CELL | OPTIONAL, "factor, one or of high, medium, low gain"},
    {"bad_pixels", 3, 3, PER_CELL | OPTIONAL | H5CALIB_CONSTANT_MASK,
     "of high, medium, low gain, 0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"fixed_gain", -1, -1, 2, "-1 none, 0 high, 1 medium, 2 low"},
    {"convention", 0, 0, 1, "0 divide by gain, 1 multiply by gain"},
    {"first_threshold", 0, 0, 1, "threshold holds 0 [h/m, m/l], 1 [unused, h/m, m/l]"},
    {"threshold_chain", 0, 0, 1, "low gain needs 0 the second threshold exceeded, 1 both"},
    {"force_medium_below", NAN, -INFINITY, INFINITY,
     "ADU: a pixel in low gain is medium if signal - pedestal[medium] is less; NaN: never"},
    {"force_high_below", NAN, -INFINITY, INFINITY,
     "ADU: a pixel not in high gain is if signal - pedestal[high] is less; NaN: never"},
    H5CALIB_OUTPUT_SPEC(2),
};

const h5calib_algorithm_entry h5calib_agipd_v2 = {
    {0x00020002, "AGIPD_v2", "(signal - pedestal[g]) / gain[g]", H5CALIB_LEGACY, H5CALIB_RAW_LAST,
     H5CALIB_TABLE(constants_v2), 0, NULL},
    setup_v2,
    0,
    0,
    H5CALIB_KERNELS(AGIPD_v2),
};

const h5calib_algorithm_entry h5calib_agipd = {
    {0x00060001, "agipd", "(signal - pedestal[g]) / gain[g] * relative_gain[g] * flat_field[g]", 0,
     H5CALIB_RAW_FIRST, H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    setup,
    PEDESTAL,
    0,
    H5CALIB_KERNELS(agipd),
};

#endif
