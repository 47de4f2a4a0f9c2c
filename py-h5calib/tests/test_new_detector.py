"""A class outside the package is as good as those inside."""

from __future__ import annotations

import numpy as np
import pytest

import h5calib
from h5calib.calibration import base as module


@pytest.fixture
def camera(monkeypatch):
    """A camera whose frames come upside down, on the kernel of `pedestal`."""
    monkeypatch.setattr(module, "_CLASSES", dict(module._CLASSES))

    class Camera(h5calib.Calibration):
        algorithm_name = "pedestal"

        def __init__(self, dark, **common):
            super().__init__({"pedestal": np.asarray(dark)[::-1]}, common)

        def rule(self, raw, k, p):
            return raw.astype(k["pedestal"].dtype) - k["pedestal"][0]

    return Camera


def test_it_calibrates_in_memory_and_in_files(camera, view, rng):
    raw, dark = rng.integers(0, 99, (3, 4, 5)), rng.normal(size=(4, 5))
    view["camera"] = raw
    calibration = camera(dark, masked_value=0)
    expected = (raw - dark[::-1]).astype("f4")
    assert np.allclose(calibration.reference(raw), raw - dark[::-1])
    assert np.allclose(h5calib.calibrate(raw, calibration), expected)
    dataset = h5calib.create_calibrated_dataset(view, "calibrated", "camera", calibration)
    assert np.allclose(dataset[()], expected)
    assert h5calib.algorithms()["pedestal"] is camera
