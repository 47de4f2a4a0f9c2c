/* dispatch.c - which CPU variant runs, and running it. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#ifdef H5CALIB_X86
#include <cpuid.h>
#include <immintrin.h>
#endif

static const char *const names[] = {
    [H5CALIB_PORTABLE] = "portable",
#ifdef H5CALIB_X86
    [H5CALIB_AVX2] = "avx2",
    [H5CALIB_AVX512] = "avx512",
#endif
#ifdef H5CALIB_NEON
    [H5CALIB_NEON64] = "neon",
#endif
};

H5CALIB_THREAD_LOCAL const char *h5calib_kernel_ran = "";

/* A variant, H5CALIB_VARIANTS for a wrong name in H5CALIB_CPU, or not looked at yet. */
#define NOT_YET (-1)
static atomic_int in_use = NOT_YET;

static bool cpu_has(int variant)
{
#ifdef H5CALIB_X86
    __builtin_cpu_init(); /* looks at XCR0 too: the system must save the registers */
    unsigned a, b, c = 0, d;
    const bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    const bool avx2 = __builtin_cpu_supports("avx2") && f16c;
    if (variant == H5CALIB_AVX2)
        return avx2;
    if (variant == H5CALIB_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
    return variant < H5CALIB_VARIANTS;
}

static int variant_named(const char *name)
{
    for (int v = 0; v < H5CALIB_VARIANTS; v++)
        if (strcmp(name, names[v]) == 0 && cpu_has(v))
            return v;
    return H5CALIB_VARIANTS;
}

static int choose(void)
{
    const char *wanted = getenv("H5CALIB_CPU");
    if (wanted && *wanted)
        return variant_named(wanted);
    int v = H5CALIB_VARIANTS - 1;
    while (!cpu_has(v))
        v--;
    return v;
}

enum h5calib_variant h5calib_variant_in_use(void)
{
    int v = atomic_load_explicit(&in_use, memory_order_relaxed);
    if (v == NOT_YET) {
        int chosen = choose();
        /* unless h5calib_set_cpu_variant was quicker */
        v = atomic_compare_exchange_strong(&in_use, &v, chosen) ? chosen : v;
    }
    return (enum h5calib_variant)v;
}

h5calib_status h5calib_check_variant(char *message, size_t message_size)
{
    char list[64] = "";
    if (h5calib_variant_in_use() < H5CALIB_VARIANTS)
        return H5CALIB_OK;
    for (size_t i = 0; h5calib_cpu_variant_at(i); i++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", h5calib_cpu_variant_at(i));
    }
    const char *wanted = getenv("H5CALIB_CPU");
    h5calib_say(message, message_size, "H5CALIB_CPU is '%s'; this build on this CPU has %s",
                wanted ? wanted : "", list);
    return H5CALIB_E_ARGUMENT;
}

const char *h5calib_cpu_variant(void)
{
    const enum h5calib_variant v = h5calib_variant_in_use();
    return v < H5CALIB_VARIANTS ? names[v] : "";
}

const char *h5calib_cpu_variant_at(size_t index)
{
    for (int v = 0; v < H5CALIB_VARIANTS; v++)
        if (cpu_has(v) && index-- == 0)
            return names[v];
    return NULL;
}

const char *h5calib_last_kernel(void)
{
    return h5calib_kernel_ran;
}

h5calib_status h5calib_set_cpu_variant(const char *name)
{
    const int v = name ? variant_named(name) : H5CALIB_VARIANTS;
    if (v == H5CALIB_VARIANTS)
        return H5CALIB_E_ARGUMENT;
    atomic_store(&in_use, v);
    return H5CALIB_OK;
}

extern const h5calib_checks h5calib_checks_float_portable;
#ifdef H5CALIB_X86
extern const h5calib_checks h5calib_checks_float_avx2, h5calib_checks_float_avx512;
#endif
#ifdef H5CALIB_NEON
extern const h5calib_checks h5calib_checks_float_neon;
#endif

bool h5calib_processor_is_amd(void)
{
#ifdef H5CALIB_X86
    __builtin_cpu_init();
    return __builtin_cpu_is("amd");
#else
    return false;
#endif
}

const h5calib_checks *h5calib_checks_in_use(void)
{
    static const h5calib_checks *const of[] = {
        [H5CALIB_PORTABLE] = &h5calib_checks_float_portable,
#ifdef H5CALIB_X86
        [H5CALIB_AVX2] = &h5calib_checks_float_avx2,
        [H5CALIB_AVX512] = &h5calib_checks_float_avx512,
#endif
#ifdef H5CALIB_NEON
        [H5CALIB_NEON64] = &h5calib_checks_float_neon,
#endif
    };
    const enum h5calib_variant v = h5calib_variant_in_use();
    return of[v < H5CALIB_VARIANTS ? v : H5CALIB_PORTABLE];
}

/* Can a kernel do both at once? */
static bool alike(const h5calib_run *a, const h5calib_run *b)
{
    return a->first == b->first && a->count == b->count && a->raw_step == b->raw_step &&
           a->raw_dtype == b->raw_dtype && a->out_dtype == b->out_dtype && a->stream == b->stream &&
           a->fetch == b->fetch && h5calib_to_cache_line(a) == h5calib_to_cache_line(b);
}

/* Runs that are alike, or one. */
static h5calib_status run_kernel(const h5calib_calibrator *calibrator, const h5calib_cell *cell,
                                 h5calib_run *runs, size_t n_runs)
{
    const enum h5calib_variant v = h5calib_variant_in_use();
    const bool real = h5calib_computed_in_double(runs->out_dtype);
    if (v >= H5CALIB_VARIANTS)
        return H5CALIB_E_ARGUMENT;
    if (calibrator->whole_frame) {
        const size_t size = real ? sizeof(double) : sizeof(float);
        runs->scratch = h5calib_allocate(runs->count * (2 * size + 1));
        if (!runs->scratch)
            return H5CALIB_E_MEMORY;
    }
    calibrator->algorithm->kernels[v][real](calibrator, cell, runs, n_runs);
#ifdef H5CALIB_X86
    if (runs->stream)
        _mm_sfence(); /* other threads see the results once they are told of them */
#endif
    h5calib_release(runs->scratch);
    return H5CALIB_OK;
}

h5calib_status h5calib_calibrate_runs(const h5calib_calibrator *calibrator,
                                      const h5calib_cell *cell, const h5calib_run *runs,
                                      size_t n_runs)
{
    h5calib_run with[H5CALIB_MOST_FRAMES];
    bool done[H5CALIB_MOST_FRAMES] = {false};
    const size_t most = calibrator->whole_frame ? 1 : n_runs;
    if (n_runs > H5CALIB_MOST_FRAMES)
        return H5CALIB_E_ARGUMENT;
    for (size_t i = 0; i < n_runs; i++) {
        if (calibrator->whole_frame && runs[i].count != calibrator->ny * calibrator->nx)
            return H5CALIB_E_ARGUMENT;
        size_t n = 0;
        for (size_t k = i; k < n_runs && n < most; k++) {
            if (done[k] || !alike(&runs[i], &runs[k]))
                continue;
            with[n] = runs[k];
            with[n].scratch = NULL;
            with[n].masked = h5calib_masked_value(calibrator, runs[k].out_dtype);
            with[n].stream = runs[k].stream && runs[k].out_dtype == H5CALIB_F32 &&
                             (uintptr_t)runs[k].out % 4 == 0;
            n++;
            done[k] = true;
        }
        const h5calib_status status = n ? run_kernel(calibrator, cell, with, n) : H5CALIB_OK;
        if (status)
            return status;
    }
    return H5CALIB_OK;
}

h5calib_status h5calib_calibrate_run(const h5calib_calibrator *calibrator, const h5calib_cell *cell,
                                     const h5calib_run *run)
{
    return h5calib_calibrate_runs(calibrator, cell, run, 1);
}
