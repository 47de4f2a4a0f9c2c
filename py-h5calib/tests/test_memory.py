"""The compiled kernels equal the float32 rule bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import h5calib
from h5calib.binding import library as _library

NY, NX = 9, 33  # not a multiple of any vector

floats = st.floats(-1e5, 1e5, width=32)
corners = st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 5000.0])
values = st.one_of(floats, corners)
quick = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def stack(n, elements=values, dtype="f4"):
    """n planes; most pixels share one value, so that examples stay small."""
    return hnp.arrays(dtype, (n, NY, NX), elements=elements, fill=elements)


def same(a, b):
    """Equal bit for bit, any NaN equal to any other."""
    return np.array_equal(np.where(np.isnan(a), 0, a), np.where(np.isnan(b), 0, b)) and (
        np.array_equal(np.isnan(a), np.isnan(b))
        and np.array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))
    )


def variants():
    lib, result = _library.library(), []
    while name := lib.h5calib_cpu_variant_at(len(result)):
        result.append(name.decode())
    return result


def use_variant(name):
    assert _library.library().h5calib_set_cpu_variant(name.encode()) == 0


@pytest.fixture(autouse=True)
def _usual_variant_afterwards():
    before = _library.library().h5calib_cpu_variant().decode()
    yield
    use_variant(before)


@pytest.fixture(params=variants())
def variant(request):
    use_variant(request.param)
    return request.param


jungfrau_options = st.fixed_dictionaries(
    {},
    optional={
        "photon_energy": st.floats(0.5, 100, width=32),
        "invalid_gain": st.sampled_from(["nan", "g2", "g0", "zero", "int16_min"]),
        "multiply": st.booleans(),
        "high_gain": st.booleans(),
        "saturated": st.sampled_from(["compute", "value"]),
        "saturation_value": st.floats(-1e6, 1e6, width=32),
        "rounding": st.sampled_from(["none", "half_even"]),
        "masked_value": values,
    },
)


@quick
@given(
    raw=hnp.arrays("u2", (2, NY, NX), fill=st.integers(0, 65535)),
    maps=st.sampled_from([4, 6]).flatmap(lambda n: st.tuples(stack(n), stack(n))),
    mask=hnp.arrays("u4", (NY, NX), elements=st.sampled_from([0, 0, 1, 2**31]), fill=st.just(0)),
    options=jungfrau_options,
    dtype=st.sampled_from(["f4", "f8"]),
    variant=st.sampled_from(variants()),
)
def test_jungfrau(raw, maps, mask, options, dtype, variant):
    use_variant(variant)
    calibration = h5calib.Jungfrau(*maps, pixel_mask=mask, **options)
    computed = h5calib.calibrate(raw, calibration, dtype=dtype)
    assert same(computed, calibration.reference(raw, dtype=dtype))


agipd_options = st.fixed_dictionaries(
    {},
    optional={
        "fixed_gain": st.integers(0, 2),
        "convention": st.sampled_from(["divide", "multiply"]),
        "threshold_chain": st.sampled_from(["independent", "chained"]),
        "force_medium_below": st.floats(-1e4, 1e4, width=32),
        "force_high_below": st.floats(-1e4, 1e4, width=32),
        "masked_value": values,
    },
)


@quick
@given(
    data=st.data(),
    options=agipd_options,
    dtype=st.sampled_from(["f4", "f8"]),
    variant=st.sampled_from(variants()),
)
def test_agipd(data, options, dtype, variant):
    use_variant(variant)
    raw = data.draw(hnp.arrays("u2", (2, 2, NY, NX), fill=st.integers(0, 65535)))
    first = data.draw(st.sampled_from([0, 1]))
    given_constants = {"threshold": data.draw(stack(2 + first)), "pedestal": data.draw(stack(3))}
    for name, n in {"gain": 3, "relative_gain": 3, "flat_field": 1}.items():
        if data.draw(st.booleans()):
            given_constants[name] = data.draw(stack(n))[0] if n == 1 else data.draw(stack(n))
    bad = st.sampled_from([0, 0, 3])
    given_constants["bad_pixels"] = data.draw(stack(3, bad, "u4"))
    calibration = h5calib.Agipd(**given_constants, first_threshold=first, **options)
    computed = h5calib.calibrate(raw, calibration, dtype=dtype)
    assert same(computed, calibration.reference(raw, dtype=dtype))


RAW = ["i1", "u1", "i2", "u2", "i4", "u4", "f2", "f4", "f8"]


@pytest.mark.parametrize("constant", RAW)
@pytest.mark.parametrize("raw", RAW)
def test_every_dtype(raw, constant, variant, rng):
    frames = rng.integers(0, 100, (3, NY, NX)).astype(raw)
    pedestal = rng.integers(0, 100, (2, NY, NX)).astype(constant)
    calibration = h5calib.CellPedestal(pedestal)
    for dtype in ("f4", "f8"):
        computed = h5calib.calibrate(frames, calibration, [1, 0, 1], dtype)
        assert computed.dtype == dtype
        assert np.array_equal(computed, frames.astype(dtype) - pedestal[[1, 0, 1]].astype(dtype))


def test_every_variant_runs_its_own_kernel(variant, jungfrau):
    raw, constants = jungfrau
    calibration = h5calib.Jungfrau(**constants, invalid_gain="g2")
    computed = h5calib.calibrate(raw, calibration, threads=1)
    assert _library.library().h5calib_last_kernel().decode() == f"jungfrau_{variant}"
    assert same(computed, calibration.reference(raw, dtype="f4"))


def test_float32_is_near_float64(agipd):
    raw, constants, cells = agipd
    calibration = h5calib.Agipd(**constants)
    exact = calibration.reference(raw, cells)
    signal = np.maximum(raw[:, 0].astype("f8"), 1e4)
    bound = 2 * np.finfo("f4").eps * signal / constants["gain"].min() + 2**-23 * abs(exact)
    computed = h5calib.calibrate(raw, calibration, cells)
    assert (abs(computed - exact) <= bound).all()
    assert np.array_equal(h5calib.calibrate(raw, calibration, cells, "f8"), exact)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_threads_and_frame_axes(threads, agipd):
    raw, constants, cells = agipd
    calibration = h5calib.Agipd(**constants)
    flat = h5calib.calibrate(raw, calibration, cells, threads=1)
    trains = h5calib.calibrate(
        raw.reshape(2, 5, 2, 8, 16), calibration, cells.reshape(2, 5), threads=threads
    )
    assert np.array_equal(trains, flat.reshape(2, 5, 8, 16))
    one = h5calib.calibrate(raw[0], calibration, cells[:1], threads=threads)
    assert np.array_equal(one, flat[0])


def test_axes_of_the_calibration_database_without_a_copy(agipd):
    raw, constants, cells = agipd
    transposed = {
        name: h5calib.Constant(np.asfortranarray(values).T, axes="xysc")
        for name, values in constants.items()
    }
    expected = h5calib.calibrate(raw, h5calib.Agipd(**constants), cells)
    assert np.array_equal(h5calib.calibrate(raw, h5calib.Agipd(**transposed), cells), expected)


@pytest.mark.parametrize("given", [[[True, False, True]], np.array([[1, 0, 1]], ">i4")])
def test_constants_are_made_native(given):
    raw = np.full((1, 1, 3), 7, "u2")
    for pedestal in (given, h5calib.Constant(given), h5calib.Constant(given, axes="yx")):
        assert h5calib.calibrate(raw, h5calib.Pedestal(pedestal)).ravel().tolist() == [6, 7, 6]


def test_the_environment_says_how_many_threads(monkeypatch):
    raw, calibration = np.ones((2, 3, 4), "u2"), h5calib.Pedestal(1.0)
    monkeypatch.setenv("H5CALIB_NUM_THREADS", "3")
    assert (h5calib.calibrate(raw, calibration) == 0).all()
    monkeypatch.setenv("H5CALIB_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="H5CALIB_NUM_THREADS='many' is not a number of threads"):
        h5calib.calibrate(raw, calibration)


def test_strides_byte_order_and_scalars(rng):
    raw = rng.integers(0, 9999, (4, 2 * NY, NX)).astype(">u2")[:, ::2]
    calibration = h5calib.Pedestal(np.float32(1.5))
    assert np.array_equal(h5calib.calibrate(raw, calibration), raw.astype("f4") - np.float32(1.5))


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "u1"])
def test_integers(dtype, jungfrau):
    raw, constants = jungfrau
    calibration = h5calib.Jungfrau(**constants, rounding="half_even", masked_value=3)
    limits = np.iinfo(dtype)
    rounded = calibration.reference(raw, dtype="f8" if dtype == "i4" else "f4")
    expected = np.clip(rounded, limits.min, limits.max).astype(dtype)
    assert np.array_equal(h5calib.calibrate(raw, calibration, dtype=dtype), expected)


@pytest.mark.parametrize(
    ("raw", "cells", "dtype", "message"),
    [
        (np.zeros((2, 3), "u2"), None, "f4", "give cell_ids, the cell of each frame"),
        (np.zeros((1, 2, 3), "u2"), [5], "f4", "cell"),
        (np.zeros((1, 2, 3), "u2"), [0, 1], "f4", "2 cell_ids for 1 frames"),
        (np.zeros((1, 2, 3), "u2"), [0], "i4", "int32|integer|dtype"),
        (np.zeros(3, "u2"), [0], "f4", r"needs raw data of shape \(frames..., y, x\)"),
        (np.zeros((1, 4, 3), "u2"), [0], "f4", "does not fit frames of 4 x 3"),
    ],
)
def test_bad_input(raw, cells, dtype, message):
    calibration = h5calib.CellPedestal(np.zeros((4, 2, 3)))
    with pytest.raises(ValueError, match=message):
        h5calib.calibrate(raw, calibration, cells, dtype)


def test_bad_types():
    calibration = h5calib.CellPedestal(np.zeros((4, 2, 3)))
    with pytest.raises(TypeError, match="cell_ids have dtype float64: give integers"):
        h5calib.calibrate(np.zeros((1, 2, 3)), calibration, [0.0])
    with pytest.raises(TypeError, match="dtype complex128 is not possible"):
        h5calib.calibrate(np.zeros((1, 2, 3), complex), calibration, [0])
    with pytest.raises(ValueError, match="names no file: write 'file:/path'"):
        h5calib.calibrate(np.zeros((1, 2, 3)), h5calib.Pedestal("/pedestal"))
