#include <h5calib/h5calib.h>
#include <stdio.h>

int main(void)
{
    const float pedestal = 100;
    const uint16_t raw[4] = {100, 101, 99, 4000};
    const h5calib_array constants[] = {{&pedestal, H5CALIB_F32, 1, 1, {0}}, {0}};
    const h5calib_config config = {h5calib_algorithm_by_name("pedestal")->id, 2, 2, 0, NULL};
    float out[4] = {0};
    char message[200] = "";
    h5calib_calibration *calibration;
    if (h5calib_calibration_create(&config, constants, 2, &calibration, message, sizeof message) ||
        h5calib_calibrate(calibration, raw, H5CALIB_U16, 1, NULL, out, H5CALIB_F32, 1, message,
                          sizeof message)) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    h5calib_calibration_free(calibration);
    printf("h5calib %s: %g %g %g %g\n", h5calib_version(), out[0], out[1], out[2], out[3]);
    return !(out[0] == 0 && out[1] == 1 && out[2] == -1 && out[3] == 3900);
}
