/*
 * test_processor.c - our own look at the processor says what the compiler's library says, and the
 * variants are those of it.
 */
#include <stdbool.h>

#include "check.h"
#include "core/core.h"
#include "core/internal.h"
#include "core/processor.h"

static bool has_variant(const char *name)
{
    for (size_t i = 0; h5calib_cpu_variant_at(i); i++)
        if (strcmp(h5calib_cpu_variant_at(i), name) == 0)
            return true;
    return false;
}

#ifdef H5CALIB_X86
static void check_x86(void)
{
    const bool avx2 = h5calib_processor_has(H5CALIB_PROCESSOR_AVX2);
    const bool avx512 = h5calib_processor_has(H5CALIB_PROCESSOR_AVX512);
    CHECK(has_variant("avx2") == avx2, "avx2 is %d", avx2);
    CHECK(has_variant("avx512") == avx512, "avx512 is %d", avx512);
    CHECK(avx2 || !avx512, "avx512 without avx2");
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse2")) {
        puts("not compared: this compiler's library does not know the processor");
        return;
    }
    CHECK(avx2 == (__builtin_cpu_supports("avx2") != 0), "avx2 is %d", avx2);
    CHECK(avx512 == (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")),
          "avx512 is %d", avx512);
    CHECK(h5calib_processor_has(H5CALIB_PROCESSOR_AMD) == (__builtin_cpu_is("amd") != 0),
          "the maker");
}
#endif

int main(void)
{
    CHECK(h5calib_processor_has(0), "nothing is asked for");
    CHECK(has_variant("portable"), "portable is everywhere");
#ifdef H5CALIB_X86
    check_x86();
#endif
    return 0;
}
