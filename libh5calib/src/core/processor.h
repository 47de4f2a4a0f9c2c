/*
 * processor.h - what this processor can do, and whose it is.
 */
#ifndef H5CALIB_PROCESSOR_H
#define H5CALIB_PROCESSOR_H

#include <stdbool.h>

enum {
    H5CALIB_PROCESSOR_AVX2 = 1,   /* and F16C; the system saves their registers */
    H5CALIB_PROCESSOR_AVX512 = 2, /* F, BW, VL and DQ, and all of the above */
    H5CALIB_PROCESSOR_AMD = 4     /* its maker: some ways that pay on others cost time there */
};

/* Has it all of these? */
bool h5calib_processor_has(unsigned what);

#endif
