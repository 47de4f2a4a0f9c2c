"""NXmx and NXdata files: ``<field>_offset``, ``_scaling_factor``, ``_mask``, ``pixel_mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from ...calibration.base import Constant, algorithms
from ...errors import MissingObjectError
from ..view import Entry, View
from ..walk import datasets_in
from .beside import mask_of, out_of_range

_FACTORS = ("offset", "scaling_factor")


def fields(path: str) -> list[str]:
    """Paths of the datasets that have an offset or a scaling factor, also behind links."""
    with h5py.File(path, "r") as file:
        found = {name: dataset.ndim for name, dataset in datasets_in(file)}
    return [
        f"/{name}"
        for name, dims in found.items()
        if dims >= 2 and any(f"{name}_{factor}" in found for factor in _FACTORS)
    ]


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
        Instead of the field's `_mask` and the detector's `pixel_mask`.
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
    path = _choose(raw, detector)
    with h5py.File(raw, "r") as file:
        data, given, notes = file[path], {}, [f"field {path} of shape {file[path].shape}"]
        shape = data.shape
        for factor in _FACTORS:
            if f"{path}_{factor}" in file:
                given[factor] = _factor(file[f"{path}_{factor}"], f"{path}_{factor}", raw, shape)
                notes.append(f"{factor} {path}_{factor}")
        if mask is None:
            mask = mask_of(file, path, raw, notes)
        parameters.setdefault("missing_value", out_of_range(file, path, notes) or None)
    calibration = algorithms()["linear"](**given, pixel_mask=mask, **parameters)
    per_frame = any(
        isinstance(v, Constant) and v.axes and "c" in v.axes for v in calibration.constants.values()
    )
    cells = np.arange(shape[0]) if per_frame else None
    return View([Entry(path, f"{raw}:{path}", calibration, cells, frames)], notes)


def _choose(raw: str, detector: str | None) -> str:
    found = fields(raw)
    if detector is None and len(found) == 1:
        return found[0]
    path = f"/{str(detector).lstrip('/')}"
    if detector is not None and path in found:
        return path
    has = ", ".join(found) or "none with <field>_offset or <field>_scaling_factor"
    raise MissingObjectError(f"fields of {raw}: {has}; say which with --detector /PATH")


def _factor(data: h5py.Dataset, path: str, raw: str, shape: tuple[int, ...]) -> Any:
    """A number, a map, or one value or map for each frame."""
    place = f"{raw}:{path}"
    if data.size == 1:
        return float(data[()].reshape(()))
    axes = {1: "c", 2: "yx", 3: "cyx"}.get(data.ndim)
    if axes is None or (axes[0] == "c" and data.shape[0] != shape[0]):
        raise ValueError(
            f"{place} of shape {data.shape} for data of shape {shape}: a number, one for each "
            "frame, (y, x) or (frame, y, x) are possible"
        )
    return Constant(place, axes)
