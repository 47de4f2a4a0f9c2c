/*
 * errors.c - messages on HDF5's error stack.
 *
 * Pushing straight onto the default stack inside a filter is lost in HDF5 2.0;
 * taking the stack, pushing there and putting it back works in every release.
 */
#include "hdf5/library/errors.h"

void h5calib_quiet_begin(const binding *b, h5calib_quiet *saved)
{
    saved->function = NULL;
    saved->data = NULL;
    b->api.H5Eget_auto2(H5E_DEFAULT, &saved->function, &saved->data);
    b->api.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void h5calib_quiet_end(const binding *b, const h5calib_quiet *saved)
{
    b->api.H5Eset_auto2(H5E_DEFAULT, saved->function, saved->data);
}

void h5calib_push_error(binding *b, const char *message)
{
    const h5 *api = &b->api;
    if (b->guest)
        return;
    if (b->error_class <= 0 || api->H5Iis_valid(b->error_class) <= 0) {
        b->error_class = api->H5Eregister_class("h5calib", "libh5calib", "0");
        b->error_major = api->H5Ecreate_msg(b->error_class, H5E_MAJOR, "calibrated dataset");
        b->error_minor = api->H5Ecreate_msg(b->error_class, H5E_MINOR, "cannot compute the chunk");
    }
    api->H5Eclear2(H5E_DEFAULT);
    hid_t stack = api->H5Eget_current_stack();
    if (stack < 0)
        return;
    api->H5Epush2(stack, "h5calib", "filter", 0, b->error_class, b->error_major, b->error_minor,
                  "%s", message);
    api->H5Eset_current_stack(stack);
}
