"""What all integration tests share: small detector data, and the installed plugin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import h5calib
from h5calib import _plugin


@pytest.fixture(scope="session")
def plugin_dir() -> str:
    """Folder of the installed plugin, for programs that know nothing of h5calib."""
    path = _plugin.plugin_file()
    assert path is not None, "libh5calib is not installed"
    return str(path.parent)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261120)


def jungfrau_rule(raw, pedestal, gain):
    """(adc - pedestal[g]) / gain[g] in float32; NaN for gain code 10. Written for the tests alone."""
    code = raw >> 14
    adc = (raw & 0x3FFF).astype("f4")
    out = np.full(raw.shape, np.nan, "f4")
    for value, stage in ((0, 0), (1, 1), (3, 2)):
        np.copyto(out, (adc - pedestal[stage]) / gain[stage], where=code == value)
    return out


@pytest.fixture
def detector(rng):
    """A small JUNGFRAU: `raw`, `pedestal`, `gain`, the values they give, and the calibration."""
    n, ny, nx = 12, 16, 24
    code = rng.choice([0, 1, 2, 3], size=(n, ny, nx), p=[0.8, 0.1, 0.02, 0.08]).astype("u2")
    raw = (rng.integers(0, 0x4000, (n, ny, nx), dtype="u2") | code << 14).astype("u2")
    pedestal = rng.uniform(1000, 16000, (3, ny, nx)).astype("f4")
    gain = rng.uniform(1, 40, (3, ny, nx)).astype("f4") * np.array([1, -1, -1], "f4")[:, None, None]
    calibration = h5calib.Jungfrau(pedestal=pedestal, gain=gain)
    values = jungfrau_rule(raw, pedestal, gain)
    return SimpleNamespace(raw=raw, pedestal=pedestal, gain=gain, values=values,
                           calibration=calibration, shape=raw.shape)


@pytest.fixture
def view(tmp_path, detector):
    """raw.h5 and a view.h5 over it, closed; attributes of `detector` beside their paths."""
    paths = make_view(tmp_path, detector)
    return SimpleNamespace(**vars(detector), **vars(paths))


def make_view(folder: Path, detector, *, chunks=None, libver=None, name="view.h5", **raw_options):
    """raw.h5:/data/raw and `name`:/calibrated in a folder."""
    raw = folder / "raw.h5"
    with h5py.File(raw, "w") as f:
        f.create_dataset("data/raw", data=detector.raw, **raw_options)
    with h5py.File(folder / name, "w", libver=libver) as f:
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw=f"{raw}:/data/raw", calibration=detector.calibration, chunks=chunks
        )
    return SimpleNamespace(raw_path=raw, path=folder / name, folder=folder)


def make_single(path: Path, detector, *, libver=None, chunks=(2, 16, 24), **raw_options):
    """One file with raw data, constants and calibrated dataset."""
    with h5py.File(path, "w", libver=libver) as f:
        f.create_dataset("raw", data=detector.raw, **raw_options)
        f["pedestal"] = detector.pedestal
        calibration = h5calib.Jungfrau(pedestal=f["pedestal"], gain=detector.gain)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=calibration, chunks=chunks
        )
    return path


def same(a, b) -> bool:
    """Equal bit for bit, NaN included."""
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
