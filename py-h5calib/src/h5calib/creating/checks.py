"""Checks of single arguments, before anything is written."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ..binding.algorithms import RAW_U16, Algorithm
from ..calibration.base import Calibration
from ..contents.sources import Source, same_file


def check_target(group: Any, name: Any, calibration: Any, overwrite: bool) -> None:
    """The place must be free, or overwriting allowed, and the file open for writing."""
    if not isinstance(group, h5py.Group):
        raise TypeError(f"group is a {type(group).__name__}: give an h5py.File or h5py.Group")
    if not isinstance(name, str) or not name.strip("/"):
        raise TypeError(f"name={name!r}: give the name of the new dataset")
    if not isinstance(calibration, Calibration):
        raise TypeError(
            f"calibration is a {type(calibration).__name__}: give for example h5calib.Jungfrau(...)"
        )
    if group.file.mode == "r":
        raise OSError(f"{group.file.filename} is open read-only: open it with mode 'r+' or 'a'")
    for end in (i for i, letter in enumerate(name) if letter == "/" and i):
        if isinstance(group.get(name[:end]), h5py.Dataset):
            raise TypeError(f"{name[:end]!r} is a dataset, nothing can be below it: choose another")
    link = group.get(name, getlink=True)
    if link is None:
        return
    if not overwrite:
        raise ValueError(
            f"{name!r} exists in {group.file.filename}: give overwrite=True (--overwrite)"
        )
    if isinstance(link, h5py.HardLink) and not isinstance(group[name], h5py.Dataset):
        raise TypeError(f"{name!r} is not a dataset, it is not overwritten: choose another name")


def check_not_own_source(group: h5py.Group, name: str, sources: list[Source]) -> None:
    """Overwriting must not delete what the new dataset is made of."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return
    for source in sources:
        data = source.data
        if isinstance(data, h5py.Dataset) and same_file(group, data) and data == group[name]:
            raise ValueError(f"{name!r} is one of its own sources: choose another name")


def check_raw_dtype(algorithm: Algorithm, dtype: np.dtype) -> None:
    """Bit fields are 16 bits."""
    if algorithm.flags & RAW_U16 and not (dtype.kind in "iu" and dtype.itemsize == 2):
        raise TypeError(
            f"raw data has dtype {dtype}, {algorithm.name} needs uint16: its pixels are bit fields"
        )


def check_out_dtype(calibration: Calibration, dtype: Any) -> np.dtype:
    """f4 and f8, and integers where values are rounded; files are little-endian."""
    out = np.dtype(dtype or calibration.default_dtype).newbyteorder("<")
    if calibration.default_dtype == "u1":
        if out == np.dtype("u1"):
            return out
        raise TypeError(f"dtype {out} is not possible here: gain stages and masks are 'u1'")
    if out in (np.dtype("<f4"), np.dtype("<f8")):
        return out
    can_round = "rounding" in calibration.algorithm.parameters
    if out.kind in "iu" and can_round and calibration.value("rounding"):
        return out
    hint = ", or an integer dtype with rounding='half_even'" if can_round else ""
    raise TypeError(f"dtype {out} is not possible here: choose 'f4' or 'f8'{hint}")


def check_frames(frames: Any, frame_axes: tuple[int, ...]) -> np.ndarray:
    """Numbers of the chosen raw frames, unsigned 64-bit."""
    if not frame_axes or any(length != 1 for length in frame_axes[1:]):
        raise ValueError(f"frames needs raw data with one frame axis, this has {len(frame_axes)}")
    chosen, count = np.asarray(frames), frame_axes[0]
    if chosen.dtype == bool and chosen.shape != (count,):
        raise ValueError(f"frames has shape {chosen.shape}: give a boolean for each of {count}")
    if chosen.dtype == bool:
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        chosen = chosen.astype("u8")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise TypeError("frames: give a one-dimensional list of frame numbers or of booleans")
    wrong = chosen[(chosen < 0) | (chosen >= count)]
    if wrong.size:
        raise ValueError(f"frames: no frame {wrong[0]}, raw data has frames 0 to {count - 1}")
    return chosen.astype("u8")


def check_cell_range(calibration: Calibration, cells: np.ndarray, n_cells: int) -> None:
    """Every frame's cell must be in the constants, unless bad cells are to be NaN."""
    last = (n_cells - 1) * calibration.steps
    may_be_bad = "bad_cell" in calibration.algorithm.parameters and calibration.value("bad_cell")
    if n_cells == 1 or may_be_bad:
        return
    wrong = np.flatnonzero((cells < 0) | (cells > last))
    if wrong.size:
        raise ValueError(
            f"frame {wrong[0]} has memory cell {cells[wrong[0]]}, the constants have cells 0 to "
            f"{last}: correct cell_ids, leave the frame out with frames=, or make such "
            "frames NaN with bad_cell='nan'"
        )


def check_no_slope(name: str, data: Any) -> None:
    """A flat field multiplies, the European XFEL's SlopesFF divides."""
    if name == "flat_field" and "SlopesFF" in str(getattr(data, "name", "")).split("/"):
        raise ValueError(
            f"{data.name} of {data.file.filename} is a slope, which divides, and a flat field "
            "multiplies: give 1 / SlopesFF as values, as `h5calib create` does for runs"
        )
