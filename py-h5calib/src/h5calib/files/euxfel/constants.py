"""Constants of the European XFEL: exports of its calibration database, Cheetah's files."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ...binding import algorithms as _algorithms
from ...binding.algorithms import MASK
from ...calibration.base import Calibration, Constant, algorithms
from ...contents.sources import split_reference

# what each algorithm calls a constant -> what the database calls it, best first
_NAMES = {
    "pedestal": ("Offset", "Offset10Hz"),
    "threshold": ("ThresholdsDark",),
    "gain": ("Gain", "RelativeGain10Hz"),
    "relative_gain": ("RelativeGain", "SlopesPC"),
    "gain_amp_map": ("GainAmpMap",),
    "flat_field": ("FFMap", "SlopesFF"),
}
_MASKS = ("BadPixelsDark", "BadPixelsPC", "BadPixelsFF", "BadPixelsDark10Hz", "BadPixelsFF10Hz")
_CHEETAH = {
    "pedestal": "AnalogOffset",
    "threshold": "DigitalGainLevel",
    "gain": "RelativeGain",
    "bad_pixels": "Badpixel",
}
_CHEETAH_OPTIONS = {"convention": "multiply", "first_threshold": 1, "masked_value": 0}


def calibration_of(
    kind: str, found: dict[str, str], size: tuple[int, int], mask: Any, options: dict[str, Any]
) -> tuple[Calibration, list[str]]:
    """The calibration of a module from its constants (name -> place), and what was guessed."""
    cls = algorithms().get(kind)
    if cls is None:
        raise ValueError(f"this h5calib has no algorithm {kind!r}: update it")
    if kind == "agipd" and "AnalogOffset" in found:
        given, notes = _cheetah(found), ["constants of Cheetah's layout (stage, cell, y, x)"]
        options = {**_CHEETAH_OPTIONS, **options}
    else:
        given, notes = _database(cls, found, size)
    if mask is not None:
        given[mask_name(cls.algorithm_name)] = mask
    return cls(**given, **options), notes


def _cheetah(found: dict[str, str]) -> dict[str, Any]:
    return {
        ours: Constant(found[theirs], "scyx")
        for ours, theirs in _CHEETAH.items()
        if theirs in found
    }


def _database(
    cls: type[Calibration], found: dict[str, str], size: tuple[int, int]
) -> tuple[dict[str, Any], list[str]]:
    table = _constants_of(cls)
    given: dict[str, Any] = {}
    notes = []
    for ours, names in _NAMES.items():
        theirs = next((name for name in names if name in found), None)
        if ours not in table or theirs is None:
            continue
        constant = _native(found[theirs], size, table[ours].max_stages)
        if constant is not None and theirs == "SlopesFF":
            given[ours] = _reciprocal(constant)
            notes.append(
                "flat_field = 1 / SlopesFF, stored: a slope divides; no public source confirms it"
            )
            continue
        if constant is None:
            notes.append(f"{theirs} is not used: its shape is none that {ours} can have")
            continue
        given[ours] = constant
        notes.append(f"{ours} = {theirs}, axes {constant.axes or 'found from the shape'}")
    masks = [name for name in _MASKS if name in found]
    if masks:
        given[mask_name(cls.algorithm_name)] = _joined([found[name] for name in masks], size)
        notes.append(f"mask = {' | '.join(masks)}" + (", stored" if len(masks) > 1 else ""))
    if "pedestal" not in given:
        raise ValueError(
            f"no Offset among the constants {', '.join(sorted(found)) or '(none found)'}: "
            "give files of the calibration database or of Cheetah with --constants"
        )
    return given, notes


def _constants_of(cls: type[Calibration]) -> dict[str, Any]:
    return _algorithms.by_name(cls.algorithm_name).constants


def mask_name(algorithm: str) -> str:
    """What the algorithm calls its mask."""
    for name, spec in _algorithms.by_name(algorithm).constants.items():
        if spec.flags & MASK:
            return name
    raise ValueError(f"{algorithm} takes no mask")


def _native(place: str, size: tuple[int, int], max_stages: int) -> Constant | None:
    """A link to the data in its own order of axes; of more stages than ours the first, stored."""
    file, path = split_reference(place) or (place, "/")
    with h5py.File(file, "r") as opened:
        data = opened[path]
        axes = native_axes(data.shape, *size)
        stages = data.shape[axes.index("s")] if axes and "s" in axes else 1
        if stages <= max_stages:
            return Constant(place, axes)
        if path.endswith("ThresholdsDark") or "/ThresholdsDark/" in path:
            return Constant(data[..., :2], axes)
    return None


def _reciprocal(slope: Constant) -> Constant:
    """One over a slope, as values; a slope that is not positive makes its pixel unusable."""
    source = slope.source
    if isinstance(source, str):
        file, path = split_reference(source) or (source, "/")
        with h5py.File(file, "r") as opened:
            source = opened[path][()]
    values = np.asarray(source, "f8")
    usable = np.isfinite(values) & (values > 0)
    return Constant(np.divide(1.0, values, np.full(values.shape, np.nan), where=usable), slope.axes)


def native_axes(shape: tuple[int, ...], ny: int, nx: int) -> str | None:
    """The order of axes of a constant of the database: (x, y, cell, stage) as far as it has them.

    None where the shape is not transposed: the only possible order is found later.

    >>> native_axes((128, 512, 352, 3), 512, 128), native_axes((352, 512, 128), 512, 128)
    ('xycs', None)
    """
    if shape[:2] == (nx, ny) and len(shape) <= 4:
        return "xycs"[: len(shape)]
    return None


def _joined(places: list[str], size: tuple[int, int]) -> Any:
    """One mask as a link; several as their bits together."""
    if len(places) == 1:
        return _native(places[0], size, 3)
    maps, axes = [], None
    for place in places:
        file, path = split_reference(place) or (place, "/")
        with h5py.File(file, "r") as opened:
            maps.append(opened[path][()].astype("u4"))
    dims = max(m.ndim for m in maps)
    axes = native_axes(max((m.shape for m in maps), key=len), *size)
    if axes is None and len({m.shape for m in maps}) > 1:
        raise ValueError(
            f"the masks {', '.join(places)} differ in shape: give the one to use with --mask"
        )
    maps = [m.reshape(*m.shape, *(1,) * (dims - m.ndim)) for m in maps]
    return Constant(np.bitwise_or.reduce(np.broadcast_arrays(*maps)), axes)
