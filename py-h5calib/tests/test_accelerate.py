"""``dataset[...]`` by the direct way, and the plugin for child processes."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.binding import plugin
from h5calib.reading import accelerate as module


@pytest.fixture
def fast():
    h5calib.accelerate()
    yield
    h5calib.accelerate(False)


@pytest.fixture
def file(tmp_path, rng):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = rng.integers(0, 1000, (6, 4, 5)).astype("u2")
        calibration = h5calib.Pedestal(np.ones((4, 5), "f4"))
        h5calib.create_calibrated_dataset(file, "v", "raw", calibration)
        layout = h5py.VirtualLayout((6, 2, 4, 5), "f4")
        layout[:, 0] = h5py.VirtualSource(file["v"])
        file.create_virtual_dataset("whole", layout, fillvalue=np.nan)
        plain = h5py.VirtualLayout((6, 4, 5), "u2")
        plain[:] = h5py.VirtualSource(file["raw"])
        file.create_virtual_dataset("plain", plain)
        file["text"], file["number"] = ["a", "b"], 5.0
        yield file


SELECTIONS = [
    np.s_[...], np.s_[:], (), np.s_[2], np.s_[1, 1, 3], np.s_[-1, ..., 2], np.s_[1:5:2, ::2],
    np.s_[[0, 3]], np.s_[:, [0, 1]], np.array([True, False] * 3), np.s_[4:2],
]  # fmt: skip


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_same_values(file, selection):
    for name in ("v", "whole", "plain", "raw"):
        h5calib.accelerate(False)
        expected = file[name][selection]
        h5calib.accelerate()
        found = file[name][selection]
        h5calib.accelerate(False)
        assert type(found) is type(expected)
        assert np.array_equal(found, expected, equal_nan=True)


def test_it_is_the_direct_way(file, fast, monkeypatch):
    asked = []

    def spy(dataset, selection):
        asked.append(dataset.name)
        return h5calib.read(dataset, selection)

    monkeypatch.setattr(module, "read", spy)
    for name in ("v", "whole", "raw", "text", "number"):
        file[name][()]
    assert asked == ["/v", "/whole"]
    assert file["v"].astype("f8")[0].dtype == "f8"


def test_refused_as_by_h5py(file, fast):
    with pytest.raises((IndexError, ValueError)):
        file["v"][99]


def child(code, **environment):
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


SHOW = "import h5calib, os; print(os.environ.get('HDF5_PLUGIN_PATH'))"


def test_the_plugin_is_named_for_child_processes(tmp_path):
    folder = str(plugin.plugin_file().parent)
    assert child(SHOW, HDF5_PLUGIN_PATH=folder) == folder
    other = f"{tmp_path}{os.pathsep}{folder}"
    assert child(SHOW, HDF5_PLUGIN_PATH=other) == other


@pytest.mark.parametrize(
    ("given", "defaults", "expected"),
    [
        (None, [b"/default"], ["/default", "/ours"]),
        ("/a:/b", [b"/a", b"/b"], ["/a", "/b", "/ours"]),
        ("/a:/ours", [b"/a"], ["/a", "/ours"]),
    ],
)
@pytest.mark.skipif(os.pathsep != ":", reason="the folders are written with colons")
def test_the_folder_comes_last(monkeypatch, given, defaults, expected):
    monkeypatch.delenv("HDF5_PLUGIN_PATH", raising=False)
    if given:
        monkeypatch.setenv("HDF5_PLUGIN_PATH", given)
    monkeypatch.setenv("H5CALIB_SET_PLUGIN_PATH", "0")
    plugin.extend_environment("/ours", defaults)
    assert os.environ.get("HDF5_PLUGIN_PATH") == given
    monkeypatch.delenv("H5CALIB_SET_PLUGIN_PATH")
    plugin.extend_environment("/ours", defaults)
    assert os.environ["HDF5_PLUGIN_PATH"].split(os.pathsep) == expected
