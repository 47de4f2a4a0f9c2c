"""Files of every feature, as openPMD's own tools read them."""

import time

import numpy as np
import pytest
from conftest import by_api, by_viewer, frame, openpmd_ls, validator
from openpmd_ccd import CCD

CAMERA = {
    "name": "far field",
    "model": "HERO8 Black",
    "serial": "12345678",
    "operator": "Jürgen Müller <jm@example.org>",
    "resolution": (5e-6, 4e-6),
    "roi": (100, 20, 30, 40),
    "exposure_time": 1e-3,
    "bit_depth": 12,
    "saturation_value": 4095,
}
FEATURES = {
    "plain": ({}, [frame(0), frame(1)]),
    "camera": (CAMERA, [frame(0, (40, 30)), frame(1, (40, 30))]),
    "colour": (CAMERA, [frame(0, (5, 7, 3)), frame(1, (5, 7, 4))]),
    "pages": (CAMERA, [frame(0, (6, 5, 7))]),
    "colour pages": ({}, [frame(0, (6, 5, 7, 3))]),
    "mixed": ({}, [frame(0), frame(1, (8, 9), "f4"), frame(2, (4, 5, 3), "u1")]),
    "gzip": ({"compression": "gzip"}, [frame(0, (300, 200)), frame(1, (4, 5, 3))]),
    "large chunks": ({"compression": ("gzip", 4)}, [frame(0, (3000, 1500))]),
    "swmr": ({"swmr": True, **CAMERA}, [frame(0), frame(1)]),
    "swmr fsync not blocking": ({"swmr": True, "fsync": True, "blocking": False}, [frame(0)] * 3),
    "swmr colour gzip": ({"swmr": True, "compression": "gzip"}, [frame(0, (5, 7, 3))]),
    "not blocking": ({"blocking": False}, [frame(i) for i in range(20)]),
    "fsync": ({"fsync": True}, [frame(0)]),
    "one pixel": ({}, [np.full((1, 1), 7, "u2")]),
}


def planes_of(image):
    if image.ndim >= 3 and image.shape[-1] in (3, 4):
        return {c: image[..., i] for i, c in enumerate("rgba"[: image.shape[-1]])}
    return {"": image}


def write(path, options, images):
    before = time.time()
    with CCD(path, **options) as scan:
        for number, image in enumerate(images):
            scan.add(3 * number, image, metadata={"delay": 0.5 * number, "stage": "übung"})
    return before, time.time()


def check(shots, options, images, between):
    assert sorted(shots) == [3 * i for i in range(len(images))]
    dx, dy = options.get("resolution", (1, 1))
    x0, y0 = options.get("roi", (0, 0))[:2]
    for number, image in enumerate(images):
        shot, planes = shots[3 * number], planes_of(image)
        assert set(shot["planes"]) == set(planes)
        for name, plane in planes.items():
            np.testing.assert_array_equal(shot["planes"][name], plane)
            assert shot["planes"][name].dtype == image.dtype
        paged = next(iter(planes.values())).ndim == 3
        assert shot["axes"] == ["page"] * paged + ["y", "x"]
        np.testing.assert_allclose(shot["spacing"], [1] * paged + [dy, dx])
        np.testing.assert_allclose(shot["offset"], [0] * paged + [y0 * dy, x0 * dx])
        assert shot["unit_dimension"] == [0] * 7
        assert (shot["order"], shot["geometry"]) == ("C", "Geometry.cartesian")
        assert between[0] <= shot["time"] <= between[1]
        assert shot["metadata"] == {"delay": 0.5 * number, "stage": "übung"}


@pytest.mark.parametrize("feature", FEATURES)
def test_openpmd_reads_what_was_written(feature, scan_path):
    options, images = FEATURES[feature]
    between = write(scan_path, options, images)
    assert validator(scan_path) == (0, 0)
    check(by_api(scan_path), options, images, between)
    assert f"number of iterations: {len(images)} (groupBased)" in openpmd_ls(scan_path)


@pytest.mark.parametrize("feature", FEATURES)
def test_viewer_reads_what_was_written(feature, scan_path):
    options, images = FEATURES[feature]
    between = write(scan_path, options, images)
    dx, dy = options.get("resolution", (1, 1))
    x0, y0 = options.get("roi", (0, 0))[:2]
    for component, plane in planes_of(images[0]).items():
        pixels, info, times = by_viewer(scan_path, 0, component)
        np.testing.assert_array_equal(pixels, plane)
        names = ["page", "y", "x"][-plane.ndim :]
        assert info.axes == dict(enumerate(names))
        rows, columns = plane.shape[-2:]
        np.testing.assert_allclose(info.y, (y0 + 0.5 + np.arange(rows)) * dy)
        np.testing.assert_allclose(info.x, (x0 + 0.5 + np.arange(columns)) * dx)
    assert sorted(times) == [3 * i for i in range(len(images))]
    assert all(between[0] <= t <= between[1] for t in times.values())


def test_camera_is_described(scan_path):
    write(scan_path, *FEATURES["camera"])
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
        write(scan_path, *FEATURES["plain"])
    finally:
        monkeypatch.undo()
        time.tzset()
    import h5py

    with h5py.File(scan_path) as file:
        date = file.attrs["date"].decode()
    assert date.endswith(" +0530")
    age = datetime.now(timezone.utc) - datetime.strptime(date, "%Y-%m-%d %H:%M:%S %z")
    assert 0 <= age.total_seconds() < 60


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
def test_native_types_are_kept(dtype, order, scan_path):
    image = np.array([[0, 1, 2], [3, 4, 100]]).astype(order + dtype)
    with CCD(scan_path) as scan:
        scan.add(0, image)
    (plane,) = by_api(scan_path)[0]["planes"].values()
    assert plane.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(plane, image)


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


@pytest.mark.parametrize("compression", ["bitshuffle", "blosc2"])
def test_plugin_compression(compression, scan_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    images = [frame(0, (300, 200)), frame(1, (5, 7, 3))]
    write(scan_path, {"compression": compression}, images)
    assert validator(scan_path) == (0, 0)
    import os
    import subprocess
    import sys

    code = (
        "import sys, conftest, numpy as np\n"
        "shots = conftest.by_api(sys.argv[1])\n"
        "np.testing.assert_array_equal(shots[0]['planes'][''], conftest.frame(0, (300, 200)))\n"
        "assert set(shots[3]['planes']) == set('rgb')\n"
    )
    environment = {**os.environ, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    folder = os.path.dirname(__file__)
    subprocess.run(
        [sys.executable, "-c", code, scan_path], check=True, env=environment, cwd=folder, timeout=60
    )


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
    names = set(series.attributes) - {"date"}
    return {n: series.get_attribute(n) for n in names}


def _comparable(value):
    """Numbers and sequences alike, whatever type they were read as."""
    if isinstance(value, dict):
        return {k: _comparable(v) for k, v in value.items()}
    if isinstance(value, str):
        return value
    return np.asarray(value).tolist()
