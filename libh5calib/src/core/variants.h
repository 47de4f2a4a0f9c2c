/*
 * variants.h - compile a template for every CPU variant, for float and double.
 *
 * A template is a C file that includes this header with TEMPLATE defined as its
 * own name and is then included again with
 *   REAL, INT     float and int32_t, or double and int64_t
 *   VARIANT       portable, avx2, avx512, neon
 *   TARGET        the function attribute that lets the compiler use that CPU
 *   FN(name)      h5calib_<name>_<REAL>_<VARIANT>
 * Loops are plain C that compilers turn into vectors; since every variant does
 * the same IEEE operations in the same order, all give the same bits.
 */
#include "core/internal.h"
#include "core/simd.h"

#define H5CALIB_JOIN_(name, real, variant) h5calib_##name##_##real##_##variant
#define H5CALIB_JOIN(name, real, variant) H5CALIB_JOIN_(name, real, variant)
#define FN(name) H5CALIB_JOIN(name, REAL, VARIANT)
#define H5CALIB_STRING_(x) #x
#define H5CALIB_STRING(x) H5CALIB_STRING_(x)

/* Pixel by pixel in any order: lets the compiler use vectors without asking
 * whether input and output overlap (they are the same pixels, or they do not). */
#if defined(__GNUC__) && !defined(__clang__)
#define EACH(j, n) _Pragma("GCC ivdep") for (size_t j = 0; j < (n); j++)
#else
#define EACH(j, n) for (size_t j = 0; j < (n); j++)
#endif

/* A tile in the L1 cache. */
#define SCRATCH(name) _Alignas(64) REAL name[H5CALIB_TILE]

/* Pixels [i, i + n) of a run, tile by tile. Full tiles have a constant length, so that their
 * loops need no remainder; where results are streamed they begin at a cache line. */
#define EACH_TILE(call)                                                                            \
    {                                                                                              \
        size_t i = 0;                                                                              \
        if (h5calib_to_cache_line(run) > 0) {                                                      \
            const size_t n = h5calib_to_cache_line(run);                                           \
            call;                                                                                  \
            i = n;                                                                                 \
        }                                                                                          \
        for (; i + H5CALIB_TILE <= run->count; i += H5CALIB_TILE) {                                \
            const size_t n = H5CALIB_TILE;                                                         \
            call;                                                                                  \
        }                                                                                          \
        if (i < run->count) {                                                                      \
            const size_t n = run->count - i;                                                       \
            call;                                                                                  \
        }                                                                                          \
    }

/* Every frame of a kernel's runs, as `run`. */
#define EACH_RUN for (const h5calib_run *run = runs; run < runs + n_runs; run++)

/* The tiles of every run; or all whole blocks of all runs at once, where that can be done, by
 * fused(c, cell, runs, n_runs, i, n) (fused.h), which says false if it cannot: then it may do
 * tiles, and `call` does the rest. */
#define EACH_TILE_OR(fused, call)                                                                  \
    {                                                                                              \
        const size_t start = h5calib_to_cache_line(runs);                                          \
        const size_t end = runs->count - (runs->count - start) % H5CALIB_BLOCK;                    \
        if (end > start && AT_ONCE(fused, runs, n_runs, start, end - start)) {                     \
            EACH_RUN                                                                               \
            {                                                                                      \
                size_t i = 0, n = start;                                                           \
                if (n > 0)                                                                         \
                    call;                                                                          \
                i = end, n = run->count - end;                                                     \
                if (n > 0)                                                                         \
                    call;                                                                          \
            }                                                                                      \
        } else {                                                                                   \
            EACH_RUN EACH_TILE(if (n % H5CALIB_BLOCK || !AT_ONCE(fused, run, 1, i, n)) call)       \
        }                                                                                          \
    }

/* The kernel `name` of a template that has defined name_tile; a fused one: name_fused as well. */
#define H5CALIB_KERNEL(name)                                                                       \
    static TARGET void FN(name)(const h5calib_calibrator *c, const h5calib_cell *cell,             \
                                const h5calib_run *runs, size_t n_runs)                            \
    {                                                                                              \
        h5calib_kernel_ran = #name "_" H5CALIB_STRING(VARIANT);                                    \
        EACH_RUN EACH_TILE(FN(name##_tile)(c, cell, run, i, n))                                    \
    }
#define H5CALIB_FUSED_KERNEL(name)                                                                 \
    static TARGET void FN(name)(const h5calib_calibrator *c, const h5calib_cell *cell,             \
                                const h5calib_run *runs, size_t n_runs)                            \
    {                                                                                              \
        h5calib_kernel_ran = #name "_" H5CALIB_STRING(VARIANT);                                    \
        BLOCKS(name, FN(name##_tile)(c, cell, run, i, n))                                          \
    }

/* A frame at once, for the common mode: first all pixels less their pedestal into
 * `frame`, noting in `used` which take part, then the rest of the calibration. */
enum { H5CALIB_ALL_AT_ONCE, H5CALIB_SUBTRACT, H5CALIB_SCALE };

/* The kernel of a template whose name_tile knows these passes: its values of pixels lie at
 * FRAME_VALUES and, with H5CALIB_SUBTRACT, its answers at FRAME_USED. `pixels` is what is done
 * where there is no common mode: EACH_RUN EACH_TILE or EACH_TILE_OR. */
#define FRAME_VALUES(run) ((REAL *)(run)->scratch)
#define FRAME_KEYS(run) (FRAME_VALUES(run) + (run)->count)
#define FRAME_USED(run) ((unsigned char *)(FRAME_KEYS(run) + (run)->count))
#define H5CALIB_COMMON_MODE_KERNEL(name, pixels, first_parameter, bank_ny, bank_nx)                \
    static TARGET void FN(name)(const h5calib_calibrator *c, const h5calib_cell *cell,             \
                                const h5calib_run *runs, size_t n_runs)                            \
    {                                                                                              \
        h5calib_kernel_ran = #name "_" H5CALIB_STRING(VARIANT);                                    \
        if (!runs->scratch) {                                                                      \
            pixels(name, FN(name##_tile)(c, cell, run, i, n, H5CALIB_ALL_AT_ONCE)) return;         \
        }                                                                                          \
        EACH_RUN                                                                                   \
        {                                                                                          \
            EACH_TILE(FN(name##_tile)(c, cell, run, i, n, H5CALIB_SUBTRACT))                       \
            h5calib_leave_missing(c, run, FRAME_USED(run));                                        \
            FN(common_mode)(c, c->parameters + (first_parameter), bank_ny, bank_nx,                \
                            FRAME_VALUES(run), FRAME_USED(run), FRAME_KEYS(run));                  \
            EACH_TILE(FN(name##_tile)(c, cell, run, i, n, H5CALIB_SCALE))                          \
        }                                                                                          \
    }
#define TILES(name, call) EACH_RUN EACH_TILE(call)
#define BLOCKS(name, call) EACH_TILE_OR(name##_fused, call)

/* Initialises h5calib_algorithm_entry.kernels. */
#define H5CALIB_PAIR(name, variant)                                                                \
    {h5calib_##name##_float_##variant, h5calib_##name##_double_##variant}
#if defined(H5CALIB_X86)
#define H5CALIB_KERNELS(name)                                                                      \
    {H5CALIB_PAIR(name, portable), H5CALIB_PAIR(name, avx2), H5CALIB_PAIR(name, avx512)}
#elif defined(H5CALIB_NEON)
#define H5CALIB_KERNELS(name) {H5CALIB_PAIR(name, portable), H5CALIB_PAIR(name, neon)}
#else
#define H5CALIB_KERNELS(name) {H5CALIB_PAIR(name, portable)}
#endif

#define TARGET
#define VARIANT portable
#include "core/both_reals.h"
#undef VARIANT
#undef TARGET

#ifdef H5CALIB_X86
#define TARGET __attribute__((target("avx2,f16c")))
#define VARIANT avx2
#define HAS_SIMD
#include "core/both_reals.h"
#undef VARIANT
#undef TARGET

#define TARGET __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
#define VARIANT avx512
#include "core/both_reals.h"
#undef VARIANT
#undef TARGET
#undef HAS_SIMD
#endif

#ifdef H5CALIB_NEON
#define TARGET
#define VARIANT neon
#define HAS_SIMD
#include "core/both_reals.h"
#undef VARIANT
#undef TARGET
#undef HAS_SIMD
#endif
