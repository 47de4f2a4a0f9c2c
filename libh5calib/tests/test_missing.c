/*
 * test_missing.c - places that were never written are what missing values are: the same pixels are
 * masked, and the others have the same bits; whole, in parts, of several frames at once.
 */
#include <math.h>
#include <stdbool.h>

#include "check.h"
#include "core/core.h"

enum { NY = 37, NX = 301, PIXELS = NY * NX, FRAMES = 9, LOST = 12345 };

static uint16_t raw[FRAMES][2 * PIXELS];
static unsigned char lost[FRAMES][PIXELS];
static float by_value[FRAMES][PIXELS], by_place[FRAMES][PIXELS];

static uint32_t index_of(const h5calib_algorithm *a, const char *name)
{
    for (uint32_t i = 0; i < a->n_parameters; i++)
        if (strcmp(a->parameters[i].name, name) == 0)
            return i;
    CHECK(false, "%s has no %s", a->name, name);
    return 0;
}

/* Long and short stretches, as lost packets and single pixels are. */
static void lose(uint64_t *state, int values)
{
    for (size_t f = 0; f < FRAMES; f++)
        for (size_t i = 0; i < PIXELS;) {
            const bool now = random_bits(state) % 3 == 0;
            const size_t n = 1 + random_bits(state) % (now ? 3 : 900) * (i % 5 ? 1 : 7);
            for (size_t k = i; k < i + n && k < PIXELS; k++) {
                lost[f][k] = now;
                for (int v = 0; v < values; v++)
                    raw[f][k + (size_t)v * PIXELS] =
                        now ? LOST : (uint16_t)(random_bits(state) % 5000);
            }
            i += n;
        }
}

static void calibrate(const h5calib_calibrator *c, const h5calib_cell *cell, bool places,
                      bool values, float (*out)[PIXELS])
{
    h5calib_run runs[FRAMES];
    for (size_t f = 0; f < FRAMES; f++)
        runs[f] = (h5calib_run){.raw = {raw[f], values ? raw[f] + PIXELS : NULL},
                                .raw_step = 1,
                                .raw_dtype = H5CALIB_U16,
                                .out = out[f],
                                .out_dtype = H5CALIB_F32,
                                .count = PIXELS,
                                .stream = f % 2,
                                .missing = places ? lost[f] : NULL};
    CHECK(h5calib_calibrate_runs(c, cell, runs, FRAMES) == H5CALIB_OK, "calibrating");
}

static void check(const char *name, unsigned stages, bool common_mode)
{
    const h5calib_algorithm *a = h5calib_algorithm_by_name(name);
    static const float one[3] = {1500, 1400, 1300};
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS] = {{0}};
    unsigned n_stages[H5CALIB_MAX_CONSTANTS] = {0};
    h5calib_parameter p[5] = {{index_of(a, "masked_value"), -0.125}};
    size_t n = 1;
    if (stages == 3)
        p[n++] = (h5calib_parameter){index_of(a, "fixed_gain"), 1};
    if (common_mode)
        p[n++] = (h5calib_parameter){index_of(a, "common_mode"), 7};
    if (common_mode)
        p[n++] = (h5calib_parameter){index_of(a, "common_mode_limit"), 1e6};
    for (unsigned k = 0; k < a->n_constants; k++)
        if (strcmp(a->constants[k].name, "pedestal") == 0) {
            arrays[k] = (h5calib_array){one, H5CALIB_F32, 1, stages, {0, sizeof one[0], 0, 0}};
            n_stages[k] = stages;
        }
    h5calib_calibrator *of[2];
    h5calib_cell *cell[2];
    for (int with = 0; with < 2; with++) {
        char message[200] = "";
        if (with)
            p[n++] = (h5calib_parameter){H5CALIB_MISSING_VALUE, LOST};
        const h5calib_config config = {a->id, NY, NX, n, p};
        CHECK(h5calib_calibrator_create(&config, n_stages, a->n_constants, &of[with], message,
                                        sizeof message) == H5CALIB_OK,
              "%s", message);
        CHECK(h5calib_cell_create(of[with], arrays, 0, NULL, &cell[with], message,
                                  sizeof message) == H5CALIB_OK,
              "%s", message);
    }
    const bool values = a->raw_layout == H5CALIB_RAW_FIRST;
    calibrate(of[1], cell[1], false, values, by_value);
    calibrate(of[0], cell[0], true, values, by_place);
    CHECK(memcmp(by_value, by_place, sizeof by_value) == 0, "%s", name);
    for (size_t f = 0; f < FRAMES; f++)
        for (size_t i = 0; i < PIXELS; i++)
            CHECK((by_value[f][i] == -0.125f) == lost[f][i], "%s: frame %zu, pixel %zu is %g", name,
                  f, i, (double)by_value[f][i]);
    for (int with = 0; with < 2; with++) {
        h5calib_cell_free(cell[with]);
        h5calib_calibrator_free(of[with]);
    }
}

int main(void)
{
    uint64_t state = 20;
    for (size_t v = 0; h5calib_cpu_variant_at(v); v++) {
        CHECK(h5calib_set_cpu_variant(h5calib_cpu_variant_at(v)) == H5CALIB_OK, "variant");
        for (int turn = 0; turn < 5; turn++) {
            lose(&state, 1);
            check("pedestal", 1, false);
            check("epix100", 1, false);
            check("epix100", 1, true);
            check("dssc", 1, false);
            lose(&state, 2);
            check("agipd", 3, false);
        }
    }
    return 0;
}
