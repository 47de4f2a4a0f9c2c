"""NXmx and NXdata files: ``<field>_offset``, ``<field>_scaling_factor``, ``pixel_mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from ...calibration.base import Constant, algorithms
from ...errors import MissingObjectError
from ..view import Entry, View

_FACTORS = ("offset", "scaling_factor")


def fields(path: str) -> list[str]:
    """Paths of the datasets in a file that have an offset or a scaling factor."""
    found: list[str] = []

    def visit(name: str, thing: Any) -> None:
        factors = any(f"{name}_{f}" in file for f in _FACTORS)
        if isinstance(thing, h5py.Dataset) and thing.ndim >= 2 and factors:
            found.append(f"/{name}")

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def view(
    raw: str,
    constants: Sequence[str] = (),
    detector: str | None = None,
    mask: Any = None,
    frames: Any = None,
    **parameters: Any,
) -> View:
    """A calibrated dataset for a field of a NeXus file.

    Parameters
    ----------
    raw : path of the file
    constants : none are taken: they are in the file
    detector : str, optional
        Path of the field; needed where the file has several.
    mask : optional
        Instead of the detector's `pixel_mask`.
    frames : optional
        As for `create_calibrated_dataset`.
    **parameters
        Of `Linear`.
    """
    if constants:
        raise ValueError(
            "a NeXus file has its constants beside its data: leave out --constants, or use --raw "
            "FILE:/PATH --algorithm with --constant"
        )
    path, notes = _choose(raw, detector), []
    with h5py.File(raw, "r") as file:
        shape, given = file[path].shape, {}
        for factor in _FACTORS:
            if f"{path}_{factor}" in file:
                given[factor] = _factor(file[f"{path}_{factor}"], raw, shape)
                notes.append(f"{factor} {path}_{factor}")
        found = _mask(file, path)
    if mask is None and found:
        mask = f"{raw}:{found}"
        notes.append(f"pixel_mask {found}")
    per_frame = any(isinstance(v, Constant) and v.axes and "c" in v.axes for v in given.values())
    calibration = algorithms()["linear"](**given, pixel_mask=mask, **parameters)
    cells = np.arange(shape[0]) if per_frame else None
    notes.insert(0, f"field {path} of shape {shape}")
    entry = Entry(path, f"{raw}:{path}", calibration, cells, frames)
    return View([entry], notes)


def _choose(raw: str, detector: str | None) -> str:
    found = fields(raw)
    if detector is None and len(found) == 1:
        return found[0]
    path = f"/{str(detector).lstrip('/')}"
    if detector is not None and path in found:
        return path
    has = ", ".join(found) or "none with <field>_offset or <field>_scaling_factor"
    raise MissingObjectError(f"fields of {raw}: {has}; say which with --detector /PATH")


def _factor(data: h5py.Dataset, raw: str, shape: tuple[int, ...]) -> Any:
    """A number, a map, or one value or map for each frame."""
    place = f"{raw}:{data.name}"
    if data.size == 1:
        return float(data[()].reshape(()))
    axes = {1: "c", 2: "yx", 3: "cyx"}.get(data.ndim)
    if axes is None or (axes[0] == "c" and data.shape[0] != shape[0]):
        raise ValueError(
            f"{place} of shape {data.shape} for data of shape {shape}: a number, one for each "
            "frame, (y, x) or (frame, y, x) are possible"
        )
    return Constant(place, axes)


def _mask(file: h5py.File, path: str) -> str | None:
    """pixel_mask beside the field, or in an NXdetector of the same entry."""
    group = path.rpartition("/")[0]
    if f"{group}/pixel_mask" in file:
        return f"{group}/pixel_mask"
    entry, found = file[path].parent, []
    while entry.name != "/" and entry.attrs.get("NX_class") not in ("NXentry", b"NXentry"):
        entry = entry.parent
    entry.visit(lambda name: found.append(name) if name.endswith("pixel_mask") else None)
    if len(found) > 1:
        raise ValueError(
            f"{path} could have the masks {', '.join(found)}: say which with --mask FILE:/PATH"
        )
    return f"{entry.name.rstrip('/')}/{found[0]}" if found else None
