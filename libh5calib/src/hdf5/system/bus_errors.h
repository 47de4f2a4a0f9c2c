/*
 * bus_errors.h - SIGBUS is ours while mapped files are looked at, and only then. Linux.
 */
#ifndef H5CALIB_BUS_ERRORS_H
#define H5CALIB_BUS_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on a bus error at an address is first given to `mend`, which is called in the signal's
 * handler and says whether it was one of its own; what is not goes on to the handler that was there
 * before. Until h5calib_bus_errors_end is given what this returns; 0: it cannot be done. */
unsigned h5calib_bus_errors_begin(bool (*mend)(uintptr_t address));
void h5calib_bus_errors_end(unsigned token);
/* A thread that blocks SIGBUS would be killed by it. */
bool h5calib_bus_errors_arrive(void);
/* In the child after a fork. */
void h5calib_bus_errors_after_fork(void);

#endif
