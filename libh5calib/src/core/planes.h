/*
 * planes.h - a constant at one gain stage, from the user's array.
 *
 * False where there is no memory.
 */
#ifndef H5CALIB_PLANES_H
#define H5CALIB_PLANES_H

#include "core/internal.h"

/* As many elements a plane has. */
size_t h5calib_plane_pixels(const h5calib_calibrator *c, const h5calib_plane *plane);
/* Can planes of an array be used where they lie? */
bool h5calib_plane_lies_there(const h5calib_calibrator *c, const h5calib_array *array);
/* One stage of an array: where it lies, or a copy; one tile where all its pixels have one
 * value and `may_be_uniform`. */
bool h5calib_plane_take(const h5calib_calibrator *c, const h5calib_array *array, uint32_t cell,
                        unsigned stage, bool in_array, bool may_be_uniform, h5calib_plane *plane);
/* Make a plane one of another floating-point dtype, each value v or 1 / v. */
bool h5calib_plane_convert(const h5calib_calibrator *c, h5calib_plane *plane, h5calib_dtype dtype,
                           bool reciprocal);
/* NaN where the plane's own value cannot be used. */
bool h5calib_plane_fold(const h5calib_calibrator *c, h5calib_plane *plane, bool divisor,
                        bool positive);
/* NaN where one of the chosen bits of the mask is set. */
bool h5calib_plane_fold_mask(const h5calib_calibrator *c, const h5calib_plane *mask,
                             h5calib_plane *plane);
/* The mean of the finite pixels, summed in double in C order. */
double h5calib_plane_mean(const h5calib_calibrator *c, const h5calib_plane *plane);
/* For each plane p, and each block of its pixels: the least raw number that is above any value of
 * planes p, p + 1, ..., all float16 or float32. NULL: they are not, or there is no memory; kernels
 * can do without. */
uint16_t *h5calib_planes_least_above(const h5calib_calibrator *c, const h5calib_plane *planes,
                                     unsigned n_planes);

#endif
