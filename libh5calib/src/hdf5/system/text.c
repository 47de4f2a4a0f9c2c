/*
 * text.c - strings as long as they have to be.
 */
#include "hdf5/system/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *h5calib_text(const char *format, ...)
{
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    const int n = vsnprintf(NULL, 0, format, values);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(values);
    return text;
}
