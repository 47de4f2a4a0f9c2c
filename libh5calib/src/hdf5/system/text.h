/*
 * text.h - strings as long as they have to be.
 */
#ifndef H5CALIB_TEXT_H
#define H5CALIB_TEXT_H

#include <stddef.h>

/* As printf writes it, to be freed; NULL: no memory. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
char *
h5calib_text(const char *format, ...);

#endif
