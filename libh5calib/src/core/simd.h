/*
 * simd.h - vectors of floats for fused kernels: what AVX2, AVX-512 and NEON have in common.
 *
 * In a template (variants.h) these are of the variant being compiled:
 *   VEC          LANES floats             MASK   a truth value for each of them
 *   WORDS        LANES int32              SIMD(operation)
 * The portable variant has none: FUSED is not defined there.
 */
#ifndef H5CALIB_SIMD_H
#define H5CALIB_SIMD_H

#include "core/internal.h"

#ifdef H5CALIB_X86 /* processors without this instruction pass over it */
#define H5CALIB_FETCH_TO_WRITE(address) __asm__ volatile("prefetchw %0" : : "m"(*(address)))
#else
#define H5CALIB_FETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#endif
#define H5CALIB_SIMD_(variant, name) h5calib_##variant##_##name
#define H5CALIB_SIMD(variant, name) H5CALIB_SIMD_(variant, name)
#define SIMD(name) H5CALIB_SIMD(VARIANT, name)
#define VEC SIMD(vec)
#define MASK SIMD(mask)
#define WORDS SIMD(words)
#define LANES SIMD(lanes)

#ifdef H5CALIB_X86
#include <immintrin.h>

#define OP H5CALIB_INLINE __attribute__((target("avx2,f16c")))
typedef __m256 h5calib_avx2_vec;
typedef __m256 h5calib_avx2_mask;
typedef __m256i h5calib_avx2_words;
enum { h5calib_avx2_lanes = 8 };
OP __m256 h5calib_avx2_set(float x)
{
    return _mm256_set1_ps(x);
}
OP __m256 h5calib_avx2_load(const float *from)
{
    return _mm256_loadu_ps(from);
}
OP __m256 h5calib_avx2_load_half(const uint16_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}
OP __m256i h5calib_avx2_load_words(const uint16_t *from)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
}
OP __m256 h5calib_avx2_real(__m256i x)
{
    return _mm256_cvtepi32_ps(x);
}
OP __m256i h5calib_avx2_bits(__m256i x, int32_t bits)
{
    return _mm256_and_si256(x, _mm256_set1_epi32(bits));
}
OP __m256 h5calib_avx2_equal(__m256i x, int32_t y)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(x, _mm256_set1_epi32(y)));
}
OP __m256 h5calib_avx2_test(__m256i x, int32_t bits)
{
    const __m256i none = _mm256_cmpeq_epi32(h5calib_avx2_bits(x, bits), _mm256_setzero_si256());
    return _mm256_castsi256_ps(_mm256_xor_si256(none, _mm256_set1_epi32(-1)));
}
/* Is any of H5CALIB_BLOCK raw numbers at least `least`? Has any of them one of these bits? */
OP bool h5calib_avx2_any_from(const uint16_t *x, uint16_t least)
{
    const __m256i from = _mm256_set1_epi16((short)least);
    const __m256i a = _mm256_loadu_si256((const __m256i *)x);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(x + 16));
    return _mm256_movemask_epi8(
               _mm256_or_si256(_mm256_cmpeq_epi16(_mm256_max_epu16(a, from), a),
                               _mm256_cmpeq_epi16(_mm256_max_epu16(b, from), b))) != 0;
}
OP bool h5calib_avx2_any_bits(const uint16_t *x, uint16_t bits)
{
    const __m256i a = _mm256_loadu_si256((const __m256i *)x);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(x + 16));
    return !_mm256_testz_si256(_mm256_or_si256(a, b), _mm256_set1_epi16((short)bits));
}
OP __m256 h5calib_avx2_above(__m256 x, __m256 y)
{
    return _mm256_cmp_ps(x, y, _CMP_GT_OQ);
}
OP __m256 h5calib_avx2_both(__m256 a, __m256 b)
{
    return _mm256_and_ps(a, b);
}
OP __m256 h5calib_avx2_without(__m256 a, __m256 b)
{
    return _mm256_andnot_ps(b, a);
}
OP bool h5calib_avx2_any(__m256 a)
{
    return _mm256_movemask_ps(a) != 0;
}
OP __m256 h5calib_avx2_select(__m256 a, __m256 yes, __m256 no)
{
    return _mm256_blendv_ps(no, yes, a);
}
OP __m256 h5calib_avx2_subtract(__m256 x, __m256 y)
{
    return _mm256_sub_ps(x, y);
}
OP __m256 h5calib_avx2_multiply(__m256 x, __m256 y)
{
    return _mm256_mul_ps(x, y);
}
OP __m256 h5calib_avx2_divide(__m256 x, __m256 y)
{
    return _mm256_div_ps(x, y);
}
OP __m256 h5calib_avx2_if_nan(__m256 x, __m256 then)
{
    return _mm256_blendv_ps(x, then, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
OP void h5calib_avx2_store(float *to, __m256 x)
{
    _mm256_storeu_ps(to, x);
}
OP void h5calib_avx2_stream(float *to, __m256 x)
{
    _mm256_stream_ps(to, x);
}
#undef OP

#define OP H5CALIB_INLINE __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
typedef __m512 h5calib_avx512_vec;
typedef __mmask16 h5calib_avx512_mask;
typedef __m512i h5calib_avx512_words;
enum { h5calib_avx512_lanes = 16 };
OP __m512 h5calib_avx512_set(float x)
{
    return _mm512_set1_ps(x);
}
OP __m512 h5calib_avx512_load(const float *from)
{
    return _mm512_loadu_ps(from);
}
OP __m512 h5calib_avx512_load_half(const uint16_t *from)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}
OP __m512i h5calib_avx512_load_words(const uint16_t *from)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
}
OP __m512 h5calib_avx512_real(__m512i x)
{
    return _mm512_cvtepi32_ps(x);
}
OP __m512i h5calib_avx512_bits(__m512i x, int32_t bits)
{
    return _mm512_and_si512(x, _mm512_set1_epi32(bits));
}
OP __mmask16 h5calib_avx512_equal(__m512i x, int32_t y)
{
    return _mm512_cmpeq_epi32_mask(x, _mm512_set1_epi32(y));
}
OP __mmask16 h5calib_avx512_test(__m512i x, int32_t bits)
{
    return _mm512_test_epi32_mask(x, _mm512_set1_epi32(bits));
}
OP bool h5calib_avx512_any_from(const uint16_t *x, uint16_t least)
{
    return _mm512_cmpge_epu16_mask(_mm512_loadu_si512(x), _mm512_set1_epi16((short)least)) != 0;
}
OP bool h5calib_avx512_any_bits(const uint16_t *x, uint16_t bits)
{
    return _mm512_test_epi16_mask(_mm512_loadu_si512(x), _mm512_set1_epi16((short)bits)) != 0;
}
OP __mmask16 h5calib_avx512_above(__m512 x, __m512 y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_GT_OQ);
}
OP __mmask16 h5calib_avx512_both(__mmask16 a, __mmask16 b)
{
    return a & b;
}
OP __mmask16 h5calib_avx512_without(__mmask16 a, __mmask16 b)
{
    return _kandn_mask16(b, a);
}
OP bool h5calib_avx512_any(__mmask16 a)
{
    return a != 0;
}
OP __m512 h5calib_avx512_select(__mmask16 a, __m512 yes, __m512 no)
{
    return _mm512_mask_blend_ps(a, no, yes);
}
OP __m512 h5calib_avx512_subtract(__m512 x, __m512 y)
{
    return _mm512_sub_ps(x, y);
}
OP __m512 h5calib_avx512_multiply(__m512 x, __m512 y)
{
    return _mm512_mul_ps(x, y);
}
OP __m512 h5calib_avx512_divide(__m512 x, __m512 y)
{
    return _mm512_div_ps(x, y);
}
OP __m512 h5calib_avx512_if_nan(__m512 x, __m512 then)
{
    /* by kind of number: the first two are NaNs, all others stay */
    return _mm512_fixupimm_ps(then, x, _mm512_set1_epi32(0x11111100), 0);
}
OP void h5calib_avx512_store(float *to, __m512 x)
{
    _mm512_storeu_ps(to, x);
}
OP void h5calib_avx512_stream(float *to, __m512 x)
{
    _mm512_stream_ps(to, x);
}
#undef OP
#endif

#ifdef H5CALIB_NEON
#include <arm_neon.h>

#define OP H5CALIB_INLINE
typedef float32x4_t h5calib_neon_vec;
typedef uint32x4_t h5calib_neon_mask;
typedef int32x4_t h5calib_neon_words;
enum { h5calib_neon_lanes = 4 };
OP float32x4_t h5calib_neon_set(float x)
{
    return vdupq_n_f32(x);
}
OP float32x4_t h5calib_neon_load(const float *from)
{
    return vld1q_f32(from);
}
OP float32x4_t h5calib_neon_load_half(const uint16_t *from)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
}
OP int32x4_t h5calib_neon_load_words(const uint16_t *from)
{
    return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(from)));
}
OP float32x4_t h5calib_neon_real(int32x4_t x)
{
    return vcvtq_f32_s32(x);
}
OP int32x4_t h5calib_neon_bits(int32x4_t x, int32_t bits)
{
    return vandq_s32(x, vdupq_n_s32(bits));
}
OP uint32x4_t h5calib_neon_equal(int32x4_t x, int32_t y)
{
    return vceqq_s32(x, vdupq_n_s32(y));
}
OP uint32x4_t h5calib_neon_test(int32x4_t x, int32_t bits)
{
    return vtstq_s32(x, vdupq_n_s32(bits));
}
OP uint16x8_t h5calib_neon_sixteen(const uint16_t *x, int i)
{
    return vld1q_u16(x + 8 * i);
}
OP bool h5calib_neon_any_from(const uint16_t *x, uint16_t least)
{
    const uint16x8_t most =
        vmaxq_u16(vmaxq_u16(h5calib_neon_sixteen(x, 0), h5calib_neon_sixteen(x, 1)),
                  vmaxq_u16(h5calib_neon_sixteen(x, 2), h5calib_neon_sixteen(x, 3)));
    return vmaxvq_u16(most) >= least;
}
OP bool h5calib_neon_any_bits(const uint16_t *x, uint16_t bits)
{
    const uint16x8_t all =
        vorrq_u16(vorrq_u16(h5calib_neon_sixteen(x, 0), h5calib_neon_sixteen(x, 1)),
                  vorrq_u16(h5calib_neon_sixteen(x, 2), h5calib_neon_sixteen(x, 3)));
    return vmaxvq_u16(vandq_u16(all, vdupq_n_u16(bits))) != 0;
}
OP uint32x4_t h5calib_neon_above(float32x4_t x, float32x4_t y)
{
    return vcgtq_f32(x, y);
}
OP uint32x4_t h5calib_neon_both(uint32x4_t a, uint32x4_t b)
{
    return vandq_u32(a, b);
}
OP uint32x4_t h5calib_neon_without(uint32x4_t a, uint32x4_t b)
{
    return vbicq_u32(a, b);
}
OP bool h5calib_neon_any(uint32x4_t a)
{
    return vmaxvq_u32(a) != 0;
}
OP float32x4_t h5calib_neon_select(uint32x4_t a, float32x4_t yes, float32x4_t no)
{
    return vbslq_f32(a, yes, no);
}
OP float32x4_t h5calib_neon_subtract(float32x4_t x, float32x4_t y)
{
    return vsubq_f32(x, y);
}
OP float32x4_t h5calib_neon_multiply(float32x4_t x, float32x4_t y)
{
    return vmulq_f32(x, y);
}
OP float32x4_t h5calib_neon_divide(float32x4_t x, float32x4_t y)
{
    return vdivq_f32(x, y);
}
OP float32x4_t h5calib_neon_if_nan(float32x4_t x, float32x4_t then)
{
    return vbslq_f32(vceqq_f32(x, x), x, then);
}
OP void h5calib_neon_store(float *to, float32x4_t x)
{
    vst1q_f32(to, x);
}
OP void h5calib_neon_stream(float *to, float32x4_t x)
{
    vst1q_f32(to, x);
}
#undef OP
#endif

#endif
