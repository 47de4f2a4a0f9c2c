/*
 * pedestal.c - raw minus pedestal: pedestal, cell_pedestal and the first
 * h5calib's pedestal_v1 and AGIPD_v1.
 */
#ifdef REAL

H5CALIB_INLINE TARGET void FN(subtract)(const h5calib_cell *cell, const h5calib_run *run, size_t i,
                                        size_t n, REAL *value)
{
    SCRATCH(raws);
    SCRATCH(pedestals);
    const REAL *raw = FN(raw)(run, 0, i, n, raws);
    const REAL *pedestal = FN(plane)(&cell->planes[0][0], run->first + i, n, pedestals);
    EACH(j, n)
    value[j] = raw[j] - pedestal[j];
}

#ifdef FUSED
H5CALIB_INLINE TARGET void FN(pedestal_blocks)(const h5calib_run *runs, size_t n_runs, size_t i,
                                               size_t n, const h5calib_formula *f,
                                               h5calib_dtype dtype)
{
    FN(frames) frames;
    FN(frames_of)(runs, n_runs, 1, i, &frames);
    const size_t soon = n_runs > 1 ? frames.raw_soon : H5CALIB_RAW_SOON / 2;
    for (size_t b = 0; b < n; b += H5CALIB_BLOCK) {
        FN(high) high;
        FN(load_high)(f, dtype, 1, b, &high);
        for (size_t k = 0; k < n_runs; k++) {
            const uint16_t *raw = frames.raw[0][k] + b;
            VEC value[FN(vectors)];
            if (frames.fetch)
                H5CALIB_FETCH(raw + soon);
            if (!frames.stream)
                FN(fetch_high)(f, dtype, 1, frames.out[k], b + H5CALIB_SOON);
            EACH_VECTOR(v) value[v] = SIMD(real)(SIMD(load_words)(raw + v * LANES));
            FN(apply)(f, dtype, true, 1, &high, NULL, b, value);
            FN(put)(frames.masked, frames.stream, frames.out[k] + b, value);
        }
    }
}

/* Raw uint16; false: it is not of that kind. */
static TARGET bool FN(pedestal_fused)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                      const h5calib_run *runs, size_t n_runs, size_t i, size_t n)
{
    h5calib_formula f = {0};
    if (runs->raw_dtype != H5CALIB_U16 || runs->raw_step != 1 || !FN(plain_output)(c, runs) ||
        !h5calib_formula_add(&f, cell->planes[0], 1, runs->first + i))
        return false;
    if (f.uniform && n > H5CALIB_TILE)
        return false;
    if (f.dtype == H5CALIB_F16)
        FN(pedestal_blocks)(runs, n_runs, i, n, &f, H5CALIB_F16);
    else if (n_runs == 1)
        FN(pedestal_blocks)(runs, 1, i, n, &f, H5CALIB_F32);
    else
        FN(pedestal_blocks)(runs, n_runs, i, n, &f, H5CALIB_F32);
    return true;
}
#endif

H5CALIB_INLINE TARGET void FN(pedestal_tile)(const h5calib_calibrator *c, const h5calib_cell *cell,
                                             const h5calib_run *run, size_t i, size_t n)
{
    SCRATCH(value);
    FN(subtract)(cell, run, i, n, value);
    FN(finish)(c, run, i, n, value);
}
H5CALIB_FUSED_KERNEL(pedestal)

/* The first h5calib had plain arithmetic and floating-point output only. */
H5CALIB_INLINE TARGET void FN(pedestal_v1_tile)(const h5calib_calibrator *c,
                                                const h5calib_cell *cell, const h5calib_run *run,
                                                size_t i, size_t n)
{
    (void)c;
    FN(subtract)(cell, run, i, n, (REAL *)run->out + i);
}
H5CALIB_KERNEL(pedestal_v1)

#else

#include <math.h>

#include "core/internal.h"

#define TEMPLATE "kernels/pedestal.c"
#include "core/variants.h"

#define MEANING "pedestal (dark) in ADU"

static const h5calib_constant_spec frame[] = {
    {"pedestal", 1, 1, 0, MEANING},
    {"pixel_mask", 1, 1, H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};
static const h5calib_constant_spec cells[] = {
    {"pedestal", 1, 1, H5CALIB_CONSTANT_PER_CELL, MEANING},
    {"pixel_mask", 1, 1,
     H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_PER_CELL | H5CALIB_CONSTANT_MASK, "0 good"},
};
static const h5calib_parameter_spec parameters[] = {H5CALIB_COMMON_PARAMETER_SPECS,
                                                    H5CALIB_OUTPUT_SPEC(1)};

const h5calib_algorithm_entry h5calib_pedestal_v1 = {
    {0x00010001, "pedestal_v1", "raw - pedestal", H5CALIB_LEGACY, H5CALIB_RAW_ONE, 1, frame, 0,
     NULL},
    NULL,
    0,
    0,
    H5CALIB_KERNELS(pedestal_v1),
};
const h5calib_algorithm_entry h5calib_agipd_v1 = {
    {0x00020001, "AGIPD_v1", "raw - pedestal[cell]", H5CALIB_LEGACY, H5CALIB_RAW_ONE, 1, cells, 0,
     NULL},
    NULL,
    0,
    0,
    H5CALIB_KERNELS(pedestal_v1),
};
const h5calib_algorithm_entry h5calib_pedestal = {
    {0x00040001, "pedestal", "raw - pedestal", 0, H5CALIB_RAW_ONE, H5CALIB_TABLE(frame),
     H5CALIB_TABLE(parameters)},
    NULL,
    0,
    0,
    H5CALIB_KERNELS(pedestal),
};
const h5calib_algorithm_entry h5calib_cell_pedestal = {
    {0x00050001, "cell_pedestal", "raw - pedestal[cell]", 0, H5CALIB_RAW_ONE, H5CALIB_TABLE(cells),
     H5CALIB_TABLE(parameters)},
    NULL,
    0,
    0,
    H5CALIB_KERNELS(pedestal),
};

#endif
