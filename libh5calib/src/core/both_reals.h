/* both_reals.h - a part of variants.h: the template for float, then for double. */
#define REAL float
#define INT int32_t
#ifdef HAS_SIMD
#define FUSED
#define AT_ONCE(fused, runs, n_runs, i, n) FN(fused)(c, cell, runs, n_runs, i, n)
#else
#define AT_ONCE(fused, runs, n_runs, i, n) false
#endif
#include "core/fused.h"
#include "core/template.h"
#include TEMPLATE
#undef FUSED
#undef AT_ONCE
#undef REAL
#undef INT

#define REAL double
#define INT int64_t
#define AT_ONCE(fused, runs, n_runs, i, n) false
#include "core/template.h"
#include TEMPLATE
#undef AT_ONCE
#undef REAL
#undef INT
