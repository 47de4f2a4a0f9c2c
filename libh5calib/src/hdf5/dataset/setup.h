/*
 * setup.h - what a calibrated dataset is made of, opened and checked.
 */
#ifndef H5CALIB_SETUP_H
#define H5CALIB_SETUP_H

#include "hdf5/dataset/calibrated.h"

/* Fill a calibrated dataset from its group in the file. */
bool h5calib_set_up(binding *b, calibrated *c, hid_t group, const h5calib_descriptor *d,
                    const unsigned *words, size_t n, char *message, size_t message_size);
/* Fill it from the header of a chunk of the first h5calib. */
bool h5calib_set_up_legacy(binding *b, calibrated *c, const h5calib_legacy *l, char *message,
                           size_t message_size);

/* Steps that both share. `stages` receives the length of the stage axis, 0 if not given. */
bool h5calib_find_algorithm(calibrated *c, uint32_t id, char *message, size_t message_size);
bool h5calib_take_constant(binding *b, calibrated *c, hid_t group, const char *link, unsigned k,
                           unsigned *stages, char *message, size_t message_size);
bool h5calib_take_calibrator(calibrated *c, const h5calib_config *config, const unsigned *stages,
                             char *message, size_t message_size);
h5calib_config h5calib_config_of(const calibrated *c, uint32_t algorithm, size_t n_parameters,
                                 const h5calib_parameter *parameters);

#endif
