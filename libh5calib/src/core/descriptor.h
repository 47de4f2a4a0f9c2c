/*
 * descriptor.h - what a chunk says about itself: filter parameters and stub.
 *
 * The layouts are those of docs/file-format.md. Nothing here trusts its input.
 */
#ifndef H5CALIB_DESCRIPTOR_H
#define H5CALIB_DESCRIPTOR_H

#include <stdbool.h>

#include "core/core.h"

#define H5CALIB_FILTER_ID 57836
#define H5CALIB_FORMAT 1u
#define H5CALIB_FLAG_CREATE 1u
#define H5CALIB_FLAG_UNWRITTEN 2u /* raw data whose storage was never written is missing */
#define H5CALIB_FLAG_MISSING 4u   /* there are missing values among the parameters */
#define H5CALIB_FIXED_WORDS 12
#define H5CALIB_DESCRIPTOR_PARAMETERS 64
#define H5CALIB_MAX_WORDS (H5CALIB_FIXED_WORDS + 3 * H5CALIB_DESCRIPTOR_PARAMETERS + 1)
#define H5CALIB_STUB_SIZE 16

typedef struct h5calib_descriptor {
    uint32_t flags;
    uint32_t algorithm;
    uint8_t file_uuid[16];
    uint8_t dataset_uuid[16];
    size_t n_parameters;
    h5calib_parameter parameters[H5CALIB_DESCRIPTOR_PARAMETERS];
} h5calib_descriptor;

/* Words of an existing dataset or of one being created. */
bool h5calib_descriptor_parse(const unsigned *words, size_t n, h5calib_descriptor *out,
                              char *message, size_t message_size);

/* Give words that are complete otherwise another dataset's UUID. */
void h5calib_descriptor_rename(unsigned *words, size_t n, const uint8_t dataset_uuid[16]);

/* The chunk number in a stub of n bytes. */
bool h5calib_stub_parse(const void *stub, size_t n, const uint8_t dataset_uuid[16], uint64_t *chunk,
                        char *message, size_t message_size);
void h5calib_stub_write(uint8_t stub[H5CALIB_STUB_SIZE], const uint8_t dataset_uuid[16],
                        uint64_t chunk);

/* 32 digits and a terminating NUL. */
void h5calib_uuid_text(const uint8_t uuid[16], char text[33]);
bool h5calib_uuid_parse(const char text[32], uint8_t uuid[16]);

/* ---- chunks of the first h5calib (version 0) ------------------------------- */

#define H5CALIB_LEGACY_MAGIC 0x6290D662u

typedef struct h5calib_legacy {
    uint32_t algorithm;
    uint32_t file_magic;
    uint32_t image, cell, cells, ny, nx;
    const char *raw; /* paths, pointing into the chunk */
    const char *constants;
} h5calib_legacy;

bool h5calib_legacy_parse(const void *chunk, size_t n, h5calib_legacy *out, char *message,
                          size_t message_size);

#endif
