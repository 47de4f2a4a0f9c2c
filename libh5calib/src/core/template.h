/*
 * template.h - what templates give each other: work on a tile of at most H5CALIB_TILE pixels.
 *
 * Declared once for each variant and REAL (see variants.h), defined in tile.c.
 */

/* Gain stages of the pixels of a tile: one bit a pixel says which constants it
 * takes; more bits are the kernel's own. */
#ifndef H5CALIB_TEMPLATE_H
#define H5CALIB_TEMPLATE_H
enum { H5CALIB_HIGH = 1, H5CALIB_MEDIUM = 2, H5CALIB_LOW = 4, H5CALIB_STAGES = 7 };
#endif

typedef struct FN(stages) {
    INT of[H5CALIB_TILE];
    unsigned char in_block[H5CALIB_TILE / H5CALIB_BLOCK]; /* all bits of a block's pixels */
    unsigned in_tile;                                     /* all bits of the tile's pixels */
} FN(stages);

/* Convert n elements, `step` elements apart, of any dtype. */
TARGET void FN(load)(const void *from, h5calib_dtype dtype, size_t step, size_t n, REAL *to);

/* Values of n raw pixels from pixel i of the run on, where they lie or in scratch:
 * signal (value 0) or gain (value 1). */
TARGET const REAL *FN(raw)(const h5calib_run *run, int value, size_t i, size_t n, REAL *scratch);

/* The pixels [first, first + n) of a plane, where they lie or converted into scratch. */
TARGET const REAL *FN(plane)(const h5calib_plane *plane, size_t first, size_t n, REAL *scratch);

/* Fill in what follows from stages->of. */
TARGET void FN(stages_summary)(FN(stages) * stages, size_t n);

/* The same as `plane`, each pixel from the plane of its stage: high, medium,
 * low. Planes that a block does not need are not touched. */
TARGET const REAL *FN(staged_plane)(const h5calib_plane *planes, const FN(stages) * stages,
                                    size_t first, size_t n, REAL *scratch);

/* The same for more than three planes: the plane of number s where bit s is set,
 * `none` where no bit of a plane is. */
TARGET void FN(select_plane)(const h5calib_plane *planes, unsigned n_planes,
                             const FN(stages) * stages, size_t first, size_t n, REAL none,
                             REAL *to);

/* Values with that bit become `value`; unusable ones (NaN) stay. */
TARGET void FN(replace)(REAL *values, const FN(stages) * stages, INT bit, REAL value, size_t n);

/* The last step: round if asked, masked_value for NaN, and into the output as
 * pixel i of the run and those after it. (The output is written once and never
 * read back: it is not in the cache.) */
TARGET void FN(finish)(const h5calib_calibrator *calibrator, const h5calib_run *run, size_t i,
                       size_t n, REAL *values);

/* In place of finish: the numbers of gain stages as output, H5CALIB_NO_STAGE where `none` is set.
 */
TARGET void FN(finish_stages)(const h5calib_run *run, size_t i, size_t n, const INT *stages,
                              INT none);

/* Subtract the common mode of a frame's pixels that are `used`, `bank_ny` x `bank_nx` being
 * one bank; p are the three parameters; keys is memory for as many REALs as the frame has. */
TARGET void FN(common_mode)(const h5calib_calibrator *calibrator, const double *p, size_t bank_ny,
                            size_t bank_nx, REAL *frame, const unsigned char *used, void *keys);
