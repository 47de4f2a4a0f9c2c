/*
 * processor.c - what this processor can do, and whose it is; asked once per process.
 *
 * Not by __builtin_cpu_supports: what it answers depends on the compiler's own library, and that
 * of zig says no to everything.
 */
#include "core/processor.h"

#include <stdatomic.h>

#include "core/internal.h"

#ifdef H5CALIB_X86
#include <cpuid.h>

enum { KNOWN = 1u << 31 };

/* Which registers the system saves: AVX needs 2 and 4, AVX-512 also 0xe0. */
static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0)); /* xgetbv */
    return low;
}

static bool all(unsigned value, unsigned bits)
{
    return (value & bits) == bits;
}

static unsigned ask_processor(void)
{
    const unsigned avx = 1u << 28, f16c = 1u << 29, osxsave = 1u << 27; /* leaf 1, ecx */
    const unsigned avx2 = 1u << 5;                                      /* leaf 7, ebx */
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    unsigned a, b, c, d, found = 0;
    if (!__get_cpuid(0, &a, &b, &c, &d))
        return 0;
    if (b == 0x68747541 && d == 0x69746e65 && c == 0x444d4163) /* "AuthenticAMD" */
        found |= H5CALIB_PROCESSOR_AMD;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !all(c, avx | f16c | osxsave))
        return found;
    const unsigned saved = saved_registers();
    if (!all(saved, 0x6) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !all(b, avx2))
        return found;
    found |= H5CALIB_PROCESSOR_AVX2;
    if (all(saved, 0xe6) && all(b, f | dq | bw | vl))
        found |= H5CALIB_PROCESSOR_AVX512;
    return found;
}

bool h5calib_processor_has(unsigned what)
{
    static atomic_uint known;
    unsigned now = atomic_load_explicit(&known, memory_order_relaxed);
    if (!now) {
        now = ask_processor() | KNOWN; /* threads that ask at the same time see the same */
        atomic_store_explicit(&known, now, memory_order_relaxed);
    }
    return all(now, what);
}

#else

bool h5calib_processor_has(unsigned what)
{
    return what == 0;
}

#endif
