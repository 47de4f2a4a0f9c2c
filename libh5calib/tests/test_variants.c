/*
 * test_variants.c - every variant this CPU has really runs and gives the same
 * bits as the portable one, for all algorithms, dtypes, odd lengths, unaligned
 * memory, raw data at any byte, and data full of corners.
 */
#include <math.h>
#include <stdbool.h>

#include "check.h"
#include "core/core.h"

enum { NY = 5, NX = 333, PIXELS = NY * NX, MARGIN = 64 };

static uint64_t state = 2026;

static unsigned below(unsigned n)
{
    return (unsigned)(random_bits(&state) % n);
}

static h5calib_dtype any_dtype(void)
{
    return (h5calib_dtype)(1 + below(11));
}

/* Numbers like a detector's, and now and then any bits at all. */
static void fill(void *to, h5calib_dtype dtype, size_t n, unsigned corners)
{
    static const double special[] = {0, -0.0, 1, INFINITY, -INFINITY, NAN, 6000, 1e30};
    for (size_t i = 0; i < n; i++) {
        const double v = below(100) < corners ? special[below(8)] : (double)below(12000);
        const double whole = fabs(v) < 12000 ? v : 0;
        switch (dtype) {
        case H5CALIB_F32: ((float *)to)[i] = (float)v; break;
        case H5CALIB_F64: ((double *)to)[i] = v; break;
        case H5CALIB_I32: ((int32_t *)to)[i] = (int32_t)whole; break;
        case H5CALIB_U32: ((uint32_t *)to)[i] = (uint32_t)whole; break;
        case H5CALIB_I64: ((int64_t *)to)[i] = (int64_t)whole; break;
        case H5CALIB_U64: ((uint64_t *)to)[i] = (uint64_t)whole; break;
        case H5CALIB_I8:
        case H5CALIB_U8: ((uint8_t *)to)[i] = (uint8_t)random_bits(&state); break;
        default: ((uint16_t *)to)[i] = (uint16_t)random_bits(&state); break;
        }
    }
}

/* 0 to 7, which calm raw data hits exactly. */
static void fill_small(void *to, h5calib_dtype dtype, size_t first, size_t n, bool negative)
{
    static const uint16_t halves[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700};
    for (size_t i = first; i < first + n; i++) {
        const unsigned v = below(8);
        if (dtype == H5CALIB_F32)
            ((float *)to)[i] = negative ? -(float)v : (float)v;
        if (dtype == H5CALIB_F16)
            ((uint16_t *)to)[i] = halves[v] | (negative ? 0x8000 : 0);
    }
}

/* Thresholds as they should be: none less than the one before. */
static void put_in_order(void *to, h5calib_dtype dtype, unsigned stages)
{
    for (unsigned turn = 1; turn < stages; turn++)
        for (size_t i = 0; i < (stages - 1) * PIXELS; i++) {
            float *f = to;
            uint16_t *h = to;
            if (dtype == H5CALIB_F32 && f[i] > f[i + PIXELS]) {
                const float larger = f[i];
                f[i] = f[i + PIXELS];
                f[i + PIXELS] = larger;
            }
            if (dtype == H5CALIB_F16 && (h[i] & 0x7fff) > (h[i + PIXELS] & 0x7fff)) {
                const uint16_t larger = h[i];
                h[i] = h[i + PIXELS];
                h[i + PIXELS] = larger;
            }
        }
}

typedef struct {
    const h5calib_algorithm *algorithm;
    h5calib_array constants[H5CALIB_MAX_CONSTANTS];
    unsigned stages[H5CALIB_MAX_CONSTANTS];
    h5calib_parameter parameters[32];
    h5calib_config config;
    void *memory[H5CALIB_MAX_CONSTANTS];
} test_case;

static void choose_parameters(test_case *t)
{
    const h5calib_algorithm *a = t->algorithm;
    const unsigned given = below(4); /* of four */
    t->config = (h5calib_config){a->id, NY, NX, 0, t->parameters};
    for (unsigned i = 0; i < a->n_parameters; i++) {
        const h5calib_parameter_spec *p = &a->parameters[i];
        double value;
        if (below(4) >= given)
            continue;
        if (isfinite(p->minimum) && isfinite(p->maximum))
            value = p->minimum +
                    (double)(random_bits(&state) % (uint64_t)(p->maximum - p->minimum + 1));
        else
            value = fmax(p->minimum, (double)below(20) - 4.5);
        t->parameters[t->config.n_parameters++] = (h5calib_parameter){i, value};
    }
}

/* Half of the time all constants are of one dtype, as kernels that work in registers want it. */
static void choose_constants(test_case *t)
{
    const h5calib_dtype common = below(2) ? below(2) ? H5CALIB_F32 : H5CALIB_F16 : any_dtype();
    const bool together = below(4) > 0;
    for (unsigned k = 0; k < t->algorithm->n_constants; k++) {
        const h5calib_constant_spec *s = &t->algorithm->constants[k];
        const bool mask = (s->flags & H5CALIB_CONSTANT_MASK) != 0;
        const bool compared = (s->flags & H5CALIB_CONSTANT_COMPARED) != 0;
        const h5calib_dtype dtype = mask                      ? H5CALIB_U8
                                    : !together               ? any_dtype()
                                    : below(8 - 6 * compared) ? common
                                    : common == H5CALIB_F32   ? H5CALIB_F16
                                                              : H5CALIB_F32;
        const ptrdiff_t size = (ptrdiff_t)h5calib_dtype_size(dtype);
        t->stages[k] = s->stages + below(s->max_stages - s->stages + 1);
        if ((s->flags & H5CALIB_CONSTANT_OPTIONAL) && below(3) == 0)
            t->stages[k] = 0;
        if (t->stages[k] == 0)
            continue;
        t->memory[k] = malloc(t->stages[k] * PIXELS * (size_t)size);
        CHECK(t->memory[k], "out of memory");
        fill(t->memory[k], dtype, t->stages[k] * PIXELS, below(10));
        if (compared && below(2))
            fill_small(t->memory[k], dtype, 0, t->stages[k] * PIXELS, false);
        if (compared && below(2)) /* only what a lower gain needs is exceeded */
            fill_small(t->memory[k], dtype, (t->stages[k] - 1) * PIXELS, PIXELS, below(2));
        else if (compared && below(2))
            put_in_order(t->memory[k], dtype, t->stages[k]);
        for (size_t i = 0; mask && i < t->stages[k] * PIXELS; i++)
            ((uint8_t *)t->memory[k])[i] = below(20) == 0;
        t->constants[k] = (h5calib_array){
            t->memory[k], dtype, 1, t->stages[k], {0, PIXELS * size, NX * size, size}};
        if (below(6) == 0) /* one value for all pixels */
            t->constants[k].strides[2] = t->constants[k].strides[3] = 0;
    }
}

/* Stretches of a frame where all pixels are in high gain, or in one that exists. */
static void calm(uint16_t *raw, size_t n)
{
    static const uint16_t masks[] = {0xffff, 0x8007, 0x4007, 0x3fff, 0x0007, 0x0007};
    for (size_t i = 0; i < n;) {
        const uint16_t mask = masks[below(6)];
        for (size_t end = i + below(300); i < n && i < end; i++)
            raw[i] &= mask;
    }
}

/* The results of a variant for `to`, which is to hold nothing else. */
static void run_variant(const h5calib_calibrator *c, const h5calib_cell *cell, h5calib_run *run,
                        const char *variant, char *to, size_t bytes, size_t at)
{
    memset(to, 0xa5, bytes);
    CHECK(h5calib_set_cpu_variant(variant) == H5CALIB_OK, "%s", variant);
    run->out = to + at;
    CHECK(h5calib_calibrate_run(c, cell, run) == H5CALIB_OK, "%s", variant);
    const char *ran = strrchr(h5calib_last_kernel(), '_');
    CHECK(ran && strcmp(ran + 1, variant) == 0, "%s ran, not %s", h5calib_last_kernel(), variant);
}

/* The same raw numbers, begun at a byte that is no multiple of their size: chunks begin anywhere
 * in a file. Behind them there is nothing. */
static char *at_odd_byte(const char *raw, size_t n, size_t size, char **memory)
{
    const size_t odd = size > 1 ? 1 + below((unsigned)size - 1) : 1;
    *memory = malloc(odd + n * size);
    CHECK(*memory, "out of memory");
    return memcpy(*memory + odd, raw, n * size);
}

/* Some pixels of a frame, from memory that is aligned to elements only, and not even to them. */
static void compare(const h5calib_calibrator *c, const h5calib_cell *cell, h5calib_dtype raw_dtype,
                    h5calib_dtype out_dtype)
{
    const h5calib_algorithm *a = h5calib_calibrator_algorithm(c);
    const size_t raw_size = h5calib_dtype_size(raw_dtype), out_size = h5calib_dtype_size(out_dtype);
    const size_t shift = below(16), out_shift = below(16);
    const bool whole = h5calib_calibrator_whole_frame(c);
    const size_t first = whole ? 0 : below(PIXELS),
                 count = whole      ? PIXELS
                         : below(2) ? PIXELS - first
                                    : 1 + below(PIXELS - (unsigned)first);
    char *raw = malloc((2 * PIXELS + 16) * raw_size);
    const size_t out_bytes = (PIXELS + 16) * out_size + MARGIN;
    char *out[2] = {malloc(out_bytes), malloc(out_bytes)}, *odd_memory;
    CHECK(raw && out[0] && out[1], "out of memory");
    fill(raw, raw_dtype, 2 * PIXELS + 16, below(10));
    if (raw_size == 2)
        calm((uint16_t *)raw, 2 * PIXELS + 16);

    const size_t values = a->raw_layout == H5CALIB_RAW_ONE     ? count
                          : a->raw_layout == H5CALIB_RAW_FIRST ? PIXELS + count
                                                               : 2 * count;
    const char *at[2] = {raw + shift * raw_size,
                         at_odd_byte(raw + shift * raw_size, values, raw_size, &odd_memory)};
    h5calib_run run = {.raw = {at[0], NULL},
                       .raw_step = 1,
                       .raw_dtype = raw_dtype,
                       .out_dtype = out_dtype,
                       .stream = below(2),
                       .fetch = below(2),
                       .first = first,
                       .count = count,
                       .next = cell,
                       .weight = below(4) / 4.0};
    if (a->raw_layout == H5CALIB_RAW_LAST)
        run.raw_step = 2;
    for (size_t i = 0; h5calib_cpu_variant_at(i / 2); i++) {
        const char *variant = h5calib_cpu_variant_at(i / 2), *where = i % 2 ? "odd" : "aligned";
        char *to = out[i > 0];
        run.raw[0] = at[i % 2];
        if (a->raw_layout != H5CALIB_RAW_ONE)
            run.raw[1] = at[i % 2] + (a->raw_layout == H5CALIB_RAW_LAST ? 1 : PIXELS) * raw_size;
        run_variant(c, cell, &run, variant, to, out_bytes, out_shift * out_size);
        CHECK(memcmp(to, out[0], out_bytes) == 0, "%s %s: raw %d, %s, out %d, %zu + %zu", a->name,
              variant, raw_dtype, where, out_dtype, first, count);
        for (size_t j = 0; j < MARGIN; j++)
            CHECK(((unsigned char *)run.out)[count * out_size + j] == 0xa5 ||
                      out_shift + count < PIXELS + 16,
                  "%s wrote past the end", h5calib_last_kernel());
    }
    free(odd_memory);
    free(raw);
    free(out[0]);
    free(out[1]);
}

/* Some pixels of several frames at once, each somewhere else in memory. */
static void compare_together(const h5calib_calibrator *c, const h5calib_cell *cell,
                             h5calib_dtype raw_dtype, h5calib_dtype out_dtype)
{
    enum { FRAMES = H5CALIB_MOST_FRAMES };
    const h5calib_algorithm *a = h5calib_calibrator_algorithm(c);
    const size_t raw_size = h5calib_dtype_size(raw_dtype), out_size = h5calib_dtype_size(out_dtype);
    const bool whole = h5calib_calibrator_whole_frame(c), one_place = below(2), stream = below(2);
    const size_t n = 1 + below(FRAMES), first = whole ? 0 : below(PIXELS);
    const size_t count = whole ? PIXELS : PIXELS - first;
    const size_t out_bytes = (PIXELS + 16) * out_size + MARGIN;
    h5calib_run runs[FRAMES];
    char *raw[FRAMES], *out[FRAMES], *expected[FRAMES];
    for (size_t i = 0; i < n; i++) {
        raw[i] = malloc(2 * PIXELS * raw_size);
        out[i] = malloc(out_bytes);
        expected[i] = malloc(out_bytes);
        CHECK(raw[i] && out[i] && expected[i], "out of memory");
        fill(raw[i], raw_dtype, 2 * PIXELS, below(10));
        if (raw_size == 2)
            calm((uint16_t *)raw[i], 2 * PIXELS);
        const size_t shift = one_place ? 3 : below(16);
        const size_t second = a->raw_layout == H5CALIB_RAW_LAST ? 1 : PIXELS;
        runs[i] = (h5calib_run){.raw = {raw[i], raw[i] + second * raw_size},
                                .raw_step = a->raw_layout == H5CALIB_RAW_LAST ? 2 : 1,
                                .raw_dtype = raw_dtype,
                                .out_dtype = out_dtype,
                                .stream = stream,
                                .fetch = below(8) > 0,
                                .first = first,
                                .count = count,
                                .next = cell,
                                .weight = below(8) ? 0 : 0.5};
        if (a->raw_layout == H5CALIB_RAW_ONE)
            runs[i].raw[1] = NULL;
        run_variant(c, cell, &runs[i], "portable", expected[i], out_bytes, shift * out_size);
        runs[i].out = out[i] + shift * out_size;
    }
    for (size_t v = 0; h5calib_cpu_variant_at(v); v++) {
        for (size_t i = 0; i < n; i++)
            memset(out[i], 0xa5, out_bytes);
        h5calib_set_cpu_variant(h5calib_cpu_variant_at(v));
        CHECK(h5calib_calibrate_runs(c, cell, runs, n) == H5CALIB_OK, "%zu frames", n);
        for (size_t i = 0; i < n; i++)
            CHECK(memcmp(out[i], expected[i], out_bytes) == 0,
                  "%s: frame %zu of %zu at once, %zu + %zu", h5calib_last_kernel(), i, n, first,
                  count);
    }
    for (size_t i = 0; i < n; i++) {
        free(raw[i]);
        free(out[i]);
        free(expected[i]);
    }
}

/* The same constants where they lie, at any byte; nothing is written there. */
static void compare_borrowed(const test_case *t, const h5calib_calibrator *c,
                             const h5calib_cell *cell)
{
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS];
    char *memory[H5CALIB_MAX_CONSTANTS] = {NULL};
    memcpy(arrays, t->constants, sizeof arrays);
    for (unsigned k = 0; k < t->algorithm->n_constants; k++) {
        if (t->stages[k] == 0)
            continue;
        arrays[k].data = at_odd_byte(t->memory[k], t->stages[k] * PIXELS,
                                     h5calib_dtype_size(arrays[k].dtype), &memory[k]);
    }
    h5calib_cell *borrowed = h5calib_cell_borrow(c, arrays);
    CHECK(borrowed, "out of memory");
    for (int raw_dtype = 1; raw_dtype <= 11; raw_dtype++) {
        static char raw[2 * PIXELS * 8], expected[PIXELS * 8], out[PIXELS * 8];
        const h5calib_dtype in = (h5calib_dtype)raw_dtype;
        const h5calib_dtype result = below(2) ? H5CALIB_F32 : H5CALIB_F64;
        if (h5calib_calibrator_check_dtypes(c, in, result, NULL, 0) != H5CALIB_OK)
            continue;
        fill(raw, in, 2 * PIXELS, below(10));
        const bool pairs = t->algorithm->raw_layout == H5CALIB_RAW_LAST;
        const bool one = t->algorithm->raw_layout == H5CALIB_RAW_ONE;
        h5calib_run run = {
            .raw = {raw, one ? NULL : raw + (pairs ? 1 : PIXELS) * h5calib_dtype_size(in)},
            .raw_step = pairs ? 2 : 1,
            .raw_dtype = in,
            .out_dtype = result,
            .count = PIXELS};
        run_variant(c, cell, &run, "portable", expected, sizeof expected, 0);
        for (size_t v = 0; h5calib_cpu_variant_at(v); v++) {
            run_variant(c, borrowed, &run, h5calib_cpu_variant_at(v), out, sizeof out, 0);
            CHECK(memcmp(out, expected, sizeof out) == 0, "%s: borrowed constants",
                  h5calib_last_kernel());
        }
    }
    h5calib_cell_free(borrowed);
    for (unsigned k = 0; k < t->algorithm->n_constants; k++) {
        CHECK(!memory[k] ||
                  memcmp(arrays[k].data, t->memory[k],
                         t->stages[k] * PIXELS * h5calib_dtype_size(arrays[k].dtype)) == 0,
              "constant %u was written to", k);
        free(memory[k]);
    }
}

/* One random calibration; 0 where its options do not fit together. */
static int try_algorithm(const h5calib_algorithm *a)
{
    test_case t = {.algorithm = a};
    h5calib_calibrator *c = NULL;
    h5calib_cell *cell = NULL;
    char message[300];
    choose_parameters(&t);
    choose_constants(&t);
    int works = h5calib_calibrator_create(&t.config, t.stages, a->n_constants, &c, message,
                                          sizeof message) == H5CALIB_OK;
    if (works) {
        works = h5calib_cell_create(c, t.constants, 0, NULL, &cell, message, sizeof message) ==
                H5CALIB_OK;
        CHECK(works || strstr(message, "the mean of flat"), "%s", message);
    }
    if (works) {
        CHECK(h5calib_cell_bytes(cell) > 0, "%s", a->name);
        compare_borrowed(&t, c, cell);
        for (int raw = 1; raw <= 11; raw++)
            for (int out = 1; out <= 11; out++)
                if (h5calib_calibrator_check_dtypes(c, (h5calib_dtype)raw, (h5calib_dtype)out, NULL,
                                                    0) == H5CALIB_OK)
                    for (int i = raw == H5CALIB_U16 && out == H5CALIB_F32 ? 20 : 1; i > 0; i--) {
                        compare(c, cell, (h5calib_dtype)raw, (h5calib_dtype)out);
                        if (below(5) == 0)
                            compare_together(c, cell, (h5calib_dtype)raw, (h5calib_dtype)out);
                    }
    }
    h5calib_cell_free(cell);
    h5calib_calibrator_free(c);
    for (unsigned k = 0; k < a->n_constants; k++)
        free(t.memory[k]);
    return works;
}

/* AGIPD, every variant: pixels of pedestals 1, 2, 3, signal 100 and that voltage give `expected`.
 */
enum { ROW = 512 };
static void check_thresholds(uint16_t voltage, const float *threshold, const float *expected)
{
    static float pedestal[3 * ROW], out[ROW];
    static uint16_t raw[2 * ROW];
    const h5calib_algorithm *a = h5calib_algorithm_by_name("agipd");
    const h5calib_config config = {a->id, 1, ROW, 0, NULL};
    const ptrdiff_t row = ROW * 4;
    h5calib_array constants[H5CALIB_MAX_CONSTANTS] = {
        {threshold, H5CALIB_F32, 1, 2, {0, row, row, 4}},
        {pedestal, H5CALIB_F32, 1, 3, {0, row, row, 4}}};
    for (int i = 0; i < ROW; i++) {
        raw[i] = 100;
        raw[ROW + i] = voltage;
        for (int stage = 0; stage < 3; stage++)
            pedestal[stage * ROW + i] = (float)(1 + stage);
    }
    for (size_t v = 0; h5calib_cpu_variant_at(v); v++) {
        h5calib_calibration *c = NULL;
        char message[300] = "";
        h5calib_set_cpu_variant(h5calib_cpu_variant_at(v));
        CHECK(h5calib_calibration_create(&config, constants, a->n_constants, &c, message,
                                         sizeof message) == H5CALIB_OK,
              "%s", message);
        CHECK(h5calib_calibrate(c, raw, H5CALIB_U16, 1, NULL, out, H5CALIB_F32, 1, message,
                                sizeof message) == H5CALIB_OK,
              "%s", message);
        for (int i = 0; i < ROW; i++)
            CHECK(out[i] == expected[i], "%s: pixel %d, voltage %d, thresholds %g %g: %g",
                  h5calib_last_kernel(), i, voltage, threshold[i], threshold[ROW + i], out[i]);
        h5calib_calibration_free(c);
    }
}

/* A pixel above its second threshold is in low gain, also where the first is not exceeded. */
static void check_thresholds_out_of_order(void)
{
    static const float seconds[] = {-1, -0.0f, 3, 7, NAN};
    float threshold[2 * ROW], expected[ROW];
    for (size_t s = 0; s < 5; s++) {
        for (int i = 0; i < ROW; i++) {
            threshold[i] = 5;
            threshold[ROW + i] = seconds[s];
            expected[i] = 4 > seconds[s] ? 97 : 99;
        }
        check_thresholds(4, threshold, expected);
    }
}

/* One pixel is above a threshold, its neighbours' are high, or NaN and never exceeded: kernels
 * look at the least threshold of many pixels first. */
static void check_single_pixels(void)
{
    static const float others[] = {5, NAN};
    float threshold[2 * ROW], expected[ROW];
    for (int pixel = 0; pixel < ROW; pixel++)
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < 2 * ROW; i++)
                threshold[i] = others[k / 2];
            for (int i = 0; i < ROW; i++)
                expected[i] = 99;
            threshold[(k % 2) * ROW + pixel] = 3;
            expected[pixel] = k % 2 ? 97 : 98;
            check_thresholds(4, threshold, expected);
        }
}

/* The least and the greatest voltages, and thresholds between and beyond them. */
static void check_extreme_voltages(void)
{
    static const uint16_t voltages[] = {0, 1, 2, 65533, 65534, 65535};
    static const float seconds[] = {-INFINITY, -1,    -0.25f,   -0.0f, 0,     0.5f,     1,
                                    65533.5f,  65534, 65534.5f, 65535, 65536, INFINITY, NAN};
    float threshold[2 * ROW], expected[ROW];
    for (size_t v = 0; v < sizeof voltages / sizeof *voltages; v++)
        for (size_t s = 0; s < sizeof seconds / sizeof *seconds; s++) {
            for (int i = 0; i < ROW; i++) {
                threshold[i] = INFINITY;
                threshold[ROW + i] = seconds[s];
                expected[i] = voltages[v] > seconds[s] ? 97 : 99;
            }
            check_thresholds(voltages[v], threshold, expected);
        }
}

/* Long runs of frames that lie differently in memory, and of more than go together: some pixels of
 * each in turn, with nothing left out between. */
static void check_long_runs(const char *name, unsigned n_constants)
{
    enum { WIDTH = 500, HEIGHT = 401, LONG = WIDTH * HEIGHT, FRAMES = 15 };
    const h5calib_algorithm *a = h5calib_algorithm_by_name(name);
    const h5calib_config config = {a->id, HEIGHT, WIDTH, 0, NULL};
    h5calib_array arrays[H5CALIB_MAX_CONSTANTS] = {{0}};
    unsigned stages[H5CALIB_MAX_CONSTANTS] = {0};
    h5calib_run runs[FRAMES];
    char message[300], *memory[FRAMES];
    h5calib_calibrator *c;
    h5calib_cell *cell;
    const size_t raw_values = a->raw_layout == H5CALIB_RAW_ONE ? LONG : 2 * LONG;
    float *expected = malloc((size_t)FRAMES * LONG * sizeof *expected);
    for (unsigned k = 0; k < n_constants; k++) {
        const bool thresholds = (a->constants[k].flags & H5CALIB_CONSTANT_COMPARED) != 0;
        stages[k] = thresholds ? 2 : a->constants[k].max_stages;
        float *values = malloc(stages[k] * LONG * sizeof *values);
        CHECK(values, "out of memory");
        fill(values, H5CALIB_F32, stages[k] * LONG, 1);
        arrays[k] = (h5calib_array){values, H5CALIB_F32, 1, stages[k], {0, LONG * 4, WIDTH * 4, 4}};
    }
    CHECK(h5calib_calibrator_create(&config, stages, a->n_constants, &c, message, sizeof message) ==
              H5CALIB_OK,
          "%s", message);
    CHECK(h5calib_cell_create(c, arrays, 0, NULL, &cell, message, sizeof message) == H5CALIB_OK,
          "%s", message);
    for (size_t i = 0; i < FRAMES; i++) {
        uint16_t *raw = malloc(raw_values * sizeof *raw);
        memory[i] = malloc((LONG + 64) * sizeof(float));
        CHECK(raw && memory[i] && expected, "out of memory");
        fill(raw, H5CALIB_U16, raw_values, 0);
        calm(raw, raw_values);
        runs[i] = (h5calib_run){.raw = {raw, raw_values > LONG ? raw + LONG : NULL},
                                .raw_step = 1,
                                .raw_dtype = H5CALIB_U16,
                                .out_dtype = H5CALIB_F32,
                                .out = (char *)(expected + i * LONG),
                                .first = 7,
                                .count = i == 5 ? LONG / 2 : LONG - 7 - (i == 3),
                                .stream = i != 5,
                                .fetch = true};
        h5calib_set_cpu_variant("portable");
        CHECK(h5calib_calibrate_run(c, cell, &runs[i]) == H5CALIB_OK, "%s", name);
    }
    for (size_t v = 0; h5calib_cpu_variant_at(v); v++) {
        for (size_t i = 0; i < FRAMES; i++) {
            memset(memory[i], 0xa5, (LONG + 64) * sizeof(float));
            const size_t place = i < 10 ? 0 : i % 5; /* nine are alike: more than go together */
            runs[i].out = memory[i] + place * 5 * sizeof(float);
        }
        h5calib_set_cpu_variant(h5calib_cpu_variant_at(v));
        CHECK(h5calib_calibrate_runs(c, cell, runs, FRAMES) == H5CALIB_OK, "%s", name);
        for (size_t i = 0; i < FRAMES; i++) {
            const char *end = (char *)runs[i].out + runs[i].count * sizeof(float);
            CHECK(memcmp(runs[i].out, expected + i * LONG, runs[i].count * sizeof(float)) == 0,
                  "%s: frame %zu of a long run", h5calib_last_kernel(), i);
            CHECK(*end == (char)0xa5 &&
                      ((char *)runs[i].out == memory[i] || ((char *)runs[i].out)[-1] == (char)0xa5),
                  "%s: written beside frame %zu", h5calib_last_kernel(), i);
        }
    }
    h5calib_cell_free(cell);
    h5calib_calibrator_free(c);
    for (size_t i = 0; i < FRAMES; i++) {
        free((void *)(uintptr_t)runs[i].raw[0]);
        free(memory[i]);
    }
    for (unsigned k = 0; k < n_constants; k++)
        free((void *)(uintptr_t)arrays[k].data);
    free(expected);
}

int main(int argc, char **argv)
{
    const int wanted = argc > 1 ? atoi(argv[1]) : 100;
    check_long_runs("pedestal", 1);
    check_long_runs("jungfrau", 2);
    check_long_runs("agipd", 3);
    check_long_runs("linear", 1);
    check_thresholds_out_of_order();
    check_single_pixels();
    check_extreme_voltages();
    for (size_t i = 0; h5calib_algorithm_at(i); i++) {
        const h5calib_algorithm *a = h5calib_algorithm_at(i);
        const int most = strcmp(a->name, "agipd") == 0 ? 8 * wanted : wanted; /* most options */
        int worked = 0;
        for (int tries = 0; worked < most; tries++) {
            CHECK(tries < 50 * most, "%s never worked", a->name);
            worked += try_algorithm(a);
        }
    }
    for (size_t i = 0; h5calib_cpu_variant_at(i); i++)
        printf("%s\n", h5calib_cpu_variant_at(i));
    return 0;
}
