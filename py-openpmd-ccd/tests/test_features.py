"""Files of every feature, through every openPMD reader: pixels, axes, spacing, units, times.

Each file is written once. openPMD-validator, openPMD-api, openpmd-ls and both ways of
openPMD-viewer read it; the expected values are those that were given to `add`.
"""

import pickle
import subprocess
import sys
import time

import numpy as np
import openpmd_ccd
import pytest
from conftest import by_api, by_viewer, frame, openpmd_ls, validator, with_plugins
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
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
GREY = [frame(i, (40, 30)) for i in range(3)]
COLOUR = [frame(i, (40, 30, 3)) for i in range(2)]
DARK, FLAT = frame(7, (40, 30), "f4"), (frame(8, (40, 30), "f4") + 1) / 2048
CALIBRATED = {"dark": DARK, "flat": FLAT, "unit": "J/m^2"}
#: name -> (options of CCD, images, what else: a mode of `write`, changed settings by shot)
FEATURES = {
    "plain": ({}, [frame(0), frame(1)]),
    "camera": (CAMERA, GREY),
    "recalibrated": (
        CAMERA, GREY, {1: {"resolution": (1e-6, 2e-6)}, 2: {"roi": (7, 9, 30, 40)}}
    ),
    "colour": (CAMERA, [frame(0, (5, 7, 3)), frame(1, (5, 7, 4))]),
    "pages": (CAMERA, [frame(0, (6, 5, 7)), frame(1, (2, 5, 7))]),
    "colour pages": ({}, [frame(0, (6, 5, 7, 3))]),
    "mixed": ({}, [frame(0), frame(1, (8, 9), "f4"), frame(2, (4, 5, 3), "u1")]),
    "every type": ({}, [frame(i, (8, 9), t) for i, t in enumerate(TYPES)]),
    "every type, swapped": ({}, [frame(i, (8, 9), ">" + t) for i, t in enumerate(TYPES)]),
    "one pixel": ({}, [np.full((1, 1), 7, "u2")]),
    "gzip": ({"compression": "gzip"}, [frame(0, (300, 200)), frame(1, (4, 5, 3))]),
    "large chunks": ({"compression": ("gzip", 4)}, [frame(0, (3000, 1500))]),
    "bitshuffle": ({"compression": "bitshuffle", **CAMERA}, GREY),
    "bitshuffle colour pages": ({"compression": "bitshuffle"}, [frame(0, (6, 5, 7, 3))]),
    "blosc2": ({"compression": "blosc2", **CAMERA}, GREY),
    "blosc2 colour": ({"compression": "blosc2"}, COLOUR),
    "blosc2 every type": ({"compression": "blosc2"}, [frame(0, (90, 80), t) for t in TYPES]),
    "swmr": ({"swmr": True, **CAMERA}, GREY),
    "swmr fsync not blocking": ({"swmr": True, "fsync": True, "blocking": False}, [GREY[0]] * 3),
    "swmr colour gzip": ({"swmr": True, "compression": "gzip"}, [frame(0, (5, 7, 3))]),
    "swmr blosc2": ({"swmr": True, "compression": "blosc2"}, GREY),
    "not blocking": ({"blocking": False}, [frame(i) for i in range(20)]),
    "fsync": ({"fsync": True}, [frame(0)]),
    "recovered": (CAMERA, GREY, "killed"),
    "rebuilt": (CAMERA, [*GREY, *COLOUR], "torn"),
    "rebuilt bitshuffle": ({"compression": "bitshuffle", **CAMERA}, GREY, "torn"),
    "rebuilt blosc2": ({"compression": "blosc2"}, [*GREY, *COLOUR], "torn"),
    "rebuilt swmr": ({"swmr": True, **CAMERA}, GREY, "killed"),
    "calibrated": ({**CALIBRATED, **CAMERA}, GREY),
    "calibrated colour": (CALIBRATED, COLOUR),
    "calibrated pages": (CALIBRATED, [frame(0, (5, 40, 30))]),
    "calibrated gzip": ({**CALIBRATED, "compression": "gzip"}, GREY),
    "calibrated bitshuffle": ({**CALIBRATED, "compression": "bitshuffle"}, [*GREY, *COLOUR]),
    "calibrated blosc2": ({**CALIBRATED, "compression": "blosc2"}, GREY),
    "calibrated swmr": ({**CALIBRATED, "swmr": True}, GREY),
    "calibrated rebuilt": (CALIBRATED, [*GREY, *COLOUR], "torn"),
    "factor": ({"gain": 2.0, "unit": "J/m^2", **CAMERA}, GREY),
    "factor colour blosc2": ({"gain": 2.0, "compression": "blosc2"}, COLOUR),
    "bp": (CAMERA, [*GREY, *COLOUR]),
    "bp pages": ({}, [frame(0, (6, 5, 7))]),
    "bp every type": ({}, [frame(i, (8, 9), t) for i, t in enumerate(TYPES)]),
    "bp blosc2": ({"compression": "blosc2"}, GREY),
    "bp recovered": (CAMERA, GREY, "killed"),
}  # fmt: skip
HDF5 = [name for name in FEATURES if not name.startswith("bp")]


class Expected:
    """What the readers must find: the scan's path, and for each shot what was given."""

    def __init__(self, path, options, images, changes):
        self.path, self.shots = path, {}
        self.options, self.between = options, None
        settings = {"resolution": (1, 1), "roi": (0, 0)} | options
        for number, image in enumerate(images):
            settings |= changes.get(number, {})
            (dx, dy), (x0, y0) = settings["resolution"], settings["roi"][:2]
            self.shots[3 * number] = {
                "planes": planes_of(image), "spacing": (dy, dx), "offset": (y0 * dy, x0 * dx),
                "metadata": {"delay": 0.5 * number, "stage": "übung"},
            }  # fmt: skip
        #: shots whose record is of the same kind as the first one's
        first = set(planes_of(images[0]))
        self.alike = [n for n, s in self.shots.items() if ("" in s["planes"]) == ("" in first)]

    @property
    def needs_plugins(self):
        compressed = self.options.get("compression") in ("bitshuffle", "blosc2")
        return compressed or "dark" in self.options

    def read(self, reader, *arguments):
        """Call a reader of `conftest`; in a process that finds HDF5's plugins where it must."""
        call = with_plugins if self.needs_plugins and self.path.suffix == ".h5" else _here
        return call(reader, self.path, *arguments)

    @property
    def meshes(self):
        """{mesh: what becomes of a plane in it}."""
        meshes = {"raw": lambda plane: plane}
        if "dark" in self.options:
            meshes["calibrated"] = lambda plane: (plane.astype("f4") - DARK) / FLAT
        elif "gain" in self.options:
            meshes["calibrated"] = lambda plane: plane
        return meshes


def _here(reader, *arguments):
    return reader(*arguments)


def planes_of(image):
    """{component: pixels} of an image."""
    if image.ndim >= 3 and image.shape[-1] in (3, 4):
        return {c: image[..., i] for i, c in enumerate("rgba"[: image.shape[-1]])}
    return {"": image}


def write(path, options, images, changes):
    """Write a scan; returns it open."""
    scan = CCD(path, **options)
    for number, image in enumerate(images):
        if number in changes:
            scan.recalibrate(**changes[number])
        scan.add(3 * number, image, metadata={"delay": 0.5 * number, "stage": "übung"})
    return scan


DIE = """
import os, pickle, sys
sys.path.insert(0, sys.argv[1])
import test_features
scan = test_features.write(*pickle.load(sys.stdin.buffer), {})
scan.flush()
os.kill(os.getpid(), 9)
"""


def write_and_recover(path, options, images, torn):
    """The same by a process that is killed; `torn` also takes away what HDF5 needs."""
    given = pickle.dumps((path, options, images))
    command = [sys.executable, "-c", DIE, str(__file__).rpartition("/")[0] or "."]
    assert subprocess.run(command, input=given, timeout=120).returncode == -9
    if torn:
        with path.open("r+b") as file:
            file.write(b"\0" * 96)
    result = openpmd_ccd.recover(path, keep_damaged=False)
    assert (result.lost, result.raw_only) == ([], [])
    assert len(result.shots) == len(images)
    assert result.rebuilt or not torn


@pytest.fixture(scope="module")
def scan(request, tmp_path_factory):
    """The scan of one feature, and what is expected of it."""
    options, images, how = (*FEATURES[request.param], {})[:3]
    suffix = ".bp" if request.param.startswith("bp") else ".h5"
    path = tmp_path_factory.mktemp("scan") / f"cam{suffix}"
    changes = how if isinstance(how, dict) else {}
    expected = Expected(path, options, images, changes)
    before = time.time()
    if isinstance(how, str):
        write_and_recover(path, options, images, how == "torn")
    else:
        write(path, options, images, changes).close()
    expected.between = before, time.time()
    return expected


@pytest.mark.parametrize("scan", HDF5, indirect=True)
def test_validator(scan):
    assert validator(scan.path) == (0, 0)


@pytest.mark.parametrize("scan", FEATURES, indirect=True)
def test_openpmd_api(scan):
    for mesh, rule in scan.meshes.items():
        shots = scan.read(by_api, mesh)
        assert sorted(shots) == sorted(scan.shots)
        factor = 2.0 if mesh == "calibrated" and "dark" not in scan.options else 1.0
        for number, expected in scan.shots.items():
            shot = shots[number]
            assert set(shot["planes"]) == set(expected["planes"])
            for name, plane in expected["planes"].items():
                _same(shot["planes"][name], rule(plane))
                paged = plane.ndim == 3
            assert shot["axes"] == ["page"] * paged + ["y", "x"]
            np.testing.assert_allclose(shot["spacing"], [*[1] * paged, *expected["spacing"]])
            np.testing.assert_allclose(shot["offset"], [*[0] * paged, *expected["offset"]])
            assert set(shot["unit_si"]) == {factor}
            fluence = mesh == "calibrated" and scan.options.get("unit") == "J/m^2"
            assert shot["unit_dimension"] == ([0, 1, -2] if fluence else [0] * 3) + [0] * 4
            assert (shot["order"], shot["geometry"]) == ("C", "Geometry.cartesian")
            assert scan.between[0] <= shot["time"] <= scan.between[1]
            assert shot["metadata"] == expected["metadata"]


@pytest.mark.parametrize("scan", FEATURES, indirect=True)
def test_openpmd_ls(scan):
    text = " ".join(openpmd_ls(scan.path).split())
    assert f"number of iterations: {len(scan.shots)} (groupBased)" in text
    assert f"all iterations: {' '.join(map(str, scan.shots))} " in text
    meshes = sorted(scan.meshes)
    assert f"number of meshes: {len(meshes)} all meshes: {' '.join(meshes)} " in text


@pytest.mark.parametrize(
    ("scan", "backend"),
    [(name, "openpmd-api") for name in FEATURES] + [(name, "h5py") for name in HDF5],
    indirect=["scan"],
)
def test_openpmd_viewer(scan, backend):
    """Shots of the kind of the first: the viewer takes what a record is from there.

    Its openPMD-api backend multiplies fields by unitSI, the h5py backend does not.
    """
    for mesh, rule in scan.meshes.items():
        if mesh == "calibrated" and "gain" in scan.options and backend == "openpmd-api":
            rule = _doubled
        planes = {n: list(scan.shots[n]["planes"]) for n in scan.alike}
        found, times = scan.read(by_viewer, planes, backend, mesh)
        assert sorted(times) == sorted(scan.shots)
        assert all(scan.between[0] <= t <= scan.between[1] for t in times.values())
        for number in scan.alike:
            expected = scan.shots[number]
            for name, plane in expected["planes"].items():
                shot = found[number][name]
                _same(shot["pixels"], rule(plane))
                assert shot["axes"] == dict(enumerate(["page", "y", "x"][-plane.ndim :]))
                (dy, dx), (y0, x0) = expected["spacing"], expected["offset"]
                rows, columns = plane.shape[-2:]
                np.testing.assert_allclose(shot["y"], y0 + (0.5 + np.arange(rows)) * dy)
                np.testing.assert_allclose(shot["x"], x0 + (0.5 + np.arange(columns)) * dx)


def _doubled(plane):
    return plane * 2.0


def _same(found, expected):
    """Equal values of the same type, whatever its byte order was."""
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("backend", ["openpmd-api", "h5py"])
def test_the_viewer_takes_the_name_of_a_file(backend, tmp_path):
    """Given a folder, its openPMD-api backend takes digits at a name's end for the iteration."""
    path = tmp_path / "defaultCam_scan001.h5"
    with CCD(path) as ccd:
        ccd.add(5, frame(5))
    found, times = by_viewer(path, {5: [""]}, backend)
    np.testing.assert_array_equal(found[5][""]["pixels"], frame(5))
    assert list(times) == [5]
