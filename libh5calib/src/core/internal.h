/*
 * internal.h - the structures of the core.
 *
 *   algorithm   the public description and its kernels; one per detector file
 *   calibrator  an algorithm with checked parameters (core.h)
 *   plane       one constant at one gain stage, contiguous, in the dtype the
 *               user stored; unusable pixels are NaN
 *   cell        the planes of one memory cell (core.h)
 *   variant     the code for one kind of CPU
 */
#ifndef H5CALIB_INTERNAL_H
#define H5CALIB_INTERNAL_H

#include <stdbool.h>

#include "core/compiler.h"
#include "core/core.h"

#define H5CALIB_MAX_PARAMETERS 24
#define H5CALIB_MAX_PLANES 8
/* Kernels work on tiles of this many pixels, small enough for the L1 cache. */
#define H5CALIB_TILE 512
/* Gain stages are looked for in blocks of this many pixels: 64 bytes of
 * float16, the least that memory hands over. */
#define H5CALIB_BLOCK 32

#if defined(__GNUC__) && defined(__x86_64__)
#define H5CALIB_X86 1
#elif defined(__GNUC__) && defined(__aarch64__)
#define H5CALIB_NEON 1
#endif

typedef struct h5calib_plane {
    void *data; /* NULL: this constant is not given */
    h5calib_dtype dtype;
    unsigned size; /* bytes of an element */
    bool uniform;  /* one value for all pixels, stored H5CALIB_TILE times */
    bool in_array; /* the memory is that of an array the cell has adopted or borrowed */
    bool borrowed; /* only to be read */
} h5calib_plane;

enum h5calib_variant {
    H5CALIB_PORTABLE,
#ifdef H5CALIB_X86
    H5CALIB_AVX2,
    H5CALIB_AVX512,
#endif
#ifdef H5CALIB_NEON
    H5CALIB_NEON64,
#endif
    H5CALIB_VARIANTS
};

/* The same pixels of one or more frames, laid out alike (dispatch.c). */
typedef void h5calib_kernel(const h5calib_calibrator *calibrator, const h5calib_cell *cell,
                            const h5calib_run *runs, size_t n_runs);

typedef struct h5calib_algorithm_entry {
    h5calib_algorithm public;
    /* Checks what the tables cannot say and chooses planes; NULL: nothing to do. */
    h5calib_status (*setup)(h5calib_calibrator *calibrator, const unsigned *stages, char *message,
                            size_t message_size);
    unsigned mask_into; /* the constant that becomes NaN where a mask says so; the mask itself:
                           it becomes what a kernel subtracts last, 0 or NaN */
    double neutral;     /* what that constant holds where only a mask is given */
    h5calib_kernel *kernels[H5CALIB_VARIANTS][2]; /* float, double */
} h5calib_algorithm_entry;

enum { H5CALIB_OUTPUT_VALUE, H5CALIB_OUTPUT_MASK, H5CALIB_OUTPUT_STAGE };

struct h5calib_calibrator {
    const h5calib_algorithm_entry *algorithm;
    size_t ny, nx;
    double parameters[H5CALIB_MAX_PARAMETERS];
    bool rounding; /* results are whole numbers, half to even */
    bool whole_frame;
    uint32_t steps;     /* of cell ids, from one cell to the next */
    int output;         /* H5CALIB_OUTPUT_... */
    unsigned mask_into; /* that of the algorithm, if its setup says nothing else */
    unsigned n_missing;
    int64_t missing[H5CALIB_MOST_MISSING_VALUES]; /* raw numbers of pixels that are missing */
    struct {
        unsigned planes;                         /* 0: not given, or not needed */
        unsigned char stage[H5CALIB_MAX_PLANES]; /* what each plane is a copy of */
        bool divisor;                            /* zero makes a pixel unusable */
        bool reciprocal;                         /* the planes hold float32(1 / value) */
        bool mean;                               /* the cell keeps the mean of the first plane */
        bool absent;                             /* not given: made of 0 (a divisor or factor: 1) */
    } constants[H5CALIB_MAX_CONSTANTS];
};

struct h5calib_cell {
    size_t bytes;
    void *arrays[H5CALIB_MAX_CONSTANTS]; /* adopted */
    /* Of a float16 or float32 constant that is compared with: for each plane, and each block of
     * the frame's pixels, a raw number that all those above any value there of this or a later
     * plane are not below. */
    uint16_t *least[H5CALIB_MAX_CONSTANTS];
    double mean[H5CALIB_MAX_CONSTANTS];
    h5calib_plane planes[H5CALIB_MAX_CONSTANTS][H5CALIB_MAX_PLANES];
};

/* Blocks of a frame. */
static inline size_t h5calib_blocks(const h5calib_calibrator *c)
{
    return (c->ny * c->nx + H5CALIB_BLOCK - 1) / H5CALIB_BLOCK;
}

/* Every algorithm but the legacy ones has these parameters first. */
enum { H5CALIB_MASKED_VALUE, H5CALIB_BAD_CELL, H5CALIB_MASK_BITS, H5CALIB_COMMON_PARAMETERS };
#define H5CALIB_COMMON_PARAMETER_SPECS                                                             \
    {"masked_value", NAN, -INFINITY, INFINITY,                                                     \
     "what an unusable pixel holds; NaN in integers: the least signed, the greatest unsigned"},    \
        {"bad_cell", 0, 0, 1, "a cell id outside the constants: 0 error, 1 nan"},                  \
        {"mask_bits", 4294967295.0, 0, 4294967295.0,                                               \
         "bits of a mask that make a pixel unusable; all 32: any bit does"}

/* The last parameters of most: what to compute, for those with gain stages too. */
#define H5CALIB_OUTPUT_SPEC(most)                                                                  \
    {"output", 0, 0, most,                                                                         \
     (most) == 2 ? "0 value, 1 mask (uint8, 1 unusable), 2 gain_stage (uint8, 255 none)"           \
                 : "0 value, 1 mask (uint8, 1 unusable)"}
#define H5CALIB_NO_STAGE 255

/* Parameters of the common mode, in this order. */
enum { H5CALIB_COMMON_MODE, H5CALIB_COMMON_MODE_LIMIT, H5CALIB_COMMON_MODE_PIXELS };
enum { H5CALIB_ROWS = 1, H5CALIB_COLUMNS = 2, H5CALIB_BANKS = 4 };
#define H5CALIB_COMMON_MODE_SPECS                                                                  \
    {"common_mode", 0, 0, 7, "sum of 1 rows, 2 columns, 4 banks; 0 none"},                         \
        {"common_mode_limit", 100, 0, INFINITY, "ADU: a median not below it is not subtracted"},   \
        {"common_mode_pixels", 10, 0, INFINITY,                                                    \
         "a bank needs as many usable pixels, a row or column of it more"}

/* Where spec tables are written: a table and its length. */
#define H5CALIB_TABLE(table) sizeof(table) / sizeof((table)[0]), table

/* Use `planes` planes of constant k, copies of the stages that `stage` lists. */
void h5calib_choose_planes(h5calib_calibrator *calibrator, unsigned k, unsigned planes,
                           const unsigned char *stage);

/* One more missing value; whether all of them can be in raw data of that type; (missing.c). */
h5calib_status h5calib_take_missing(h5calib_calibrator *c, double value, char *message,
                                    size_t message_size);
h5calib_status h5calib_check_missing(const h5calib_calibrator *c, h5calib_dtype raw,
                                     const char *dtype_name, char *message, size_t message_size);
/* Masked are the missing pixels of a run that is calibrated; 0 are those in `used`. */
void h5calib_mask_missing(const h5calib_calibrator *c, const h5calib_run *run);
void h5calib_leave_missing(const h5calib_calibrator *c, const h5calib_run *run,
                           unsigned char *used);

/* The algorithms, each defined in its kernel file. */
extern const h5calib_algorithm_entry *const h5calib_algorithms[];

/* masked_value as an element of that dtype holds it. */
double h5calib_masked_value(const h5calib_calibrator *calibrator, h5calib_dtype dtype);

/* How many pixels a run has before the first cache line of its output, if that is streamed. */
static inline size_t h5calib_to_cache_line(const h5calib_run *run)
{
    const size_t pixels = run->stream ? (size_t)(-(uintptr_t)run->out % 64) / sizeof(float) : 0;
    return pixels < run->count ? pixels : run->count;
}

/* Looks at many values at once, by every variant (tile.c). */
typedef struct h5calib_checks {
    bool (*unusable)(const void *from, h5calib_dtype dtype, size_t n, bool divisor);
    /* Lower `least`, one for each block of n pixels, to their least value. */
    void (*lower)(const void *from, h5calib_dtype dtype, size_t n, float *least);
} h5calib_checks;
const h5calib_checks *h5calib_checks_in_use(void);

/* The variant in use; H5CALIB_VARIANTS where H5CALIB_CPU names none. */
enum h5calib_variant h5calib_variant_in_use(void);
/* Says which names there are, where H5CALIB_CPU is not one of them. */
h5calib_status h5calib_check_variant(char *message, size_t message_size);
/* Every kernel writes its name here. */
extern H5CALIB_THREAD_LOCAL const char *h5calib_kernel_ran;

H5CALIB_ANYWHERE(uint16_t, h5calib_raw_u16);

static inline bool h5calib_is_float(h5calib_dtype dtype)
{
    return dtype >= H5CALIB_F16 && dtype <= H5CALIB_F64;
}

/* Integers of 8 and 16 bits are computed in float, all wider types in double. */
static inline bool h5calib_computed_in_double(h5calib_dtype out)
{
    return out == H5CALIB_F64 || (out >= H5CALIB_I32 && out <= H5CALIB_U64);
}

#endif
