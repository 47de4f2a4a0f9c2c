"""Real JUNGFRAU frames with an outside conversion, and aare, an independent calibration."""

import os
from pathlib import Path

import numpy as np
import pytest
from binding import Calibration, lib, variants

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def module5():
    folder = Path(os.environ.get("H5CALIB_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "jungfrau_mod5.npz").exists():
        pytest.skip(f"no jungfrau_mod5.npz in {folder}; H5CALIB_TEST_DATA names its folder")
    with np.load(folder / "jungfrau_mod5.npz") as f:
        return dict(f)


@pytest.mark.parametrize("variant", variants())
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_real_frames_agree_with_the_outside_conversion(module5, variant, dtype):
    d = module5
    assert lib.h5calib_set_cpu_variant(variant.encode()) == 0
    calibration = Calibration(
        "jungfrau",
        d["raw"].shape[1:],
        {"pedestal": (d["pedestal"], "syx"), "gain": (d["gain_adu_per_photon"], "syx")},
    )
    ours = calibration(d["raw"], dtype=dtype)
    for frame in np.flatnonzero(d["heldout"]):
        raw = d["raw"][frame]
        stage = np.array([0, 1, 0, 2])[raw >> 14]
        pedestal, gain = (np.choose(stage, d[k]) for k in ("pedestal", "gain_adu_per_photon"))
        known = (
            (gain != 0) & (raw != 0xC000) & (raw >> 14 != 2) & (pedestal != 0) & (pedestal != 16383)
        )
        assert known.mean() > 0.5
        difference = np.abs(ours[frame].astype("f8") - d["conv"][frame])
        # float32 adds the rounding of a subtraction and a division
        size = np.abs(ours[frame]) if dtype == "f4" else 0
        for g, tolerance in enumerate((2.3e-6, 4.2e-5, 4.1e-4)):
            where = known & (stage == g)
            assert (
                difference[where] <= (tolerance + 2**-23 * size)[where]
                if dtype == "f4"
                else difference[where] <= tolerance
            ).all(), (g, difference[where].max())


@pytest.mark.parametrize("variant", variants())
def test_aare_gives_the_same_bits(variant):
    aare = pytest.importorskip("aare", reason="aare is not installed")
    rng = np.random.default_rng(3)
    shape = (512, 1024)
    raw = rng.integers(0, 0x4000, (3, *shape)).astype("u2")
    raw |= (rng.choice([0, 1, 3], raw.shape).astype("u2") << 14).astype("u2")
    pedestal = rng.normal(3000, 300, (3, *shape))
    gain = rng.normal(40, 3, (3, *shape)) * np.array([1, -0.03, -0.002])[:, None, None]
    assert lib.h5calib_set_cpu_variant(variant.encode()) == 0
    ours = Calibration("jungfrau", shape, {"pedestal": (pedestal, "syx"), "gain": (gain, "syx")})(
        raw, dtype="f8"
    )
    theirs = np.asarray(aare.apply_calibration(raw, pd=pedestal, cal=gain, n_threads=1))
    assert np.array_equal(ours, theirs.astype("f8"))


@pytest.mark.parametrize("variant", variants())
def test_float32_lies_within_rounding_of_float64(variant):
    rng = np.random.default_rng(4)
    shape = (64, 100)
    assert lib.h5calib_set_cpu_variant(variant.encode()) == 0
    pedestal = rng.normal(3000, 300, (3, *shape)).astype("f4")
    gain = rng.normal(40, 3, (3, *shape)).astype("f4")
    raw = rng.integers(0, 0x10000, (5, *shape)).astype("u2")
    calibration = Calibration(
        "jungfrau", shape, {"pedestal": (pedestal, "syx"), "gain": (gain, "syx")}, invalid_gain=1
    )
    single, double = calibration(raw, dtype="f4"), calibration(raw, dtype="f8")
    stage = np.array([0, 1, 2, 2])[raw >> 14]
    # one rounding of adc - pedestal, one of the quotient
    subtraction = 2**-24 * 16384 / np.array([np.choose(s, gain) for s in stage])
    assert (np.abs(single - double) <= subtraction + 2**-24 * np.abs(double) * 1.001).all()
