"""Attributes, types and times, as openPMD's own tools read them; see also test_features."""

import time

import numpy as np
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import CCD
from test_features import CAMERA, planes_of


def test_camera_is_described(scan_path):
    with CCD(scan_path, **CAMERA) as scan:
        scan.add(0, frame(0))
    import openpmd_api

    series = openpmd_api.Series(str(scan_path), openpmd_api.Access.read_only)
    assert series.author == CAMERA["operator"]
    assert series.machine == CAMERA["model"]
    assert series.get_attribute("ccdSerial") == CAMERA["serial"]
    assert series.get_attribute("ccdName") == CAMERA["name"]
    mesh = by_api(scan_path)[0]["mesh"]
    assert mesh["ccdExposureTime"] == 1e-3
    assert mesh["bit_depth_readout"] == 12
    assert mesh["saturation_value"] == 4095
    assert list(mesh["ccdROI"]) == [100, 20, 30, 40]


def test_date_has_the_local_time_zone(scan_path, monkeypatch):
    from datetime import datetime, timezone

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        with CCD(scan_path) as scan:
            scan.add(0, frame(0))
    finally:
        monkeypatch.undo()
        time.tzset()
    import h5py

    with h5py.File(scan_path) as file:
        date = file.attrs["date"].decode()
    assert date.endswith(" +0530")
    age = datetime.now(timezone.utc) - datetime.strptime(date, "%Y-%m-%d %H:%M:%S %z")
    assert 0 <= age.total_seconds() < 60


@pytest.mark.parametrize(
    ("given", "stored"), [("?", "u1"), ("f2", "f4"), (">f2", "f4"), ("g", "f8")]
)
def test_types_that_readers_drop_are_converted(given, stored, scan_path):
    image = np.array([[0, 1], [1, 0]]).astype(given)
    with CCD(scan_path) as scan:
        scan.add(0, image)
    assert validator(scan_path) == (0, 0)
    (plane,) = by_api(scan_path)[0]["planes"].values()
    assert plane.dtype == np.dtype(stored)
    np.testing.assert_array_equal(plane, image)


def test_metadata_kinds(scan_path):
    given = {"energy": 1.5, "count": 3, "armed": True, "note": "ü", "empty": "", "n": np.int64(2)}
    with CCD(scan_path) as scan:
        scan.add(0, frame(0), metadata=given)
    assert validator(scan_path) == (0, 0)
    assert by_api(scan_path)[0]["metadata"] == {**given, "armed": 1}


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
def test_recalibrate_holds_from_the_next_shot(suffix, tmp_path):
    path = tmp_path / f"cam{suffix}"
    with CCD(path, resolution=1e-6) as scan:
        scan.add(0, frame(0))
        scan.recalibrate(resolution=(2e-6, 3e-6), exposure_time=0.5)
        scan.add(1, frame(1))
        scan.recalibrate(roi=(10, 20, 64, 64))
        scan.add(2, frame(2))
    shots = by_api(path)
    np.testing.assert_allclose(shots[0]["spacing"], [1e-6, 1e-6])
    assert "ccdExposureTime" not in shots[0]["mesh"]
    np.testing.assert_allclose(shots[1]["spacing"], [3e-6, 2e-6])
    assert shots[1]["mesh"]["ccdExposureTime"] == 0.5
    np.testing.assert_allclose(shots[2]["spacing"], [3e-6, 2e-6])
    np.testing.assert_allclose(shots[2]["offset"], [60e-6, 20e-6])
    assert shots[2]["mesh"]["ccdExposureTime"] == 0.5


def test_same_scan_as_h5_and_bp(tmp_path):
    read = []
    images = [frame(0, (40, 30)), frame(1, (5, 7, 3)), frame(2, (2, 4, 5), "f4")]
    for suffix in (".h5", ".bp"):
        path = tmp_path / f"cam{suffix}"
        with CCD(path, **CAMERA) as scan:
            for number, image in enumerate(images):
                data = {"delay": float(number)} if number else None
                scan.add(number, image, time=1e9 + number, metadata=data)
        read.append(by_api(path))
    h5, bp = read
    assert sorted(h5) == sorted(bp) == [0, 1, 2]
    for number in h5:
        planes, others = h5[number].pop("planes"), bp[number].pop("planes")
        assert set(planes) == set(others)
        for name in planes:
            assert planes[name].dtype == others[name].dtype
            np.testing.assert_array_equal(planes[name], others[name])
            expected = planes_of(images[number])[name]
            np.testing.assert_array_equal(planes[name], expected)
        assert _comparable(h5[number]) == _comparable(bp[number])
    h5_root, bp_root = (_root(tmp_path / f"cam{s}") for s in (".h5", ".bp"))
    assert h5_root == bp_root


def _root(path):
    import openpmd_api

    series = openpmd_api.Series(str(path), openpmd_api.Access.read_only)
    names = set(series.attributes) - {"date", "ccdShots"}  # HDF5 alone counts its shots
    return {n: series.get_attribute(n) for n in names}


def _comparable(value):
    """Numbers and sequences alike, whatever type they were read as; HDF5 alone has checksums."""
    if isinstance(value, dict):
        return {k: _comparable(v) for k, v in value.items() if k != "ccdChecksum"}
    if isinstance(value, str):
        return value
    return np.asarray(value).tolist()
