"""`create_processed`, as the first h5calib had it."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ..detectors import AgipdV1, AgipdV2, PedestalV1
from .create import create_calibrated_dataset

_CLASSES = {"pedestal_v1": PedestalV1, "AGIPD_v1": AgipdV1, "AGIPD_v2": AgipdV2}


def create_processed(
    parent: h5py.Group,
    shape: tuple[int, int, int],
    name: str = "processed",
    raw: str = "/raw",
    calib: str = "/calib",
    calib_alg: str = "AGIPD_v1",
    n_cells: int = 2,
    dtype: Any = np.float32,
) -> h5py.Dataset:
    """Create a calibrated dataset with the function of the first h5calib.

    Parameters
    ----------
    parent : h5py.Group
    shape : (frames, y, x)
        The first frames of the raw data, if it has more.
    name : str
    raw, calib : str
        Paths of raw data and constants in the same file, from its root.
    calib_alg : {"pedestal_v1", "AGIPD_v1", "AGIPD_v2"}
        ``raw - calib[0]``; ``raw - calib[cell]``; three gain stages with thresholds, raw data
        (frames, y, x, 2) [signal, gain] and constants (cell, y, x, 8).
    n_cells : int
        Frame i has the memory cell ``i % n_cells`` (not with "pedestal_v1").
    dtype : {"f4", "f8"}

    New programs better use `create_calibrated_dataset`.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> f = h5py.File("processed.h5", "w", driver="core", backing_store=False)
    >>> f["raw"], f["calib"] = np.ones((4, 2, 2), "i2"), np.ones((2, 2, 2), "f4")
    >>> h5calib.create_processed(f, (4, 2, 2)).chunks
    (1, 2, 2)
    """
    if calib_alg not in _CLASSES:
        raise ValueError(f"calib_alg={calib_alg!r}: choose one of {', '.join(_CLASSES)}")
    frames, ny, nx = shape = tuple(shape)
    calibration = _CLASSES[calib_alg](_from_root(calib))
    cells = None if calib_alg == "pedestal_v1" else np.arange(frames, dtype="u4") % n_cells
    chosen, count = None, _frames_of(parent.file, _from_root(raw), shape)
    if count > frames:
        chosen = np.arange(frames)
        cells = None if cells is None else np.arange(count, dtype="u4") % n_cells
    return create_calibrated_dataset(
        parent,
        name,
        _from_root(raw),
        calibration,
        cell_ids=cells,
        frames=chosen,
        chunks=(1, ny, nx),
        dtype=dtype,
    )


def _frames_of(file: h5py.File, raw: str, shape: tuple[int, int, int]) -> int:
    """How many frames raw data has; ValueError where it cannot give the shape."""
    found = file.get(raw)
    if not isinstance(found, h5py.Dataset):
        return shape[0]  # create_calibrated_dataset says what is wrong
    if len(found.shape) < 3 or found.shape[0] < shape[0] or found.shape[1:3] != shape[1:]:
        raise ValueError(f"raw data of shape {found.shape} cannot give the shape {tuple(shape)}")
    return found.shape[0]


def _from_root(path: str) -> str:
    return "/" + path.lstrip("/")
