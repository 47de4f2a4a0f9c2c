"""`create_processed` of the first h5calib: its signature, its results, the new format."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import h5calib


def test_signature():
    parameters = inspect.signature(h5calib.create_processed).parameters
    assert list(parameters) == [
        "parent",
        "shape",
        "name",
        "raw",
        "calib",
        "calib_alg",
        "n_cells",
        "dtype",
    ]
    defaults = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    assert defaults == {
        "name": "processed",
        "raw": "/raw",
        "calib": "/calib",
        "calib_alg": "AGIPD_v1",
        "n_cells": 2,
        "dtype": np.float32,
    }


@pytest.fixture
def run(tmp_path, rng):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["raw"] = rng.integers(0, 8000, (7, 6, 5)).astype("i2")
        file["raw2"] = rng.integers(0, 8000, (7, 6, 5, 2)).astype("i2")
        file["dark"] = rng.integers(0, 100, (1, 6, 5)).astype("i2")
        file["calib"] = rng.uniform(0, 100, (3, 6, 5)).astype("f4")
        file["calib8"] = rng.uniform(1, 8000, (3, 6, 5, 8)).astype("f4")
        file["calib8"][0, 0, 0, 0] = np.nan
        yield file


def test_pedestal_v1(run):
    dataset = h5calib.create_processed(run, (7, 6, 5), calib="/dark", calib_alg="pedestal_v1")
    assert (dataset.name, dataset.chunks, dataset.dtype) == ("/processed", (1, 6, 5), "f4")
    assert np.array_equal(dataset[()], run["raw"][()] - run["dark"][0].astype("f4"))
    assert h5calib.describe(dataset)["algorithm"] == "pedestal_v1"


@pytest.mark.parametrize("n_cells", [1, 2, 3])
def test_agipd_v1(run, n_cells):
    dataset = h5calib.create_processed(run, (7, 6, 5), n_cells=n_cells)
    cells = np.arange(7) % n_cells
    assert np.array_equal(dataset[()], run["raw"][()] - run["calib"][()][cells])


def expected_v2(run, frames, n_cells):
    out = np.empty((frames, 6, 5), "f4")
    for i, y, x in np.ndindex(out.shape):
        k = run["calib8"][i % n_cells, y, x]
        signal, voltage = run["raw2"][i, y, x].astype("f4")
        g = 0
        if voltage > k[0]:
            g = 1
        if voltage > k[1]:
            g = 2
        out[i, y, x] = (signal - k[2 + 2 * g]) / k[3 + 2 * g]
    return out


def test_agipd_v2(run):
    dataset = h5calib.create_processed(
        run, (7, 6, 5), "two", raw="/raw2", calib="/calib8", calib_alg="AGIPD_v2", n_cells=3
    )
    assert np.array_equal(dataset[()], expected_v2(run, 7, 3))


def test_fewer_frames_than_raw(run):
    dataset = h5calib.create_processed(
        run, (5, 6, 5), "two", raw="/raw2", calib="/calib8", calib_alg="AGIPD_v2"
    )
    assert np.array_equal(dataset[()], expected_v2(run, 5, 2))


def test_paths_are_from_the_root_of_the_file(run):
    group = run.create_group("entry")
    dataset = h5calib.create_processed(group, (7, 6, 5), raw="raw", calib="calib")
    assert dataset.name == "/entry/processed"
    assert h5calib.describe(dataset)["raw"]["path"] == "/raw"


def test_the_rule_of_the_class(run):
    from h5calib.detectors import AgipdV2

    rule = AgipdV2(run["calib8"]).reference(run["raw2"][()], np.arange(7) % 3, "f4")
    assert np.array_equal(rule, expected_v2(run, 7, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calib_alg": "AGIPD_v3"}, "choose one of pedestal_v1, AGIPD_v1, AGIPD_v2"),
        ({"n_cells": 4}, "frame 3 has memory cell 3, the constants have cells 0 to 2"),
        ({"shape": (8, 6, 5)}, r"raw data of shape \(7, 6, 5\) cannot give the shape \(8, 6, 5\)"),
        ({"shape": (7, 5, 6)}, r"raw data of shape \(7, 6, 5\) cannot give the"),
    ],
)
def test_bad_input(run, options, message, contents):
    before = contents(run)
    with pytest.raises(ValueError, match=message):
        h5calib.create_processed(run, **{"shape": (7, 6, 5), **options})
    assert contents(run) == before


FIRST_FILE = """
import struct, sys
import h5py, numpy as np
path, number, n_cells = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with h5py.File(path, "r+") as file:
    file.attrs["h5calib_file_magic"] = np.uint32(12345)
    n, (y, x) = len(file["raw"]), file["calib"].shape[1:3]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, y, x))
    properties.set_filter(57836, 1, ())
    space = h5py.h5s.create_simple((n, y, x))
    made = h5py.h5d.create(file.id, b"processed", h5py.h5t.IEEE_F32LE, space, properties)
    for i in range(n):
        words = (0x6290D662, 12345, number, i % n_cells, i, n_cells, y, x)
        made.write_direct_chunk((i, 0, 0), struct.pack("<8I", *words) + b"/raw\\0/calib\\0")
"""


def first_file(path, raw, constants, number, n_cells):
    """A file as the first h5calib wrote it, by a process without our plugin, which writes none."""
    with h5py.File(path, "w") as file:
        file["raw"], file["calib"] = raw, constants
    subprocess.run(
        [sys.executable, "-c", FIRST_FILE, path, str(number), str(n_cells)],
        env={**os.environ, "HDF5_PLUGIN_PATH": "/nowhere"},
        check=True,
    )


@pytest.mark.parametrize("n_cells", [1, 2, 5, 6])
@pytest.mark.parametrize("algorithm", ["AGIPD_v1", "AGIPD_v2"])
def test_constants_of_more_cells_than_the_first_h5calib_was_told(tmp_path, rng, algorithm, n_cells):
    cells, cell = 5, np.arange(7) % n_cells
    path = tmp_path / "first.h5"
    if algorithm == "AGIPD_v1":
        raw, dark = rng.integers(0, 99, (7, 3, 4), "i2"), rng.integers(0, 9, (cells, 3, 4))
        first_file(path, raw, dark.astype("f4"), 0x00020001, n_cells)
        expected = (raw - dark[np.minimum(cell, cells - 1)]).astype("f4")
    else:
        raw = rng.integers(0, 99, (7, 3, 4, 2), "i2")
        constants = rng.integers(1, 99, (cells, 3, 4, 8)).astype("f4")
        first_file(path, raw, constants, 0x00020002, n_cells)
        k = constants[np.minimum(cell, cells - 1)]
        stage = np.where(raw[..., 1] > k[..., 1], 2, raw[..., 1] > k[..., 0])[..., None]
        pedestal, gain = (np.take_along_axis(k[..., s::2], stage, -1)[..., 0] for s in (2, 3))
        expected = (raw[..., 0] - pedestal) / gain
    with h5py.File(path) as file:
        if n_cells > cells:
            with pytest.raises(OSError, match="for 5 memory cells, the chunk says 6"):
                file["processed"][()]
        else:
            assert np.array_equal(file["processed"][()], expected)
