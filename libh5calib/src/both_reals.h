/* both_reals.h - a part of variants.h: the template for float, then for double. */
#define REAL float
#define INT int32_t
#ifdef HAS_SIMD
#define FUSED
#endif
#include "fused.h"
#include "tile.h"
#include TEMPLATE
#undef FUSED
#undef REAL
#undef INT

#define REAL double
#define INT int64_t
#include "tile.h"
#include TEMPLATE
#undef REAL
#undef INT
