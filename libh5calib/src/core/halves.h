/*
 * halves.h - float16 as float and double, a few at once, for every variant (tile.c).
 */
#ifndef H5CALIB_HALVES_H
#define H5CALIB_HALVES_H

#include "core/internal.h"

#ifdef H5CALIB_X86
#include <immintrin.h>
#endif
#ifdef H5CALIB_NEON
#include <arm_neon.h>
#endif

/* float16 to float, exactly: a normal number gets the other exponent, a subnormal
 * one is an integer times 2^-24; NaN keeps its bits and becomes quiet. */
H5CALIB_INLINE float half(uint16_t h)
{
    const uint32_t size = h & 0x7fff, sign = (uint32_t)(h & 0x8000) << 16;
    union {
        uint32_t bits;
        float value;
    } normal, subnormal;
    normal.bits = (size << 13) + (size < 0x7c00 ? 112u << 23 : 224u << 23) +
                  (size > 0x7c00 && size < 0x7e00 ? 1u << 22 : 0);
    subnormal.value = (float)(int32_t)size * (1.0f / 16777216);
    normal.bits = (size < 0x0400 ? subnormal.bits : normal.bits) | sign;
    return normal.value;
}

/* A few float16 at once. */
enum { halves_portable = 8, halves_avx2 = 8, halves_avx512 = 16, halves_neon = 4 };

#define LOAD_HALVES(real)                                                                          \
    H5CALIB_INLINE void load_halves_portable_##real(const h5calib_raw_u16 *from, real *to)         \
    {                                                                                              \
        for (int j = 0; j < 8; j++)                                                                \
            to[j] = (real)half(from[j]);                                                           \
    }
LOAD_HALVES(float)
LOAD_HALVES(double)

#ifdef H5CALIB_X86
#define AVX2 __attribute__((target("avx2,f16c")))
#define AVX512 __attribute__((target("avx512f")))
H5CALIB_INLINE AVX2 void load_halves_avx2_float(const h5calib_raw_u16 *from, float *to)
{
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)));
}
H5CALIB_INLINE AVX2 void load_halves_avx2_double(const h5calib_raw_u16 *from, double *to)
{
    const __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
    _mm256_storeu_pd(to, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    _mm256_storeu_pd(to + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
}
H5CALIB_INLINE AVX512 void load_halves_avx512_float(const h5calib_raw_u16 *from, float *to)
{
    _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)));
}
H5CALIB_INLINE AVX512 void load_halves_avx512_double(const h5calib_raw_u16 *from, double *to)
{
    const __m512i x =
        _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)));
    const __m256i low = _mm512_castsi512_si256(x), high = _mm512_extracti64x4_epi64(x, 1);
    _mm512_storeu_pd(to, _mm512_cvtps_pd(_mm256_castsi256_ps(low)));
    _mm512_storeu_pd(to + 8, _mm512_cvtps_pd(_mm256_castsi256_ps(high)));
}
#endif

#ifdef H5CALIB_NEON
H5CALIB_INLINE float32x4_t halves(const h5calib_raw_u16 *from)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)from)));
}
H5CALIB_INLINE void load_halves_neon_float(const h5calib_raw_u16 *from, float *to)
{
    vst1q_f32(to, halves(from));
}
H5CALIB_INLINE void load_halves_neon_double(const h5calib_raw_u16 *from, double *to)
{
    const float32x4_t x = halves(from);
    vst1q_f64(to, vcvt_f64_f32(vget_low_f32(x)));
    vst1q_f64(to + 2, vcvt_high_f64_f32(x));
}
#endif

#endif
