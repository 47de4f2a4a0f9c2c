"""AGIPD and JUNGFRAU as facilities store them, through the filter, pixel by pixel."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import h5calib

NY, NX, CELLS, FRAMES = 6, 4, 3, 5


@pytest.fixture
def euxfel(rng, tmp_path):
    """A raw file and constants of the calibration database: transposed float64."""
    path = tmp_path / "constants.h5"
    offset = rng.uniform(3000, 5000, (NX, NY, CELLS, 3))
    slopes = rng.uniform(0.5, 20, (NX, NY, CELLS, 3))
    flat = rng.uniform(0.9, 1.1, (NX, NY, CELLS, 3))
    thresholds = rng.integers(4000, 9000, (NX, NY, CELLS, 3)).astype("f8")
    bad = rng.choice([0, 0, 0, 1, 1 << 8, 1 << 11], (NX, NY, CELLS, 3)).astype("u4")
    with h5py.File(path, "w") as file:
        file["Offset"], file["SlopesPC"], file["FlatFactors"] = offset, slopes, flat
        file["ThresholdsDark"], file["BadPixelsDark"] = thresholds[..., :2], bad
    raw = rng.integers(2000, 9000, (FRAMES, 2, NY, NX)).astype("u2")
    raw[0, 1] = thresholds[..., 0, 0].T  # hit exactly: it stays in high gain
    return path, raw, rng.integers(0, CELLS, (FRAMES, 1)).astype("u2")


def through_the_filter(folder, raw, calibration, cells=None, **options):
    with h5py.File(folder / "view.h5", "a") as file:
        if "raw" not in file:
            file["raw"] = raw
        h5calib.create_calibrated_dataset(
            file, "calibrated", "raw", calibration, cells, overwrite=True, **options
        )
    with h5py.File(folder / "view.h5") as file:
        return file["calibrated"][()]


@pytest.mark.parametrize("bits", [None, 1 | 1 << 11, 1 << 8])
@pytest.mark.parametrize("forced", [{}, {"force_high_below": 400.0, "force_medium_below": -100.0}])
@pytest.mark.parametrize("fixed", [None, 0, 1, 2])
def test_agipd_of_the_european_xfel(euxfel, tmp_path, bits, forced, fixed):
    path, raw, cells = euxfel

    def constant(name):
        return h5calib.Constant(f"{path}:/{name}", axes="xycs")

    calibration = h5calib.Agipd(
        pedestal=constant("Offset"),
        threshold=None if fixed is not None else constant("ThresholdsDark"),
        relative_gain=constant("SlopesPC"),
        flat_field=constant("FlatFactors"),
        bad_pixels=constant("BadPixelsDark"),
        mask_bits=bits,
        fixed_gain=fixed,
        masked_value=-1.0,
        **forced,
    )
    with h5py.File(path) as file:
        k = {name: file[name][()] for name in file}
    expected = np.empty((FRAMES, NY, NX))
    for f, y, x in np.ndindex(expected.shape):
        c = int(cells[f, 0])
        signal, voltage = float(raw[f, 0, y, x]), float(raw[f, 1, y, x])
        at = (x, y, c)
        first, second = k["ThresholdsDark"][at]
        unusable = [
            bool(b & (0xFFFFFFFF if bits is None else bits)) for b in k["BadPixelsDark"][at]
        ]
        offset = k["Offset"][at]
        g = 2 if voltage > second else 1 if voltage > first else 0
        if g == 2 and signal - offset[1] < forced.get("force_medium_below", -np.inf):
            g = 1
        if g > 0 and signal - offset[0] < forced.get("force_high_below", -np.inf):
            g = 0
        g = g if fixed is None else fixed
        value = (signal - offset[g]) * k["SlopesPC"][at][g] * k["FlatFactors"][at][g]
        expected[f, y, x] = -1 if unusable[g] or np.isnan(value) else value  # the mask is last
    computed = through_the_filter(tmp_path, raw, calibration, cells, dtype="f8")
    assert np.array_equal(computed, expected)
    assert np.allclose(through_the_filter(tmp_path, raw, calibration, cells), expected, rtol=2e-3)


def test_agipd_of_cheetah(rng, tmp_path):
    shape = (3, CELLS, NY, NX)
    level = rng.integers(3000, 9000, shape).astype("u2")
    offset = rng.integers(-200, 6000, shape).astype("i2")
    gain = rng.uniform(0.1, 40, shape).astype("f4")
    bad = rng.choice([0, 0, 0, 1], shape).astype("u1")
    raw = rng.integers(2000, 9000, (FRAMES, 2, NY, NX)).astype("u2")
    cells = rng.integers(0, CELLS, FRAMES)
    with h5py.File(tmp_path / "cheetah.h5", "w") as file:
        file["AnalogOffset"], file["DigitalGainLevel"] = offset, level
        file["RelativeGain"], file["Badpixel"] = gain, bad
    names = {
        "threshold": "DigitalGainLevel",
        "pedestal": "AnalogOffset",
        "gain": "RelativeGain",
        "bad_pixels": "Badpixel",
    }
    calibration = h5calib.Agipd(
        **{
            ours: h5calib.Constant(f"{tmp_path / 'cheetah.h5'}:/{theirs}", axes="scyx")
            for ours, theirs in names.items()
        },
        convention="multiply",
        first_threshold=1,
        masked_value=0,
    )
    expected = np.zeros((FRAMES, NY, NX), "f4")
    for f, y, x in np.ndindex(expected.shape):
        c = cells[f]
        d = raw[f, 1, y, x]
        g = 2 if d > level[2, c, y, x] else 1 if d > level[1, c, y, x] else 0
        difference = np.float32(raw[f, 0, y, x]) - np.float32(offset[g, c, y, x])
        expected[f, y, x] = 0 if bad[g, c, y, x] else difference * gain[g, c, y, x]
    assert np.array_equal(through_the_filter(tmp_path, raw, calibration, cells), expected)


INVALID = {"nan": np.nan, "g2": None, "g0": None, "zero": 0.0, "int16_min": -32768.0}


@pytest.mark.parametrize("maps", [3, 4, 6])
@pytest.mark.parametrize("invalid", INVALID)
@pytest.mark.parametrize("cell_axis", [False, True])
def test_jungfrau(rng, tmp_path, maps, invalid, cell_axis):
    high, cells = maps > 3, rng.integers(0, CELLS, FRAMES)
    raw = rng.integers(0, 1 << 16, (FRAMES, NY, NX)).astype("u2")
    raw[:, 0, 0] = 0x3FFF if high else 0xC000
    shape = (CELLS, maps, NY, NX)
    pedestal = rng.uniform(900, 15000, shape).astype("f4")
    gain = rng.choice([40.0, -1.5, -0.1, 0.0], shape).astype("f4")
    mask = rng.choice([0, 0, 0, 2], (NY, NX))
    given = [h5calib.Constant(k, axes="csyx") if cell_axis else k[0] for k in (pedestal, gain)]
    calibration = h5calib.Jungfrau(
        *given,
        pixel_mask=mask,
        photon_energy=8.0,
        invalid_gain=invalid,
        high_gain=high,
        saturated="value",
        saturation_value=4321.0,
        masked_value=-9.0,
    )
    first = {3: (0, 1, 2), 4: (3, 1, 2), 6: (3, 4, 5)}[maps]
    expected = np.empty((FRAMES, NY, NX), "f4")
    stages = np.empty((FRAMES, NY, NX), "u1")
    for f, y, x in np.ndindex(expected.shape):
        c, r = cells[f] if cell_axis else 0, int(raw[f, y, x])
        code = r >> 14
        stage = {0: 0, 1: 1, 3: 2}.get(code, {"g2": 2, "g0": 0}.get(invalid, 255))
        m = first[stage] if stage < 255 else first[0]
        g = gain[c, m, y, x]
        stages[f, y, x] = stage
        with np.errstate(all="ignore"):
            value = (np.float32(r & 0x3FFF) - pedestal[c, m, y, x]) / g / np.float32(8)
        if mask[y, x] or g == 0:
            value = np.nan
        if code == 2 and INVALID[invalid] is not None and not np.isnan(value):
            value = INVALID[invalid]
        if r == (0x3FFF if high else 0xC000) and not np.isnan(value):
            value = 4321
        expected[f, y, x] = -9 if np.isnan(value) else value
    assert np.array_equal(through_the_filter(tmp_path, raw, calibration, cells), expected)
    options = {**calibration.words(), "output": "gain_stage"}
    companion = h5calib.Jungfrau(*given, pixel_mask=mask, **options)
    assert np.array_equal(through_the_filter(tmp_path, raw, companion, cells), stages)
    photons = h5calib.Jungfrau(
        *given, pixel_mask=mask, **{**calibration.words(), "rounding": "half_even"}
    )
    whole = through_the_filter(tmp_path, raw, photons, cells, dtype="i2")
    assert np.array_equal(whole, np.clip(np.rint(expected), -32768, 32767).astype("i2"))
