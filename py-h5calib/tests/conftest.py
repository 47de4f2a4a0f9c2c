"""Fixtures: small runs of detectors, and a picture of all that a file holds."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.binding.hdf5 import filter_words


@pytest.fixture
def rng():
    return np.random.default_rng(57836)


@pytest.fixture
def jungfrau(rng):
    """Raw frames (7, 12, 16) with all gain codes, and the constants as arrays."""
    raw = rng.integers(0, 1 << 16, (7, 12, 16), dtype="u2")
    pedestal = rng.uniform(1000, 14000, (3, 12, 16)).astype("f4")
    gain = np.array([40, -1.5, -0.1], "f4").reshape(3, 1, 1) * np.ones((3, 12, 16), "f4")
    return raw, {"pedestal": pedestal, "gain": gain}


@pytest.fixture
def agipd(rng):
    """Raw frames (10, 2, 8, 16), constants of 4 cells, cell ids."""
    raw = rng.integers(0, 10000, (10, 2, 8, 16), dtype="u2")
    constants = {
        "threshold": rng.uniform(2000, 8000, (4, 2, 8, 16)).astype("f4"),
        "pedestal": rng.uniform(3000, 6000, (4, 3, 8, 16)).astype("f4"),
        "gain": rng.uniform(1, 20, (4, 3, 8, 16)).astype("f4"),
    }
    return raw, constants, rng.integers(0, 4, 10).astype("u2")


@pytest.fixture
def view(tmp_path, jungfrau):
    """A file open for writing that holds the JUNGFRAU run as /raw."""
    with h5py.File(tmp_path / "view.h5", "w") as file:
        file["raw"] = jungfrau[0]
        yield file


@pytest.fixture
def calibration(jungfrau):
    return h5calib.Jungfrau(**jungfrau[1])


@pytest.fixture
def data_folder():
    """The folder of real data; it is not part of the repository."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("H5CALIB_TEST_DATA", default))
    if not (folder / "jungfrau_mod5.npz").exists():
        pytest.skip(f"no real data in {folder}: set H5CALIB_TEST_DATA to the folder that has it")
    return folder


@pytest.fixture
def contents():
    """A function: everything in a file as comparable values, calibrated pixels left out."""
    return picture


def picture(group, prefix=""):
    found = {prefix + "@": attributes(group)}
    for name in group:
        link = group.get(name, getlink=True)
        path = f"{prefix}/{name}"
        if isinstance(link, h5py.SoftLink):
            found[path] = ("soft", link.path)
        elif isinstance(link, h5py.ExternalLink):
            found[path] = ("external", link.filename, link.path)
        elif isinstance(group[name], h5py.Group):
            found.update(picture(group[name], path))
        else:
            found[path] = dataset_picture(group[name])
    return found


def dataset_picture(dataset):
    words = filter_words(dataset.id.get_create_plist(), 57836)
    if words is not None:
        chunks = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
        data = [dataset.id.read_direct_chunk(c.chunk_offset) for c in chunks]
    else:
        data = dataset[()].tobytes()
    return dataset.shape, dataset.dtype, dataset.chunks, words, data, attributes(dataset)


def attributes(thing):
    return {k: v.tobytes() if hasattr(v, "tobytes") else v for k, v in thing.attrs.items()}
