/*
 * chunk.h - compute one chunk: raw data and constants in, calibrated values out.
 */
#ifndef H5CALIB_CHUNK_H
#define H5CALIB_CHUNK_H

#include "calibrated.h"

/* Chunk number `number` (its place in the grid, C order) into `out`, which holds
 * h5calib_calibrated_chunk_bytes bytes. */
bool h5calib_chunk(binding *b, calibrated *c, uint64_t number, void *out, char *message,
                   size_t message_size);

/* A chunk of the first h5calib: one frame, whose memory cell is given. */
bool h5calib_chunk_legacy(binding *b, calibrated *c, uint64_t frame, uint32_t cell, void *out,
                          char *message, size_t message_size);

#endif
