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
