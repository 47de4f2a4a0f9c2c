/* algorithms.c - the table of all algorithms. One line each; the rest is in kernels/. */
#include <string.h>

#include "core/internal.h"

#define ALGORITHMS(line)                                                                           \
    line(h5calib_pedestal_v1) line(h5calib_agipd_v1) line(h5calib_agipd_v2) line(h5calib_jungfrau) \
        line(h5calib_pedestal) line(h5calib_cell_pedestal) line(h5calib_agipd) line(h5calib_lpd)   \
            line(h5calib_dssc) line(h5calib_epix10ka) line(h5calib_epix100) line(h5calib_ccd)      \
                line(h5calib_flat_field) line(h5calib_linear) line(h5calib_photon_counting)

#define DECLARE(name) extern const h5calib_algorithm_entry name;
#define ADDRESS(name) &name,
ALGORITHMS(DECLARE)
const h5calib_algorithm_entry *const h5calib_algorithms[] = {ALGORITHMS(ADDRESS) NULL};

const h5calib_algorithm *h5calib_algorithm_at(size_t index)
{
    const size_t n = sizeof h5calib_algorithms / sizeof *h5calib_algorithms - 1;
    return index < n ? &h5calib_algorithms[index]->public : NULL;
}

const h5calib_algorithm *h5calib_algorithm_by_id(uint32_t id)
{
    for (size_t i = 0; h5calib_algorithms[i]; i++)
        if (h5calib_algorithms[i]->public.id == id)
            return &h5calib_algorithms[i]->public;
    return NULL;
}

const h5calib_algorithm *h5calib_algorithm_by_name(const char *name)
{
    const h5calib_algorithm *newest = NULL;
    for (size_t i = 0; name && h5calib_algorithms[i]; i++) {
        const h5calib_algorithm *a = &h5calib_algorithms[i]->public;
        if (strcmp(a->name, name) == 0 && (!newest || a->id > newest->id))
            newest = a;
    }
    return newest;
}
