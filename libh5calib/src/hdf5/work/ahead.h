/*
 * ahead.h - the chunk of a filter call, and those that are likely asked for next.
 *
 * After two equal steps from chunk to chunk, helpers prepare the next ones while
 * HDF5 copies this one to its user. One is used only if the same set-up dataset,
 * which rests on unchanged files, is asked for that very chunk.
 */
#ifndef H5CALIB_AHEAD_H
#define H5CALIB_AHEAD_H

#include "hdf5/work/chunk.h"

/* Chunk `number` in memory for HDF5 to own, or NULL with a message. */
void *h5calib_chunk(binding *b, calibrated *c, uint64_t number, size_t *bytes, char *message,
                    size_t message_size);

/* A chunk of the first h5calib: one frame, whose memory cell is given. */
void *h5calib_chunk_legacy(binding *b, calibrated *c, uint64_t frame, uint32_t cell, size_t *bytes,
                           char *message, size_t message_size);

/* Forget what was prepared: when this returns, nobody computes anything. */
void h5calib_ahead_stop(binding *b);

#endif
