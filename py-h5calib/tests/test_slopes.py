"""SlopesFF of the European XFEL divides; a flat field, which multiplies, is never taken from it."""

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.creating import plan
from h5calib.files.euxfel.constants import calibration_of

NY, NX, CELLS = 4, 3, 2


@pytest.fixture
def constants(tmp_path):
    """Of one module, as the calibration database has them: (x, y, cell, stage)."""
    path = tmp_path / "constants.h5"
    slope = np.full((NX, NY, CELLS, 3), 7.0)
    slope[0, 0, 0, 0], slope[1, 0, 0, 0] = 0, -1
    with h5py.File(path, "w") as file:
        file["Offset"] = np.full((NX, NY, CELLS, 3), 4000.0)
        file["ThresholdsDark"] = np.full((NX, NY, CELLS, 2), 5000.0)
        file["SlopesFF"] = file["versions/SlopesFF/0/data"] = slope
        file["NoSlopesFF"] = slope
    return path


def raw_frames():
    raw = np.zeros((CELLS, 2, NY, NX), "u2")
    raw[:, 0], raw[:, 1] = 4070, 100  # 70 ADU above the pedestal, in high gain
    return raw


def view(folder, calibration):
    with h5py.File(folder / "view.h5", "w") as file:
        file["raw"] = raw_frames()
        h5calib.create_calibrated_dataset(file, "v", "raw", calibration, np.arange(CELLS))
    return folder / "view.h5"


def test_create_divides_by_it_and_says_so(constants, tmp_path):
    found = {name: f"{constants}:/{name}" for name in ("Offset", "ThresholdsDark", "SlopesFF")}
    calibration, notes = calibration_of("agipd", found, (NY, NX), None, {})
    assert any("1 / SlopesFF" in note and "no public source" in note for note in notes)
    expected = np.full((CELLS, NY, NX), 10, "f4")
    expected[0, 0, :2] = np.nan  # a slope of zero, and a negative one
    with h5py.File(view(tmp_path, calibration)) as file:
        assert np.allclose(file["v"][()], expected, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("path", ["SlopesFF", "versions/SlopesFF/0/data"])
def test_a_flat_field_linked_to_it_is_refused(constants, tmp_path, monkeypatch, path):
    links = {"pedestal": "Offset", "threshold": "ThresholdsDark", "flat_field": path}
    links = {ours: h5calib.Constant(f"{constants}:/{p}", "xycs") for ours, p in links.items()}
    with pytest.raises(ValueError, match="is a slope, which divides"):
        view(tmp_path, h5calib.Agipd(**links))
    monkeypatch.setattr(plan, "check_no_slope", lambda *arguments: None)  # a view of before
    with (
        h5py.File(view(tmp_path, h5calib.Agipd(**links))) as file,
        pytest.raises(OSError, match="the flat field is SlopesFF of"),
    ):
        file["v"][()]


def test_another_name_is_taken_as_it_is(constants, tmp_path):
    links = {"pedestal": "Offset", "threshold": "ThresholdsDark", "flat_field": "NoSlopesFF"}
    links = {ours: h5calib.Constant(f"{constants}:/{p}", "xycs") for ours, p in links.items()}
    with h5py.File(view(tmp_path, h5calib.Agipd(**links))) as file:
        assert file["v"][1, 2, 2] == 490
