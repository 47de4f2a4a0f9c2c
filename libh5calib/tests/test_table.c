/* test_table.c - the table of algorithms keeps the promises of h5calib.h. */
#include <math.h>

#include "check.h"
#include "h5calib/h5calib.h"

/* Ids are in files: they must never change. */
static const struct {
    uint32_t id;
    const char *name;
} known[] = {
    {0x00010001, "pedestal_v1"}, {0x00020001, "AGIPD_v1"}, {0x00020002, "AGIPD_v2"},
    {0x00030001, "jungfrau"},    {0x00040001, "pedestal"}, {0x00050001, "cell_pedestal"},
    {0x00060001, "agipd"},       {0x00070001, "lpd"},      {0x00080001, "dssc"},
    {0x00090001, "epix10ka"},    {0x000A0001, "epix100"},  {0x000B0001, "ccd"},
    {0x000C0001, "flat_field"},  {0x000D0001, "linear"},   {0x000E0001, "photon_counting"},
};

static int has_parameter(const h5calib_algorithm *a, const char *name)
{
    for (unsigned i = 0; i < a->n_parameters; i++)
        if (strcmp(a->parameters[i].name, name) == 0)
            return 1;
    return 0;
}

static void check_common_parameters(const h5calib_algorithm *a)
{
    static const char *const names[] = {"masked_value", "bad_cell", "mask_bits"};
    CHECK(a->n_parameters >= 3, "%s", a->name);
    for (int i = 0; i < 3; i++)
        CHECK(strcmp(a->parameters[i].name, names[i]) == 0, "%s", a->name);
}

static void check_algorithm(const h5calib_algorithm *a)
{
    CHECK(h5calib_algorithm_by_id(a->id) == a, "%s", a->name);
    CHECK(h5calib_algorithm_by_name(a->name)->id >= a->id, "%s", a->name);
    CHECK(a->formula && *a->formula, "%s", a->name);
    CHECK(a->n_constants > 0 && a->n_constants <= 16, "%s", a->name);
    for (unsigned k = 0; k < a->n_constants; k++) {
        const h5calib_constant_spec *s = &a->constants[k];
        CHECK(s->name && s->meaning && s->stages >= 1 && s->stages <= s->max_stages &&
                  s->max_stages <= 8,
              "%s %u", a->name, k);
    }
    for (unsigned i = 0; i < a->n_parameters; i++) {
        const h5calib_parameter_spec *p = &a->parameters[i];
        CHECK(p->name && p->meaning && p->minimum < p->maximum, "%s %u", a->name, i);
        CHECK(isnan(p->default_value) ||
                  (p->default_value >= p->minimum && p->default_value <= p->maximum),
              "%s %s", a->name, p->name);
    }
    if (!(a->flags & H5CALIB_LEGACY))
        check_common_parameters(a);
    CHECK(((a->flags & H5CALIB_WHOLE_FRAME) != 0) == has_parameter(a, "common_mode"), "%s",
          a->name);
    CHECK(((a->flags & H5CALIB_LEGACY) == 0) == has_parameter(a, "output"), "%s", a->name);
}

int main(void)
{
    size_t n = 0;
    for (; h5calib_algorithm_at(n); n++)
        check_algorithm(h5calib_algorithm_at(n));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const h5calib_algorithm *a = h5calib_algorithm_by_id(known[i].id);
        CHECK(a && strcmp(a->name, known[i].name) == 0, "0x%08x", (unsigned)known[i].id);
    }
    CHECK(!h5calib_algorithm_by_id(0) && !h5calib_algorithm_by_name("nothing"), "unknown");
    CHECK(!h5calib_algorithm_by_name(NULL), "NULL");
    CHECK(!h5calib_algorithm_at(n + 1) && !h5calib_algorithm_at(SIZE_MAX), "past the end");
    printf("%zu algorithms\n", n);
    return 0;
}
