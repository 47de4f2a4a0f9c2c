"""Small detector data and files made of them, for all integration tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import h5calib
import h5py
import numpy as np


def jungfrau_rule(raw, pedestal, gain):
    """(adc - pedestal[g]) / gain[g] in float32; NaN for gain code 10. For the tests alone."""
    code = raw >> 14
    adc = (raw & 0x3FFF).astype("f4")
    out = np.full(raw.shape, np.nan, "f4")
    for value, stage in ((0, 0), (1, 1), (3, 2)):
        np.copyto(out, (adc - pedestal[stage]) / gain[stage], where=code == value)
    return out


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


def forget_fingerprints(path: Path) -> None:
    """Make a view one of those written before there were fingerprints."""
    with h5py.File(path, "r+") as f:
        for home in f["h5calib"].values():
            for group in (home, home["constants"]):
                for name in [n for n in group.attrs if n.startswith("fingerprint_")]:
                    del group.attrs[name]
