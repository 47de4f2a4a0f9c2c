/*
 * h5calib.h - calibrate detector frames in memory.
 *
 * This is the public interface of libh5calib. It knows nothing of HDF5: raw
 * pixels and constants are arrays in memory, calibrated pixels are written to
 * an array the caller owns. The HDF5 filter plugin and the Python package
 * h5calib are built on it.
 *
 * Words used throughout:
 *   frame      one image of the detector: ny rows (slow scan) of nx pixels
 *   cell       memory cell a frame was stored in; selects the constants
 *   stage      gain stage of a pixel: 0 high, 1 medium, 2 low
 *   constants  everything the calibration needs beside the raw data
 *   parameter  a number that configures an algorithm (masked_value, ...)
 *
 * Threads: every function may be called from several threads at once. A
 * calibration is immutable once created and may be shared by threads.
 *
 * Errors: functions that can fail return an h5calib_status and, where they
 * take `message`, write one sentence for the user there (always terminated,
 * cut to message_size; message may be NULL). Nothing is printed, ever.
 */
#ifndef H5CALIB_H
#define H5CALIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(H5CALIB_STATIC)
#define H5CALIB_API
#elif defined(_WIN32)
#if defined(H5CALIB_BUILDING)
#define H5CALIB_API __declspec(dllexport)
#else
#define H5CALIB_API __declspec(dllimport)
#endif
#else
#define H5CALIB_API __attribute__((visibility("default")))
#endif

/* Version of the library as a string, for example "0.1.0". Never NULL. */
H5CALIB_API const char *h5calib_version(void);

typedef enum h5calib_status {
    H5CALIB_OK = 0,
    H5CALIB_E_ARGUMENT = 1,  /* a NULL pointer, a zero size, an unknown parameter */
    H5CALIB_E_ALGORITHM = 2, /* no algorithm of that name or id (or a newer version of it) */
    H5CALIB_E_CONSTANT = 3,  /* a constant is missing, or has the wrong shape */
    H5CALIB_E_DTYPE = 4,     /* that dtype cannot be used there */
    H5CALIB_E_CELL = 5,      /* a cell id lies outside the constants */
    H5CALIB_E_MEMORY = 6     /* out of memory */
} h5calib_status;

/* Element types, native byte order. F16 is IEEE 754 binary16. */
typedef enum h5calib_dtype {
    H5CALIB_I8 = 1,
    H5CALIB_U8 = 2,
    H5CALIB_I16 = 3,
    H5CALIB_U16 = 4,
    H5CALIB_I32 = 5,
    H5CALIB_U32 = 6,
    H5CALIB_I64 = 7,
    H5CALIB_U64 = 8,
    H5CALIB_F16 = 9,
    H5CALIB_F32 = 10,
    H5CALIB_F64 = 11
} h5calib_dtype;

/* Bytes of one element of `dtype`; 0 where dtype is not one of the above. */
H5CALIB_API size_t h5calib_dtype_size(h5calib_dtype dtype);

/* ---- what algorithms there are ------------------------------------------ */

enum {                                 /* flags of a constant */
       H5CALIB_CONSTANT_OPTIONAL = 1,  /* may be left out */
       H5CALIB_CONSTANT_PER_CELL = 2,  /* may have a cell axis */
       H5CALIB_CONSTANT_DIVISOR = 4,   /* zero makes the pixel unusable */
       H5CALIB_CONSTANT_MASK = 8,      /* integers; selected bits set = pixel unusable */
       H5CALIB_CONSTANT_COMPARED = 16, /* only compared with: NaN is never exceeded, not unusable */
       H5CALIB_CONSTANT_POSITIVE = 32  /* zero and what is negative make the pixel unusable */
};

typedef struct h5calib_constant_spec {
    const char *name;    /* "pedestal", "gain", ... */
    unsigned stages;     /* length of the stage axis; 1: there is no such axis */
    unsigned max_stages; /* the axis may be this long (JUNGFRAU: 3, 4 or 6 maps) */
    unsigned flags;      /* H5CALIB_CONSTANT_... */
    const char *meaning; /* one line with the unit */
} h5calib_constant_spec;

/* NaN is allowed where it is the default. A parameter with two finite ends takes
 * whole numbers only. */
typedef struct h5calib_parameter_spec {
    const char *name;
    double default_value; /* what holds where the parameter is not given */
    double minimum, maximum;
    const char *meaning; /* one line with the unit; for choices "0 nan, 1 ..." */
} h5calib_parameter_spec;

enum {                           /* flags of an algorithm */
       H5CALIB_WHOLE_FRAME = 1,  /* with common_mode a pixel depends on others of its frame */
       H5CALIB_EXPERIMENTAL = 2, /* its formula has no confirmed public source */
       H5CALIB_LEGACY = 4,       /* exists to read files of the first h5calib */
       H5CALIB_RAW_U16 = 8       /* raw pixels hold bit fields: uint16 (or int16) only */
};

/* Where the two values of a pixel (signal, gain) lie, if there are two. */
typedef enum h5calib_raw_layout {
    H5CALIB_RAW_ONE = 0,   /* (frame, y, x) */
    H5CALIB_RAW_FIRST = 1, /* (frame, 2, y, x), as AGIPD raw files are */
    H5CALIB_RAW_LAST = 2   /* (frame, y, x, 2), as the first h5calib had it */
} h5calib_raw_layout;

/* One algorithm. Ids are (algorithm << 16 | version) and never change their
 * meaning: another formula is another version. Parameters are identified by
 * their position in `parameters`, which only ever grows at its end. */
typedef struct h5calib_algorithm {
    uint32_t id;
    const char *name;    /* "jungfrau" */
    const char *formula; /* one line */
    unsigned flags;
    h5calib_raw_layout raw_layout;
    unsigned n_constants;
    const h5calib_constant_spec *constants;
    unsigned n_parameters;
    const h5calib_parameter_spec *parameters;
} h5calib_algorithm;

/* The algorithms one by one: NULL when index is past the last. */
H5CALIB_API const h5calib_algorithm *h5calib_algorithm_at(size_t index);
/* The algorithm with that id, or the newest of that name; NULL if none. */
H5CALIB_API const h5calib_algorithm *h5calib_algorithm_by_id(uint32_t id);
H5CALIB_API const h5calib_algorithm *h5calib_algorithm_by_name(const char *name);

/* ---- calibrating --------------------------------------------------------- */

/* A constant in memory. Element (cell, stage, y, x) lies at
 * data + cell*strides[0] + stage*strides[1] + y*strides[2] + x*strides[3]
 * bytes; a stride of 0 repeats the value. Any axis order can be described. */
typedef struct h5calib_array {
    const void *data; /* NULL: an optional constant that is not given */
    h5calib_dtype dtype;
    uint32_t cells;  /* length of the cell axis, 1 where there is none */
    uint32_t stages; /* length of the stage axis, 1 where there is none */
    ptrdiff_t strides[4];
} h5calib_array;

/* Parameters that every algorithm has beside its own, but those of the first h5calib: whole raw
 * numbers that stand for no measurement (a lost packet). Such a pixel is missing: it holds
 * masked_value, 1 in a mask, 255 among gain stages, and has no part in a common mode. Of two raw
 * values either is enough. Indices H5CALIB_MISSING_VALUE, H5CALIB_MISSING_VALUE + 1, ... */
enum { H5CALIB_MISSING_VALUE = 0x10000, H5CALIB_MOST_MISSING_VALUES = 8 };

typedef struct h5calib_parameter {
    uint32_t index; /* position in the algorithm's `parameters`, or as above */
    double value;
} h5calib_parameter;

typedef struct h5calib_config {
    uint32_t algorithm; /* id */
    uint32_t ny, nx;    /* pixels of a frame */
    size_t n_parameters;
    const h5calib_parameter *parameters; /* those not given take their default */
} h5calib_config;

typedef struct h5calib_calibration h5calib_calibration;

/*
 * Make a calibration from a configuration and its constants.
 *
 * constants  n_constants arrays in the order of the algorithm's `constants`.
 *            They are copied; the caller's memory is not needed afterwards.
 * out        receives the calibration; free it with h5calib_calibration_free.
 */
H5CALIB_API h5calib_status h5calib_calibration_create(const h5calib_config *config,
                                                      const h5calib_array *constants,
                                                      size_t n_constants, h5calib_calibration **out,
                                                      char *message, size_t message_size);

/* Free a calibration; NULL is allowed. */
H5CALIB_API void h5calib_calibration_free(h5calib_calibration *calibration);

/*
 * Calibrate whole frames.
 *
 * raw        frames in C order, shaped as the algorithm's raw_layout says,
 *            contiguous, aligned to their element size
 * cell_ids   the memory cell of each frame, or NULL where the constants have
 *            no cell axis. A cell outside the constants is an error unless the
 *            parameter "bad_cell" says NaN.
 *            With the parameter "steps" ids count steps of 1/steps of a cell.
 * out        (frames, ny, nx) of out_dtype (F32 or F64; integers where the
 *            algorithm's "rounding" parameter allows them; U8 where its
 *            "output" parameter asks for gain stages or the mask)
 * threads    how many threads may work on it; 0 means 1
 */
H5CALIB_API h5calib_status h5calib_calibrate(const h5calib_calibration *calibration,
                                             const void *raw, h5calib_dtype raw_dtype,
                                             size_t frames, const int64_t *cell_ids, void *out,
                                             h5calib_dtype out_dtype, unsigned threads,
                                             char *message, size_t message_size);

/* ---- which code runs ------------------------------------------------------ */

/* The CPU variant in use: "portable", "avx2", "avx512", "neon". The environment
 * variable H5CALIB_CPU chooses one; a name this build or CPU does not have is
 * an error of every calibration, never a silent fallback. */
H5CALIB_API const char *h5calib_cpu_variant(void);
/* The variants this build has and this CPU can run, one by one; NULL at the end. */
H5CALIB_API const char *h5calib_cpu_variant_at(size_t index);
/* Name of the kernel that the calling thread ran last, "jungfrau_avx2", or "". */
H5CALIB_API const char *h5calib_last_kernel(void);
/* Choose the variant for this process from now on; E_ARGUMENT if unknown. */
H5CALIB_API h5calib_status h5calib_set_cpu_variant(const char *name);

#ifdef __cplusplus
}
#endif
#endif
