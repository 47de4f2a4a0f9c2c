/*
 * survey.h - look at every dataset of a file that has this filter.
 *
 * Slow in a large file; for the rare questions that nothing else answers.
 */
#ifndef H5CALIB_SURVEY_H
#define H5CALIB_SURVEY_H

#include "core/descriptor.h"
#include "hdf5/library/api.h"

/* One dataset with this filter, and the filter's parameters (n words). */
typedef void h5calib_surveyor(binding *b, hid_t dataset, hid_t plist, const unsigned *words,
                              size_t n, void *data);

void h5calib_survey(binding *b, hid_t file, h5calib_surveyor *look, void *data);

/* Is there a dataset with exactly these parameters? */
bool h5calib_survey_has(binding *b, hid_t file, const unsigned *words, size_t n);

#endif
