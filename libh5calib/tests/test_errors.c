/* test_errors.c - what is wrong is said in words that help. */
#include <math.h>

#include "check.h"
#include "h5calib/h5calib.h"

#define PIXELS 12
static char message[300];
static float floats[6 * PIXELS];
static const h5calib_array none = {0};

static h5calib_array array(unsigned cells, unsigned stages, h5calib_dtype dtype)
{
    const ptrdiff_t size = (ptrdiff_t)h5calib_dtype_size(dtype);
    h5calib_array a = {floats, dtype, cells, stages, {0, 0, 4 * size, size}};
    return a;
}

static void expect(h5calib_status got, h5calib_status wanted, const char *words)
{
    CHECK(got == wanted, "status %d, not %d: %s", got, wanted, message);
    CHECK(strstr(message, words), "'%s' does not say '%s'", message, words);
    CHECK(strlen(message) < 200, "%s", message);
    message[0] = '\0';
}

static h5calib_status create(const char *name, const h5calib_array *constants, size_t n,
                             h5calib_parameter parameter, h5calib_calibration **out)
{
    const h5calib_config config = {h5calib_algorithm_by_name(name)->id, 3, 4, parameter.index != 99,
                                   &parameter};
    return h5calib_calibration_create(&config, constants, n, out, message, sizeof message);
}

static const h5calib_parameter nothing = {99, 0};

static void refuse(const char *name, const h5calib_array *constants, size_t n,
                   h5calib_parameter parameter, h5calib_status status, const char *words)
{
    h5calib_calibration *made = (h5calib_calibration *)floats;
    expect(create(name, constants, n, parameter, &made), status, words);
    CHECK(made == NULL, "%s", words);
}

static void test_configuration(void)
{
    const h5calib_array jungfrau[] = {array(1, 3, H5CALIB_F32), array(1, 3, H5CALIB_F32), none};
    h5calib_array changed[3];
    h5calib_config config = {0x7fff0001, 3, 4, 0, NULL};
    h5calib_calibration *made;
    expect(h5calib_calibration_create(&config, jungfrau, 3, &made, message, sizeof message),
           H5CALIB_E_ALGORITHM, "no algorithm 0x7fff0001");
    config.algorithm = 0x00030001;
    config.nx = 0;
    expect(h5calib_calibration_create(&config, jungfrau, 3, &made, message, sizeof message),
           H5CALIB_E_ARGUMENT, "3 x 0");
    expect(h5calib_calibration_create(NULL, jungfrau, 3, &made, message, sizeof message),
           H5CALIB_E_ARGUMENT, "NULL");
    expect(h5calib_calibration_create(&config, jungfrau, 3, NULL, message, sizeof message),
           H5CALIB_E_ARGUMENT, "NULL");
    refuse("jungfrau", jungfrau, 2, nothing, H5CALIB_E_ARGUMENT, "has 3 constants, not 2");

    refuse("jungfrau", jungfrau, 3, (h5calib_parameter){40, 0}, H5CALIB_E_ARGUMENT,
           "no parameter 40");
    refuse("jungfrau", jungfrau, 3, (h5calib_parameter){4, 1.5}, H5CALIB_E_ARGUMENT,
           "invalid_gain is 1.5, it must be a whole number from 0 to 4");
    refuse("jungfrau", jungfrau, 3, (h5calib_parameter){3, -1}, H5CALIB_E_ARGUMENT,
           "photon_energy is -1");
    refuse("jungfrau", jungfrau, 3, (h5calib_parameter){1, NAN}, H5CALIB_E_ARGUMENT,
           "bad_cell is nan");
    refuse("jungfrau", jungfrau, 3, (h5calib_parameter){6, 1}, H5CALIB_E_CONSTANT,
           "high_gain needs 4 or 6 gain maps");

    memcpy(changed, jungfrau, sizeof changed);
    changed[1] = none;
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_CONSTANT, "constant gain is missing");
    changed[1] = array(1, 2, H5CALIB_F32);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_CONSTANT, "gain has 2 gain stages");
    changed[1] = array(1, 5, H5CALIB_F32);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_CONSTANT, "gain has 5 gain maps");
    changed[1] = array(1, 3, (h5calib_dtype)77);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_DTYPE, "gain must be of");
    changed[1] = jungfrau[1];
    changed[2] = array(1, 1, H5CALIB_F32);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_DTYPE,
           "pixel_mask must be of an integer type");
    changed[2] = array(2, 1, H5CALIB_U8);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_CONSTANT, "pixel_mask has 2 cells");
    changed[2] = none;
    changed[0] = array(2, 3, H5CALIB_F32);
    changed[1] = array(3, 3, H5CALIB_F32);
    refuse("jungfrau", changed, 3, nothing, H5CALIB_E_CONSTANT,
           "gain has 3 cells, but pedestal has 2");

    h5calib_array agipd[] = {none, array(1, 3, H5CALIB_F32), none,
                             none, array(1, 2, H5CALIB_F32), none};
    refuse("agipd", agipd, 6, nothing, H5CALIB_E_CONSTANT, "threshold has 0 levels, it needs 2");
    agipd[0] = array(1, 2, H5CALIB_F32);
    refuse("agipd", agipd, 6, nothing, H5CALIB_E_CONSTANT, "flat_field has 2 gain stages");
    refuse("agipd", agipd, 6, (h5calib_parameter){5, 1}, H5CALIB_E_CONSTANT, "it needs 3");
}

static void test_calibrate(void)
{
    const h5calib_array jungfrau[] = {array(2, 3, H5CALIB_F32), array(1, 3, H5CALIB_F32), none};
    const uint16_t raw[2 * PIXELS] = {0};
    const int64_t ids[] = {1, -1};
    float out[2 * PIXELS];
    h5calib_calibration *c;
    CHECK(create("jungfrau", jungfrau, 3, nothing, &c) == H5CALIB_OK, "%s", message);
    expect(h5calib_calibrate(c, NULL, H5CALIB_U16, 2, ids, out, H5CALIB_F32, 1, message,
                             sizeof message),
           H5CALIB_E_ARGUMENT, "NULL");
    expect(h5calib_calibrate(c, raw, H5CALIB_F32, 2, ids, out, H5CALIB_F32, 1, message,
                             sizeof message),
           H5CALIB_E_DTYPE, "raw data is float32, it must be uint16");
    expect(h5calib_calibrate(c, raw, H5CALIB_U16, 2, ids, out, H5CALIB_I16, 1, message,
                             sizeof message),
           H5CALIB_E_DTYPE, "int16, it must be float32 or float64; integers need rounding");
    expect(h5calib_calibrate(c, raw, H5CALIB_U16, 2, NULL, out, H5CALIB_F32, 1, message,
                             sizeof message),
           H5CALIB_E_ARGUMENT, "cell_ids are needed");
    expect(h5calib_calibrate(c, raw, H5CALIB_U16, 2, ids, out, H5CALIB_F32, 1, message,
                             sizeof message),
           H5CALIB_E_CELL, "frame 1 is of cell -1, but the constants have cells 0 to 1");
    CHECK(h5calib_calibrate(c, raw, H5CALIB_U16, 1, ids, out, H5CALIB_F32, 1, NULL, 0) ==
              H5CALIB_OK,
          "1");
    CHECK(h5calib_calibrate(c, NULL, H5CALIB_U16, 0, NULL, NULL, H5CALIB_F32, 1, message, 1) ==
                  H5CALIB_E_ARGUMENT &&
              message[0] == '\0',
          "no room for a message");
    h5calib_calibration_free(c);

    CHECK(create("jungfrau", jungfrau, 3, (h5calib_parameter){1, 1}, &c) == H5CALIB_OK, "%s",
          message);
    memset(out, 0, sizeof out);
    CHECK(h5calib_calibrate(c, raw, H5CALIB_U16, 2, ids, out, H5CALIB_F32, 1, message,
                            sizeof message) == H5CALIB_OK,
          "%s", message);
    for (int i = 0; i < PIXELS; i++)
        CHECK(isnan(out[PIXELS + i]), "an unknown cell with bad_cell nan");
    h5calib_calibration_free(c);
    h5calib_calibration_free(NULL);
}

/* Started with H5CALIB_CPU=avx3. */
static int test_cpu(void)
{
    const h5calib_array constants[] = {array(1, 1, H5CALIB_F32), none};
    refuse("pedestal", constants, 2, nothing, H5CALIB_E_ARGUMENT, "H5CALIB_CPU is 'avx3'");
    refuse("pedestal", constants, 2, nothing, H5CALIB_E_ARGUMENT, "portable");
    CHECK(strcmp(h5calib_cpu_variant(), "") == 0, "%s", h5calib_cpu_variant());
    CHECK(h5calib_set_cpu_variant("avx3") == H5CALIB_E_ARGUMENT, "avx3");
    CHECK(h5calib_set_cpu_variant(NULL) == H5CALIB_E_ARGUMENT, "NULL");
    CHECK(h5calib_set_cpu_variant("portable") == H5CALIB_OK, "portable");
    h5calib_calibration *made;
    CHECK(create("pedestal", constants, 2, nothing, &made) == H5CALIB_OK, "%s", message);
    h5calib_calibration_free(made);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "cpu") == 0)
        return test_cpu();
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        floats[i] = 1 + (float)i;
    test_configuration();
    test_calibrate();
    return 0;
}
