/*
 * sizes.h - products of numbers that a file supplies.
 *
 * A file may name any dimensions. Their product is made here, once, when a dataset is
 * set up, and compared with what it may be at most; what is multiplied later is a part
 * of a product that was checked.
 */
#ifndef H5CALIB_SIZES_H
#define H5CALIB_SIZES_H

#include <stdbool.h>
#include <stdint.h>

/* No array has more bytes, in a file or in memory: offsets in it fit into any type for them. */
#define H5CALIB_MOST_BYTES ((uint64_t)INT64_MAX)

/* each * factors[0] * ... * factors[n - 1]; false where it exceeds `most`. Factors of zero do not
 * hide the others: those are multiplied elsewhere. */
static inline bool h5calib_product(const uint64_t *factors, int n, uint64_t each, uint64_t most,
                                   uint64_t *out)
{
    uint64_t product = each;
    bool empty = false;
    if (each > most)
        return false;
    for (int i = 0; i < n; i++) {
        empty = empty || factors[i] == 0;
        if (factors[i] == 0)
            continue;
        if (product > most / factors[i])
            return false;
        product *= factors[i];
    }
    *out = empty ? 0 : product;
    return true;
}

#endif
