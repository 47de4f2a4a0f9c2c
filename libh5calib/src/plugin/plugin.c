/*
 * plugin.c - how HDF5 finds the filter.
 */
#include "core/core.h"
#include "core/descriptor.h"
#include "plugin/filter.h"

static const h5_filter_class filter_class = {
    .version = H5Z_CLASS_T_VERS,
    .id = H5CALIB_FILTER_ID,
    .encoder_present = 1,
    .decoder_present = 1,
    .name = "h5calib: computed from raw data, needs the plugin of libh5calib",
    .can_apply = h5calib_can_apply,
    .set_local = h5calib_set_local,
    .filter = h5calib_filter,
};

H5CALIB_API int H5PLget_plugin_type(void);
H5CALIB_API const void *H5PLget_plugin_info(void);

int H5PLget_plugin_type(void)
{
    return H5PL_TYPE_FILTER;
}
const void *H5PLget_plugin_info(void)
{
    return &filter_class;
}
