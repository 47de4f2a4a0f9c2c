/* dispatch.c - which CPU variant runs, and running it. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "core/processor.h"

#ifdef H5CALIB_X86
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
    if (variant == H5CALIB_AVX2)
        return h5calib_processor_has(H5CALIB_PROCESSOR_AVX2);
    if (variant == H5CALIB_AVX512)
        return h5calib_processor_has(H5CALIB_PROCESSOR_AVX512);
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
    for (size_t i = 0; i < n_runs; i++)
        h5calib_mask_missing(calibrator, &runs[i]);
    h5calib_release(runs->scratch);
    return H5CALIB_OK;
}

static h5calib_run with_masked(const h5calib_calibrator *calibrator, h5calib_run run)
{
    run.scratch = NULL;
    run.masked = h5calib_masked_value(calibrator, run.out_dtype);
    run.stream =
        run.stream && run.out_dtype == H5CALIB_F32 && (uintptr_t)run.out % sizeof(float) == 0;
    return run;
}

/* Pixels [from, from + n) of a run. */
static h5calib_run part_of(const h5calib_run *run, size_t from, size_t n)
{
    const size_t raw_bytes = from * run->raw_step * h5calib_dtype_size(run->raw_dtype);
    h5calib_run part = *run;
    for (int value = 0; value < 2; value++)
        if (run->raw[value])
            part.raw[value] = (const char *)run->raw[value] + raw_bytes;
    if (run->missing)
        part.missing = run->missing + from;
    part.out = (char *)run->out + from * h5calib_dtype_size(run->out_dtype);
    part.first += from;
    part.count = n;
    return part;
}

/* Groups of runs that are alike, some pixels of each in turn: their constants are still near for
 * the next group. Parts but the first begin where results can be streamed to. The places that more
 * runs at once read from would push each other out of the caches: frames of many trains lie a
 * multiple of 8 MiB apart. */
enum { IN_TURN = 32768, MOST_AT_ONCE = 8 };
static h5calib_status run_in_turn(const h5calib_calibrator *calibrator, const h5calib_cell *cell,
                                  const h5calib_run *runs, const size_t *groups, size_t n_groups)
{
    h5calib_run parts[H5CALIB_MOST_FRAMES];
    bool more = true;
    for (size_t turn = 0; more; turn++) {
        more = false;
        for (size_t g = 0; g < n_groups; g++) {
            const h5calib_run *first = &runs[groups[g]];
            const size_t n_runs = groups[g + 1] - groups[g], start = h5calib_to_cache_line(first);
            const size_t from = turn ? start + turn * IN_TURN : 0;
            const size_t left = first->count - from;
            if (from >= first->count)
                continue;
            const size_t most = turn ? IN_TURN : start + IN_TURN, n = left < most ? left : most;
            for (size_t k = 0; k < n_runs; k++)
                parts[k] = part_of(&first[k], from, n);
            more |= n < left;
            const h5calib_status status = run_kernel(calibrator, cell, parts, n_runs);
            if (status)
                return status;
        }
    }
    return H5CALIB_OK;
}

h5calib_status h5calib_calibrate_runs(const h5calib_calibrator *calibrator,
                                      const h5calib_cell *cell, const h5calib_run *runs,
                                      size_t n_runs)
{
    h5calib_run with[H5CALIB_MOST_FRAMES];
    size_t groups[H5CALIB_MOST_FRAMES + 1] = {0}, n_groups = 0, n = 0;
    bool done[H5CALIB_MOST_FRAMES] = {false};
    if (n_runs > H5CALIB_MOST_FRAMES)
        return H5CALIB_E_ARGUMENT;
    for (size_t i = 0; i < n_runs; i++)
        if (calibrator->whole_frame && runs[i].count != calibrator->ny * calibrator->nx)
            return H5CALIB_E_ARGUMENT;
    for (size_t i = 0; i < n_runs; i++) {
        if (done[i])
            continue;
        const size_t end = n + (calibrator->whole_frame ? 1 : MOST_AT_ONCE);
        for (size_t k = i; k < n_runs && n < end; k++)
            if (!done[k] && alike(&runs[i], &runs[k])) {
                with[n++] = with_masked(calibrator, runs[k]);
                done[k] = true;
            }
        groups[++n_groups] = n;
    }
    if (n_groups > 1 && !calibrator->whole_frame)
        return run_in_turn(calibrator, cell, with, groups, n_groups);
    for (size_t g = 0; g < n_groups; g++) {
        const h5calib_status status =
            run_kernel(calibrator, cell, &with[groups[g]], groups[g + 1] - groups[g]);
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
