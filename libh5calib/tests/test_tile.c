/* test_tile.c - float16 is converted exactly, all 65536 of them, by every variant. */
#include <math.h>

#include "check.h"
#include "core/internal.h"

typedef void load_float(const void *, h5calib_dtype, size_t, size_t, float *);
typedef void load_double(const void *, h5calib_dtype, size_t, size_t, double *);
load_float h5calib_load_float_portable;
load_double h5calib_load_double_portable;
#ifdef H5CALIB_X86
load_float h5calib_load_float_avx2, h5calib_load_float_avx512;
load_double h5calib_load_double_avx2, h5calib_load_double_avx512;
#endif
#ifdef H5CALIB_NEON
load_float h5calib_load_float_neon;
load_double h5calib_load_double_neon;
#endif

static const struct {
    const char *name;
    load_float *to_float;
    load_double *to_double;
} variants[] = {
    {"portable", h5calib_load_float_portable, h5calib_load_double_portable},
#ifdef H5CALIB_X86
    {"avx2", h5calib_load_float_avx2, h5calib_load_double_avx2},
    {"avx512", h5calib_load_float_avx512, h5calib_load_double_avx512},
#endif
#ifdef H5CALIB_NEON
    {"neon", h5calib_load_float_neon, h5calib_load_double_neon},
#endif
};

/* By the definition of binary16. */
static double value_of(unsigned h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double size = exponent == 0    ? ldexp(fraction, -24)
                        : exponent == 31 ? (fraction ? NAN : INFINITY)
                                         : ldexp(1024 + fraction, exponent - 25);
    return h & 0x8000 ? -size : size;
}

static void check_variant(size_t v, size_t step)
{
    static uint16_t halves[2 * 65536];
    static float floats[65536];
    static double doubles[65536];
    for (unsigned h = 0; h < 65536; h++)
        halves[step * h] = (uint16_t)h;
    variants[v].to_float(halves, H5CALIB_F16, step, 65535, floats); /* an odd number */
    variants[v].to_float(halves + step * 65535, H5CALIB_F16, step, 1, floats + 65535);
    variants[v].to_double(halves, H5CALIB_F16, step, 65536, doubles);
    for (unsigned h = 0; h < 65536; h++) {
        const double wanted = value_of(h);
        uint32_t bits;
        memcpy(&bits, &floats[h], 4);
        if (isnan(wanted)) {
            const uint32_t quiet = (h & 0x8000u) << 16 | 0x7fc00000u | (h & 0x3ffu) << 13;
            CHECK(bits == quiet && isnan(doubles[h]), "%s 0x%04x -> %08x", variants[v].name, h,
                  (unsigned)bits);
        } else {
            CHECK(floats[h] == wanted && doubles[h] == wanted &&
                      !signbit(doubles[h]) == !(h & 0x8000) && bits >> 31 == h >> 15,
                  "%s 0x%04x -> %g", variants[v].name, h, floats[h]);
        }
    }
}

int main(void)
{
    for (size_t i = 0; h5calib_cpu_variant_at(i); i++) {
        size_t v = 0;
        while (strcmp(variants[v].name, h5calib_cpu_variant_at(i)) != 0)
            v++;
        check_variant(v, 1);
        check_variant(v, 2);
        printf("%s\n", variants[v].name);
    }
    return 0;
}
