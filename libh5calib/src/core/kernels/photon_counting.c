/*
 * photon_counting.c - EIGER, PILATUS: counts times flat field. The greatest number of the raw
 * integer type marks pixels without a count, and NXmx's underload_value and saturation_value
 * bound those that have one.
 */
#ifdef REAL

/* Compared as stored: large counts are not whole numbers in float. */
#define COUNTS(type, most)                                                                         \
    {                                                                                              \
        H5CALIB_ANYWHERE(type, raw_number);                                                        \
        const raw_number *raw = (const raw_number *)run->raw[0] + i;                               \
        EACH(j, n)                                                                                 \
        {                                                                                          \
            const double count = (double)raw[j];                                                   \
            const int bad = raw[j] == (most) || count < least || count > greatest;                 \
            value[j] = bad ? (REAL)NAN : (REAL)raw[j];                                             \
        }                                                                                          \
        break;                                                                                     \
    }

H5CALIB_INLINE TARGET void FN(photon_counting_tile)(const h5calib_calibrator *c,
                                                    const h5calib_cell *cell,
                                                    const h5calib_run *run, size_t i, size_t n)
{
    const double least = c->parameters[UNDERLOAD_VALUE], greatest = c->parameters[SATURATION_VALUE];
    SCRATCH(value);
    SCRATCH(scratch);
    switch (run->raw_dtype) {
    case H5CALIB_I8: COUNTS(int8_t, INT8_MAX)
    case H5CALIB_U8: COUNTS(uint8_t, UINT8_MAX)
    case H5CALIB_I16: COUNTS(int16_t, INT16_MAX)
    case H5CALIB_U16: COUNTS(uint16_t, UINT16_MAX)
    case H5CALIB_I32: COUNTS(int32_t, INT32_MAX)
    case H5CALIB_U32: COUNTS(uint32_t, UINT32_MAX)
    case H5CALIB_I64: COUNTS(int64_t, INT64_MAX)
    case H5CALIB_U64: COUNTS(uint64_t, UINT64_MAX)
    default: {
        const REAL *raw = FN(raw)(run, 0, i, n, scratch);
        EACH(j, n)
        {
            const double count = (double)raw[j];
            value[j] = count < least || count > greatest ? (REAL)NAN : raw[j];
        }
    }
    }
    if (cell->planes[FLAT_FIELD][0].data) {
        const REAL *flat_field =
            FN(plane)(&cell->planes[FLAT_FIELD][0], run->first + i, n, scratch);
        EACH(j, n)
        value[j] *= flat_field[j];
    }
    FN(finish)(c, run, i, n, value);
}
H5CALIB_KERNEL(photon_counting)

#undef COUNTS

#else

#include <math.h>

#include "core/internal.h"

enum { FLAT_FIELD, PIXEL_MASK };
enum { UNDERLOAD_VALUE = H5CALIB_COMMON_PARAMETERS, SATURATION_VALUE };

#define TEMPLATE "kernels/photon_counting.c"
#include "core/variants.h"

static const h5calib_constant_spec constants[] = {
    {"flat_field", 1, 1, H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_POSITIVE, "factor"},
    {"pixel_mask", 1, 1, H5CALIB_CONSTANT_OPTIONAL | H5CALIB_CONSTANT_MASK, "0 good"},
};

static const h5calib_parameter_spec parameters[] = {
    H5CALIB_COMMON_PARAMETER_SPECS,
    {"underload_value", NAN, -INFINITY, INFINITY, "counts below it are unusable; NaN: none"},
    {"saturation_value", NAN, -INFINITY, INFINITY, "counts above it are unusable; NaN: none"},
    H5CALIB_OUTPUT_SPEC(1),
};

const h5calib_algorithm_entry h5calib_photon_counting = {
    {0x000E0001, "photon_counting", "counts * flat_field; the raw type's maximum is unusable", 0,
     H5CALIB_RAW_ONE, H5CALIB_TABLE(constants), H5CALIB_TABLE(parameters)},
    NULL,
    FLAT_FIELD,
    1,
    H5CALIB_KERNELS(photon_counting),
};

#endif
