"""What a NeXus file says beside a field: masks, and values that are no measurement."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ...binding.library import MOST_MISSING_VALUES
from ...calibration.base import Constant
from ..walk import datasets_in

FIELD_MASK = 1 << 30  # where a field's own mask is put among the bits of pixel_mask


def mask_of(file: h5py.File, path: str, raw: str, notes: list[str]) -> Constant | None:
    """``<field>_mask`` and `pixel_mask` of a field, (y, x) or (frame, y, x); both as their bits.

    Parameters
    ----------
    file, path : the field
    raw : name of the file, for links
    notes : what was found is added to it
    """
    shape = file[path].shape
    places = [p for p in (f"{path}_mask", _pixel_mask(file, path)) if p and p in file]
    masks = {place: file[place] for place in places}
    for place, mask in masks.items():
        per_frame = mask.ndim == 3 and len(shape) == 3 and mask.shape[0] in (1, shape[0])
        if mask.shape[-2:] != shape[-2:] or not (mask.ndim == 2 or per_frame):
            raise ValueError(
                f"{raw}:{place} of shape {mask.shape} for data of shape {shape}: a mask is (y, x) "
                "or (frame, y, x); give another with --mask FILE:/PATH"
            )
    if len(masks) == 2:
        own, pixels = (mask[()] for mask in masks.values())
        both = np.where(own != 0, FIELD_MASK, 0).astype("u4") | pixels.astype("u4")
        notes.append(f"pixel_mask {places[1]}, and {places[0]} as its bit 30, stored in the view")
        return Constant(both, "yx" if both.ndim == 2 else "cyx")
    if not masks:
        return None
    notes.append(f"pixel_mask {places[0]}")
    return Constant(f"{raw}:{places[0]}", "yx" if masks[places[0]].ndim == 2 else "cyx")


def out_of_range(file: h5py.File, path: str, notes: list[str]) -> list[int]:
    """Raw values above `saturation_value` and below `underload_value` of the detector.

    They are missing values where there are few of them, as the greatest number of unsigned
    integers mostly is; if not, `notes` says that they are not applied.
    """
    data, values = file[path], []
    limits = np.iinfo(data.dtype) if data.dtype.kind in "iu" else None
    for name in ("underload_value", "saturation_value"):
        place = next((p for p in _detectors(file, path, name)), None)
        if place is None or file[place].size != 1 or not np.isfinite(file[place][()]).all():
            continue
        limit = int(np.asarray(file[place][()]).reshape(()))
        low, high = (0, 0)
        if limits:
            above = name == "saturation_value"
            low, high = (limit + 1, limits.max + 1) if above else (limits.min, limit)
        if limits is None or high - low + len(values) > MOST_MISSING_VALUES:
            notes.append(f"{name} {limit} ({place}) is not applied: raw values beyond it are kept")
            continue
        values += range(low, high)
        if high > low:
            notes.append(f"missing values: raw {list(range(low, high))}, {name} is {limit}")
    return values


def _pixel_mask(file: h5py.File, path: str) -> str | None:
    """pixel_mask beside the field, or in an NXdetector of the same entry."""
    found = _detectors(file, path, "pixel_mask")
    if len(found) > 1:
        raise ValueError(
            f"{path} could have the masks {', '.join(found)}: say which with --mask FILE:/PATH"
        )
    return found[0] if found else None


def _detectors(file: h5py.File, path: str, name: str) -> list[str]:
    """Where `name` is: beside the field; else all places in its entry, each dataset once."""
    beside = f"{path.rpartition('/')[0]}/{name}"
    if beside in file:
        return [beside]
    entry = path.strip("/").rpartition("/")[0]
    while entry and _class_of(file[entry]) != "NXentry":
        entry = entry.rpartition("/")[0]
    found: dict[Any, str] = {}
    for place, dataset in datasets_in(file[entry or "/"]):
        if place.rpartition("/")[2] == name:
            found.setdefault(dataset, f"{entry and '/' + entry}/{place}")
    return list(found.values())


def _class_of(group: h5py.Group) -> str:
    value = group.attrs.get("NX_class", "")
    return value.decode() if isinstance(value, bytes) else str(value)
