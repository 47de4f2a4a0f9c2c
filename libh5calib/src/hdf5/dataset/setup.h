/*
 * setup.h - what a calibrated dataset is made of, opened and checked.
 */
#ifndef H5CALIB_SETUP_H
#define H5CALIB_SETUP_H

#include "core/descriptor.h"
#include "hdf5/dataset/calibrated.h"

/* Fill a calibrated dataset from its group in the file. */
bool h5calib_set_up(binding *b, calibrated *c, hid_t group, const h5calib_descriptor *d,
                    const unsigned *words, size_t n, char *message, size_t message_size);

/* Steps that legacy.c shares. `stages` receives the length of the stage axis, 0 if not given. */
bool h5calib_find_algorithm(calibrated *c, uint32_t id, char *message, size_t message_size);
bool h5calib_take_constant(binding *b, calibrated *c, hid_t group, const char *link, unsigned k,
                           unsigned *stages, char *message, size_t message_size);
bool h5calib_take_calibrator(calibrated *c, const h5calib_config *config, const unsigned *stages,
                             char *message, size_t message_size);
h5calib_config h5calib_config_of(const calibrated *c, uint32_t algorithm, size_t n_parameters,
                                 const h5calib_parameter *parameters);

#endif
