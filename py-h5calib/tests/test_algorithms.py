"""Every algorithm on random data with every corner: kernels, their rule, and the filter."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pytest
from cases import SUBTRACTED, Case, agree
from hypothesis import example, given, settings
from hypothesis import strategies as st

import h5calib
from h5calib.binding import library as _library
from h5calib.binding.algorithms import EXPERIMENTAL

NAMES = [
    "pedestal",
    "cell_pedestal",
    "agipd",
    "jungfrau",
    "lpd",
    "dssc",
    "epix10ka",
    "epix100",
    "ccd",
    "flat_field",
    "linear",
    "photon_counting",
]
seeds = st.integers(0, 2**32 - 1)
OUTPUTS = [(n, o) for n in NAMES for o in (0, 1, 2)]
OUTPUTS = [(n, o) for n, o in OUTPUTS if o < 2 or n in ("agipd", "jungfrau", "lpd", "epix10ka")]


def variants():
    lib = _library.library()
    names = (lib.h5calib_cpu_variant_at(i) for i in itertools.count())
    return [name.decode() for name in itertools.takewhile(bool, names)]


@pytest.fixture(autouse=True)
def keep_variant():
    yield
    _library.library().h5calib_set_cpu_variant(variants()[-1].encode())


def test_every_name_has_its_class():
    assert list(NAMES) == [n for n in NAMES if n in h5calib.algorithms()]
    assert set(h5calib.algorithms()) == set(NAMES)
    for name, cls in h5calib.algorithms().items():
        assert cls.algorithm_name == name
        assert callable(cls.reference)
        assert getattr(h5calib, cls.__name__) is cls
        table = h5calib.binding.algorithms.by_name(name)
        assert bool(table.flags & EXPERIMENTAL) == ("EXPERIMENTAL" in cls.__doc__)


@pytest.mark.parametrize(("name", "output"), OUTPUTS)
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
@example(seed=948)  # saturated pixels and the common mode
def test_kernels_equal_the_rule_bit_for_bit(name, output, seed):
    case = Case(name, seed, output=output)
    for dtype in case.dtypes:
        real = "f4" if dtype == "u1" else dtype
        expected = case.calibration.reference(case.raw, case.cell_ids, real)
        for variant in variants():
            _library.library().h5calib_set_cpu_variant(variant.encode())
            threads = int(case.rng.integers(1, 4))
            computed = h5calib.calibrate(
                case.raw, case.calibration, case.cell_ids, dtype, threads=threads
            )
            ran = _library.library().h5calib_last_kernel().decode()
            assert ran.endswith("_" + variant) or (case.cell_ids[0] != 0 and case.n_frames == 1)
            if case.parameters.get("logarithm") and dtype == "f8":  # NumPy has a log of its own
                assert np.array_equal(np.isnan(computed), np.isnan(expected))
                assert np.allclose(computed, expected, rtol=1e-15, atol=0, equal_nan=True)
            else:
                assert agree(computed, expected), (variant, dtype, case.calibration)


def magnitude(case):
    """The rule with every subtraction an addition of sizes: what rounding errors scale with."""
    constants = {
        name: -abs(v) if name in SUBTRACTED else abs(v) if v.dtype.kind == "f" else v
        for name, v in case.constants.items()
    }
    return abs(case.with_constants(constants).reference(case.raw, case.cell_ids))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "flat_field"])
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_float32_is_near_the_float64_reference(name, seed):
    case = Case(name, seed, plain=True)
    exact = case.calibration.reference(case.raw, case.cell_ids)
    computed = h5calib.calibrate(case.raw, case.calibration, case.cell_ids)
    assert np.array_equal(np.isnan(computed), np.isnan(exact))
    bound = 8 * np.finfo("f4").eps * magnitude(case)
    good = np.isfinite(exact) & np.isfinite(bound)
    assert (abs(computed - exact)[good] <= bound[good]).all()


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_float32_flat_field_is_near_the_float64_reference(seed):
    case = Case("flat_field", seed, plain=True)
    exact = case.calibration.reference(case.raw, case.cell_ids)
    computed = h5calib.calibrate(case.raw, case.calibration, case.cell_ids)
    none = np.zeros((1, 1, case.ny, case.nx))
    f, d = (
        np.array([k[min(cell, len(k) - 1), 0] for cell in case.cell_ids], "f8")
        for k in (case.constants["flat"], case.constants.get("dark", none))
    )
    with np.errstate(all="ignore"):
        difference = np.where(f > d, f - d, np.nan)
        sizes = (abs(case.raw) + abs(d)) / difference
        bound = 8 * np.finfo("f4").eps * (sizes + abs(exact) * (abs(f) + abs(d)) / difference)
    good = np.isfinite(exact) & np.isfinite(bound)
    assert good.any() or not np.isfinite(exact).any()
    assert (abs(computed - exact)[good] <= bound[good]).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "output"), OUTPUTS)
def test_the_filter_gives_what_memory_gives(name, output, seed, tmp_path):
    case = Case(name, 1000 + seed, output=output, bad_cell=1)
    calibration, path = case.calibration, tmp_path / "view.h5"
    frames = case.rng.integers(0, case.n_frames, 4) if seed % 2 else None
    expected = {
        dtype: h5calib.calibrate(case.raw, calibration, case.cell_ids, dtype)
        for dtype in case.dtypes
    }
    n, ny, nx = expected[case.dtypes[0]].shape
    chunks = None
    if seed % 3:
        n = n if frames is None else 4
        lengths = (n, ny, nx)
        chunks = tuple(int(case.rng.integers(1, length, endpoint=True)) for length in lengths)
        chunks = (chunks[0], ny, nx) if calibration.whole_frame else chunks
    with h5py.File(path, "w") as file:
        file["raw"] = case.raw
        for dtype in case.dtypes:
            h5calib.create_calibrated_dataset(
                *(file, dtype, "raw", calibration, case.cell_ids),
                frames=frames,
                chunks=chunks,
                dtype=dtype,
            )
    with h5py.File(path) as file:
        for dtype, values in expected.items():
            chosen = values if frames is None else values[frames]
            assert agree(file[dtype][()], chosen)


def test_companions_of_one_raw_dataset(view, jungfrau):
    raw, constants = jungfrau
    for output in ("value", "gain_stage", "mask"):
        calibration = h5calib.Jungfrau(**constants, output=output)
        h5calib.create_calibrated_dataset(view, output, "raw", calibration)
    codes = raw >> 14
    assert [view[n].dtype for n in ("value", "gain_stage", "mask")] == ["f4", "u1", "u1"]
    assert np.array_equal(view["gain_stage"][()], np.array([0, 1, 255, 2])[codes])
    assert np.array_equal(view["mask"][()], np.isnan(view["value"][()]))
    with pytest.raises(TypeError, match="gain stages and masks are 'u1'"):
        h5calib.create_calibrated_dataset(view, "no", "raw", calibration, dtype="f4")
    with pytest.raises(h5calib.CalibrationError, match="the output is float32, gain stages"):
        h5calib.calibrate(raw, calibration, dtype="f4")


def test_parts_of_frames_with_a_common_mode(view, jungfrau):
    calibration = h5calib.Jungfrau(**jungfrau[1], common_mode=7, common_mode_limit=1e5)
    dataset = h5calib.create_calibrated_dataset(view, "calibrated", "raw", calibration)
    expected = calibration.reference(jungfrau[0], dtype="f4")
    for part in (np.s_[2:5], np.s_[1:3, 4:9], np.s_[:, :, 3], np.s_[6, 2:, 1:4]):
        assert agree(dataset[part], expected[part])
        assert agree(h5calib.read(dataset, part), expected[part])


def test_the_common_mode_needs_chunks_of_whole_frames(view, jungfrau):
    calibration = h5calib.Jungfrau(**jungfrau[1], common_mode=4)
    with pytest.raises(ValueError, match="this algorithm needs whole frames"):
        h5calib.create_calibrated_dataset(view, "no", "raw", calibration, chunks=(1, 6, 16))
    dataset = h5calib.create_calibrated_dataset(view, "yes", "raw", calibration, chunks=(3, 12, 16))
    assert agree(dataset[()], calibration.reference(jungfrau[0], dtype="f4"))


@pytest.mark.parametrize(("name", "ny", "nx"), [("epix10ka", 352, 384), ("epix100", 704, 768)])
def test_the_common_mode_is_taken_away(name, ny, nx, rng):
    """Every bank, row of a bank and column of it has an offset of its own; none is left."""
    cls = h5calib.algorithms()[name]
    banks = rng.integers(-20, 20, (2, 8)).repeat(ny // 2, 0).repeat(nx // 8, 1)
    raw = (3000 + banks + rng.integers(-3, 4, (ny, nx))).astype("u2")[np.newaxis]
    stages = (7,) if name == "epix10ka" else ()
    constants = {"pedestal": np.full((*stages, ny, nx), 3000.0, "f4")}
    if name == "epix10ka":
        constants |= {
            "gain": np.full((7, ny, nx), 16.0, "f4"),
            "config_bits": np.full((ny, nx), 28, "u1"),
        }
    for mode in range(1, 8):
        calibration = cls(**constants, common_mode=mode)
        computed = h5calib.calibrate(raw, calibration)
        assert agree(computed, calibration.reference(raw, dtype="f4"))
        assert abs(np.median(computed[0, : ny // 2, : nx // 8])) < 0.1
    untouched = h5calib.calibrate(raw, cls(**constants, common_mode=7, common_mode_limit=0))
    assert agree(untouched, h5calib.calibrate(raw, cls(**constants)))


def test_frames_between_two_flats(view, rng):
    view["sinogram"] = raw = rng.integers(100, 900, (11, 3, 4)).astype("u2")
    flats = rng.uniform(1000, 1200, (3, 3, 4)).astype("f4")
    dark = rng.uniform(0, 50, (3, 4)).astype("f4")
    calibration = h5calib.FlatField(flats, dark, taken_at=[0, 3, 10])
    dataset = h5calib.create_calibrated_dataset(
        view, "flat", "sinogram", calibration, cell_ids=calibration.positions(11), dtype="f8"
    )
    at = np.array([np.interp(np.arange(11), [0, 3, 10], f) for f in flats.reshape(3, -1).T]).T
    flat = at.reshape(11, 3, 4)
    assert np.allclose(dataset[()], (raw - dark.astype("f8")) / (flat - dark), rtol=1e-5)
    assert np.array_equal(dataset[3], (raw[3] - dark.astype("f8")) / (flats[1] - dark.astype("f8")))
    late = np.full(11, (2 << 20) + 1)
    with pytest.raises(ValueError, match="the constants have cells 0 to 2097152"):
        h5calib.create_calibrated_dataset(view, "late", "sinogram", calibration, cell_ids=late)


def test_a_frame_axis_of_length_one_is_kept(view, rng):
    view["data"] = raw = rng.integers(0, 1 << 14, (9, 1, 4, 6)).astype("u2")
    pedestal = rng.uniform(0, 99, (2, 3, 4, 6)).astype("f4")
    cells, high = rng.integers(0, 2, (9, 1)), np.arange(0, 9, 3)
    calibration = h5calib.Lpd(pedestal, fixed_gain=1)
    dataset = h5calib.create_calibrated_dataset(
        view, "high", "data", calibration, cell_ids=cells, frames=high
    )
    assert agree(dataset[()], calibration.reference(raw, cells, "f4")[high])
