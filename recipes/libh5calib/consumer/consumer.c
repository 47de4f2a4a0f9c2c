/* A program of a user of the library: it finds header and library through CMake and prints the library's version. */
#include <stdio.h>

#include <h5calib/h5calib.h>

int main(void) {
    puts(h5calib_version());
    return 0;
}
