/* test_threads.c - one calibration, many threads: inside a call, and several callers. */
#include <math.h>
#ifndef _WIN32
#include <pthread.h>
#endif

#include "check.h"
#include "h5calib/h5calib.h"

enum { NY = 64, NX = 300, PIXELS = NY * NX, CELLS = 5, FRAMES = 90, CALLERS = 4 };

static uint16_t raw[FRAMES][PIXELS];
static float pedestals[CELLS][PIXELS];
static int64_t cell_ids[FRAMES];
static h5calib_calibration *calibration;

static void calibrate(unsigned threads)
{
    float *out = malloc(sizeof(float) * FRAMES * PIXELS);
    char message[200] = "";
    CHECK(out, "out of memory");
    CHECK(h5calib_calibrate(calibration, raw, H5CALIB_U16, FRAMES, cell_ids, out, H5CALIB_F32,
                            threads, message, sizeof message) == H5CALIB_OK,
          "%s", message);
    CHECK(strncmp(h5calib_last_kernel(), "pedestal_", 9) == 0, "%s", h5calib_last_kernel());
    for (size_t f = 0; f < FRAMES; f++)
        for (size_t i = 0; i < PIXELS; i++) {
            const float got = out[f * PIXELS + i];
            if (cell_ids[f] < 0 || cell_ids[f] >= CELLS)
                CHECK(isnan(got), "frame %zu pixel %zu: %g in no cell", f, i, got);
            else
                CHECK(got == (float)raw[f][i] - pedestals[cell_ids[f]][i], "frame %zu pixel %zu", f,
                      i);
        }
    free(out);
}

static void *caller(void *argument)
{
    (void)argument;
    for (unsigned threads = 0; threads < 4; threads++)
        calibrate(threads);
    return NULL;
}

int main(void)
{
    uint64_t state = 7;
    const h5calib_parameter bad_cell_is_nan = {1, 1};
    const h5calib_config config = {h5calib_algorithm_by_name("cell_pedestal")->id, NY, NX, 1,
                                   &bad_cell_is_nan};
    const h5calib_array constants[] = {
        {pedestals,
         H5CALIB_F32,
         CELLS,
         1,
         {sizeof pedestals[0], 0, NX * sizeof(float), sizeof(float)}},
        {0}};
    random_bytes(&state, raw, sizeof raw);
    for (size_t c = 0; c < CELLS; c++)
        for (size_t i = 0; i < PIXELS; i++)
            pedestals[c][i] = (float)(random_bits(&state) % 10000) / 4;
    for (size_t f = 0; f < FRAMES; f++)
        cell_ids[f] = (int64_t)(random_bits(&state) % (CELLS + 2)) - 1;
    CHECK(h5calib_calibration_create(&config, constants, 2, &calibration, NULL, 0) == H5CALIB_OK,
          "create");
    calibrate(1000); /* more than there is work for */
#ifdef _WIN32
    caller(NULL);
#else
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        CHECK(pthread_create(&threads[i], NULL, caller, NULL) == 0, "thread %d", i);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
#endif
    h5calib_calibration_free(calibration);
    return 0;
}
