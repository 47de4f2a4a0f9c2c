/*
 * limits.c - does all that a dataset's chunks take stay within bounds?
 *
 * Everything that is multiplied while chunks are computed is a part of what is
 * multiplied here.
 */
#include "hdf5/dataset/limits.h"

#include "core/sizes.h"
#include "hdf5/system/policy.h"

static bool too_large(const calibrated *c, const char *what, char *message, size_t size)
{
    h5calib_say(message, size,
                "the calibrated dataset in '%s' has %s of more bytes than memory can have: it is "
                "damaged",
                c->home->path, what);
    return false;
}

static bool frame_fits(const calibrated *c, char *message, size_t size)
{
    const hsize_t ny = c->dims[c->rank - 2], nx = c->dims[c->rank - 1];
    uint64_t bytes;
    if (ny <= UINT32_MAX && nx <= UINT32_MAX &&
        h5calib_product(c->dims, c->rank, h5calib_dtype_size(c->dtype), H5CALIB_MOST_BYTES, &bytes))
        return true;
    return too_large(c, "frames or a shape", message, size);
}

/* Raw data of a chunk, as HDF5 may have to read it. */
static bool raw_bytes(const calibrated *c, uint64_t *bytes, uint64_t *frames)
{
    hsize_t count[H5CALIB_MAX_RANK];
    const uint64_t values = c->algorithm->raw_layout == H5CALIB_RAW_ONE ? 1 : 2;
    for (int i = 0; i < c->rank; i++)
        count[i] = c->chunk[i] < c->dims[i] ? c->chunk[i] : c->dims[i];
    return h5calib_product(count, c->rank - 2, 1, H5CALIB_MOST_BYTES, frames) &&
           h5calib_product(count, c->rank, values * c->raw.element, H5CALIB_MOST_BYTES, bytes);
}

bool h5calib_check_chunk(calibrated *c, char *message, size_t size)
{
    uint64_t out, raw, frames, jobs, sum;
    if (!frame_fits(c, message, size))
        return false;
    if (!h5calib_product(c->chunk, c->rank, h5calib_dtype_size(c->dtype), H5CALIB_MOST_BYTES / 4,
                         &out) ||
        !raw_bytes(c, &raw, &frames) || raw > H5CALIB_MOST_BYTES / 4 ||
        !h5calib_product(&frames, 1, H5CALIB_FRAME_BYTES, H5CALIB_MOST_BYTES / 4, &jobs))
        return too_large(c, "chunks", message, size);
    sum = out + raw + jobs;
    if (!h5calib_within_bound("a chunk of the calibrated dataset", sum, message, size))
        return false;
    c->chunk_bytes = (size_t)out;
    return true;
}

/* As they are stored, and once more as they are prepared. */
static bool constant_bytes(const calibrated *c, unsigned k, uint64_t *bytes)
{
    const h5calib_source *s = &c->constants[k];
    hsize_t stored[H5CALIB_MAX_RANK], prepared[3];
    uint64_t one, two;
    prepared[0] = c->dims[c->rank - 2];
    prepared[1] = c->dims[c->rank - 1];
    prepared[2] = 1;
    for (int i = 0; i < s->rank; i++) {
        stored[i] = c->axes[k][i] == 'c' ? 1 : s->dims[i];
        if (c->axes[k][i] == 's')
            prepared[2] = s->dims[i];
    }
    if (!h5calib_product(stored, s->rank, s->element, H5CALIB_MOST_BYTES / 64, &one) ||
        !h5calib_product(prepared, 3, s->element < 4 ? 4 : s->element, H5CALIB_MOST_BYTES / 64,
                         &two))
        return false;
    *bytes = one + two;
    return true;
}

bool h5calib_check_constants(const calibrated *c, char *message, size_t size)
{
    /* its prepared constants, whether it was met, and what a work notes of a cell */
    const uint64_t each = sizeof *c->cells + sizeof *c->met + 8;
    uint64_t sum = 0, bytes;
    for (unsigned k = 0; k < c->algorithm->n_constants; k++) {
        if (!c->constants[k].view)
            continue;
        if (!constant_bytes(c, k, &bytes))
            return too_large(c, "constants", message, size);
        sum += bytes;
    }
    return h5calib_within_bound("constants of one memory cell", sum, message, size) &&
           h5calib_within_bound("the table of memory cells", c->n_cells * each, message, size);
}
