/*
 * masked.c - what an unusable pixel holds.
 */
#include <math.h>

#include "core/internal.h"

double h5calib_masked_value(const h5calib_calibrator *calibrator, h5calib_dtype dtype)
{
    static const double least[] = {[H5CALIB_I8] = INT8_MIN,
                                   [H5CALIB_I16] = INT16_MIN,
                                   [H5CALIB_I32] = INT32_MIN,
                                   [H5CALIB_I64] = (double)INT64_MIN,
                                   [H5CALIB_U64] = 0};
    static const double most[] = {
        [H5CALIB_I8] = INT8_MAX,           [H5CALIB_U8] = UINT8_MAX,
        [H5CALIB_I16] = INT16_MAX,         [H5CALIB_U16] = UINT16_MAX,
        [H5CALIB_I32] = INT32_MAX,         [H5CALIB_U32] = UINT32_MAX,
        [H5CALIB_I64] = (double)INT64_MAX, [H5CALIB_U64] = (double)UINT64_MAX};
    const bool legacy = (calibrator->algorithm->public.flags & H5CALIB_LEGACY) != 0;
    const double value = legacy ? NAN : calibrator->parameters[H5CALIB_MASKED_VALUE];
    if (calibrator->output != H5CALIB_OUTPUT_VALUE)
        return calibrator->output == H5CALIB_OUTPUT_MASK ? 1 : H5CALIB_NO_STAGE;
    if (h5calib_is_float(dtype))
        return value;
    if (isnan(value))
        return least[dtype] < 0 ? least[dtype] : most[dtype];
    return fmin(fmax(rint(value), least[dtype]), most[dtype]);
}

/* `most` may be less than the value, which is the double next to it. */
#define FILL(type, most)                                                                           \
    {                                                                                              \
        const type element = value >= (double)(most) ? (type)(most) : (type)value;                 \
        type *to = out;                                                                            \
        for (size_t i = 0; i < count; i++)                                                         \
            to[i] = element;                                                                       \
        break;                                                                                     \
    }

void h5calib_fill_masked(const h5calib_calibrator *calibrator, void *out, h5calib_dtype out_dtype,
                         size_t count)
{
    const double value = h5calib_masked_value(calibrator, out_dtype);
    switch (out_dtype) {
    case H5CALIB_I8: FILL(int8_t, INT8_MAX)
    case H5CALIB_U8: FILL(uint8_t, UINT8_MAX)
    case H5CALIB_I16: FILL(int16_t, INT16_MAX)
    case H5CALIB_U16: FILL(uint16_t, UINT16_MAX)
    case H5CALIB_I32: FILL(int32_t, INT32_MAX)
    case H5CALIB_U32: FILL(uint32_t, UINT32_MAX)
    case H5CALIB_I64: FILL(int64_t, INT64_MAX)
    case H5CALIB_U64: FILL(uint64_t, UINT64_MAX)
    case H5CALIB_F32: FILL(float, INFINITY)
    case H5CALIB_F64: FILL(double, INFINITY)
    case H5CALIB_F16: break; /* never an output */
    }
}
