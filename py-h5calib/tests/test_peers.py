"""Real frames and other people's programs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import h5calib


def test_aare_gives_the_same_bits_in_float64(jungfrau):
    aare = pytest.importorskip("aare")
    raw, constants = jungfrau
    k = {name: values.astype("f8") for name, values in constants.items()}
    theirs = aare.apply_calibration(raw, pd=k["pedestal"], cal=k["gain"], n_threads=1)
    ours = h5calib.calibrate(raw, h5calib.Jungfrau(**k, invalid_gain="g0"), dtype="f8")
    assert np.array_equal(ours, theirs)


TOLERANCE = (2.3e-6, 4.2e-5, 4.1e-4)  # photons, in G0, G1, G2; of the data's provider


@pytest.mark.parametrize("how", ["memory", "dataset"])
def test_real_frames_with_an_outside_reference(data_folder, tmp_path, how):
    with np.load(data_folder / "jungfrau_mod5.npz") as data:
        held = data["heldout"]
        raw, expected = data["raw"][held], data["conv"][held]
        pedestal, gain = data["pedestal"], data["gain_adu_per_photon"]
    calibration = h5calib.Jungfrau(pedestal, gain)
    if how == "memory":
        computed = h5calib.calibrate(raw, calibration, dtype="f8")
    else:
        with h5py.File(tmp_path / "view.h5", "w") as file:
            file["raw"] = raw
            h5calib.create_calibrated_dataset(file, "calibrated", "raw", calibration, dtype="f8")
        with h5py.File(tmp_path / "view.h5") as file:
            computed = file["calibrated"][()]
    stage = np.array([0, 1, 9, 2])[raw >> 14]
    usable = (pedestal != 0) & (pedestal != 16383) & (gain != 0)
    for g, tolerance in enumerate(TOLERANCE):
        chosen = (stage == g) & usable[g] & (raw != 0xC000)
        assert chosen.any()
        assert abs(computed[chosen] - expected[chosen]).max() <= tolerance
        assert np.isnan(computed[(stage == g) & (gain[g] == 0)]).all()


@pytest.fixture
def camera(rng):
    """Frames of a camera with a dead pixel, a hot one and one without flat field."""
    frames = rng.integers(500, 60000, (3, 40, 30)).astype("u2")
    bias = rng.normal(300, 3, (40, 30)).astype("f4")
    dark = rng.exponential(20, (40, 30)).astype("f4")
    flat = rng.uniform(9000, 12000, (40, 30)).astype("f4")
    flat[3, 4] = 0
    return frames, bias, dark, flat


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pyfai_gives_the_same_bits(camera, dtype):
    """pyFAI: (raw - dark) / flat, dummy where the mask is set or the flat is 0."""
    preproc = pytest.importorskip("pyFAI.engines.preproc").preproc
    frames, bias, _, flat = (values.astype(dtype) for values in camera)
    mask = np.zeros(flat.shape, "i1")
    mask[10, 10:20] = 1

    def theirs(raw, **constants):  # it works in the memory of raw
        return preproc(raw.copy(), mask=mask, dummy=-7.0, dtype=np.dtype(dtype).type, **constants)

    common = {"pixel_mask": mask, "masked_value": -7}
    both = h5calib.Ccd(bias=bias, flat=flat, flat_mean=1, **common)
    dark_only = h5calib.Pedestal(bias, **common)
    neither = h5calib.Linear(**common)
    for raw, frame in zip(camera[0], frames, strict=True):
        computed = [h5calib.calibrate(raw, c, dtype=dtype) for c in (both, dark_only, neither)]
        assert np.array_equal(computed[0], theirs(frame, dark=bias, flat=flat))
        assert np.array_equal(computed[1], theirs(frame, dark=bias))
        assert np.array_equal(computed[2], theirs(frame))


@pytest.mark.filterwarnings("ignore")
def test_ccdproc_gives_the_same_bits_in_float64(camera):
    ccdproc = pytest.importorskip("ccdproc")
    units = pytest.importorskip("astropy.units")
    frames, bias, dark, flat = camera
    flat[3, 4] = 1

    def ccd(values):
        return ccdproc.CCDData(values.astype("f8"), unit="adu")

    second, mean = units.second, float(flat.astype("f8").mean())
    exposures = {"data_exposure": 7 * second, "dark_exposure": 60 * second}
    options = {"bias": bias, "dark": dark, "flat": flat, "exposure": 7, "dark_exposure": 60}
    exact = h5calib.Ccd(**options, gain=1.75, flat_mean=mean)
    own_mean = h5calib.Ccd(**options, gain=1.75)
    for frame in frames:
        step = ccdproc.subtract_bias(ccd(frame), ccd(bias))
        step = ccdproc.subtract_dark(step, ccd(dark), scale=True, **exposures)
        step = ccdproc.flat_correct(step, ccd(flat))
        theirs = ccdproc.gain_correct(step, 1.75 * units.electron / units.adu).data
        assert np.array_equal(h5calib.calibrate(frame, exact, dtype="f8"), theirs)
        assert np.allclose(h5calib.calibrate(frame, own_mean, dtype="f8"), theirs, rtol=1e-13)


def test_aare_agrees_in_float32(jungfrau):
    aare = pytest.importorskip("aare")
    raw, constants = jungfrau
    theirs = aare.apply_calibration(
        raw, pd=constants["pedestal"], cal=constants["gain"], n_threads=1
    )
    ours = h5calib.calibrate(raw, h5calib.Jungfrau(**constants, invalid_gain="g0"))
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-3)
