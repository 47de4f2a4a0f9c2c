"""JUNGFRAU files of SwissFEL: ``data/JFxxTyyVzz/data``, a pedestal file and a gain file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from ...calibration.base import algorithms
from ...creating.checks import check_frames
from ...errors import MissingObjectError
from ..view import Entry, View
from .gain_maps import stack_modules

_DETECTOR = re.compile(r"JF\d\dT\d\dV\d\d$")
_BESIDE = ("pulse_id", "frame_index", "daq_rec", "is_good_frame")
_ROWS = 512


def detectors(path: str) -> list[str]:
    """The names of the detectors in a file, empty where it is none of SwissFEL's."""
    with h5py.File(path, "r") as file:
        data = file.get("data")
        names = data if isinstance(data, h5py.Group) else ()
        return [name for name in names if _DETECTOR.match(name) and "data" in data[name]]


def view(
    raw: str,
    constants: Sequence[str] = (),
    detector: str | None = None,
    mask: Any = None,
    frames: Any = None,
    **parameters: Any,
) -> View:
    """A calibrated dataset for a JUNGFRAU of a SwissFEL file.

    Parameters
    ----------
    raw : path of the raw file
    constants : paths
        The pedestal file, and the gain file or the binary gain maps of the modules.
    detector : str, optional
        ``JFxxTyyVzz``; needed where the file has several.
    mask : optional
        Instead of the pedestal file's `pixel_mask`.
    frames : optional
        As for `create_calibrated_dataset`; "good" for those with `is_good_frame`.
    **parameters
        Of `Jungfrau`. `high_gain` is read from `daq_rec` where it is not given.
    """
    name, notes = _choose(raw, detector), []
    with h5py.File(raw, "r") as file:
        group = file[f"data/{name}"]
        shape, beside = group["data"].shape, [key for key in _BESIDE if key in group]
        modules = _module_map(group, shape)
        if parameters.get("high_gain") is None and "daq_rec" in group:
            parameters["high_gain"] = _high_gain(group["daq_rec"], notes)
        if isinstance(frames, str) and frames == "good":
            frames = _good_frames(group, raw, notes)
        ids = {key: _ids(group[key], raw, shape[0], frames) for key in beside}
    pedestal, gain, pixel_mask = _constants(constants, modules, notes)
    calibration = algorithms()["jungfrau"](
        pedestal, gain, pixel_mask=pixel_mask if mask is None else mask, **parameters
    )
    notes.insert(0, f"detector {name}, {shape[-2] // _ROWS} modules, {shape[0]} frames")
    entry = Entry(
        *(f"data/{name}/data", f"{raw}:/data/{name}/data", calibration, None, frames, ids),
        detector=f"{name}, JUNGFRAU",
    )
    return View([entry], notes)


def _ids(data: h5py.Dataset, raw: str, count: int, frames: Any) -> Any:
    """Where what is beside the data is; of chosen frames its values."""
    if frames is None or data.shape[:1] != (count,):
        return f"{raw}:{data.name}"
    return data[()][check_frames(frames, (count,))]


def _choose(raw: str, detector: str | None) -> str:
    found = detectors(raw)
    if detector is None and len(found) == 1:
        return found[0]
    if detector in found:
        return str(detector)
    has = f"it has {', '.join(found)}" if found else "it has no data/JFxxTyyVzz/data"
    what = f"detector {detector!r} is not in {raw}" if detector else f"which detector of {raw}"
    raise MissingObjectError(f"{what}: {has}; say which with --detector")


def _module_map(group: h5py.Group, shape: tuple[int, ...]) -> np.ndarray | None:
    """The number in the constants of each module in the data; None: all in order.

    For each module of the detector the map has its place in the data, -1 where it is not there;
    one row, or one for each frame.
    """
    if "module_map" not in group:
        return None
    rows = np.atleast_2d(group["module_map"][()])
    if len(rows) and (rows != rows[0]).any():
        raise ValueError(
            f"{group.name}/module_map differs between frames: choose frames of one map with frames="
        )
    if not len(rows):
        return None
    present = np.flatnonzero(rows[0] >= 0)
    if len(present) != shape[-2] // _ROWS:
        raise ValueError(
            f"{group.name}/module_map names {len(present)} modules, the data has "
            f"{shape[-2] // _ROWS}: is it the map of this data?"
        )
    return present[np.argsort(rows[0][present])]


def _high_gain(daq_rec: h5py.Dataset, notes: list[str]) -> bool:
    bits = np.unique(daq_rec[()].reshape(-1).astype("i8") & 1)
    if len(bits) > 1:
        raise ValueError(
            f"{daq_rec.name}: some frames were taken in high gain, some not: make two views, each "
            "with its --frames and --option high_gain=true or false"
        )
    high = bool(len(bits) and bits[0])
    notes.append(f"high_gain={str(high).lower()} from bit 0 of daq_rec")
    return high


def _good_frames(group: h5py.Group, raw: str, notes: list[str]) -> np.ndarray:
    if "is_good_frame" not in group:
        raise MissingObjectError(
            f"{raw} has no {group.name}/is_good_frame: leave out --frames good"
        )
    good = group["is_good_frame"][()].reshape(-1) != 0
    notes.append(f"{int(good.sum())} of {good.size} frames are good")
    return good


def _constants(
    places: Sequence[str], modules: np.ndarray | None, notes: list[str]
) -> tuple[Any, Any, Any]:
    """Pedestal, gain and mask: links where all modules are used in order, arrays otherwise."""
    binary = [place for place in places if place.endswith(".bin")]
    found: dict[str, Any] = {}
    for place in (place for place in places if place not in binary):
        kind, name = _kind(place)
        with h5py.File(name, "r") as file:
            found[kind] = _pick(file["gains"], name, modules, notes)
            if kind == "pedestal" and "pixel_mask" in file:
                found["mask"] = _pick(file["pixel_mask"], name, modules, notes)
        notes.append(f"{name}: {kind}")
    if binary:
        found["gain"] = stack_modules(binary)
        notes.append(f"gain maps of {len(binary)} modules from {', '.join(binary)}")
    for what in ("pedestal", "gain"):
        if what not in found:
            raise ValueError(
                f"no {what} among the constants: add the {what} file with --constants {what}=FILE"
            )
    return found["pedestal"], found["gain"], found.get("mask")


def _kind(place: str) -> tuple[str, str]:
    """What a file holds, and its name: ``pedestal=FILE``, ``gain=FILE``, or only the name.

    A pedestal file has a pixel mask; else the numbers tell: gains of G1 are negative.
    """
    kind, equals, name = place.partition("=")
    if not equals or kind not in ("pedestal", "gain"):
        kind, name = "", place
    if not os.path.exists(name):
        raise FileNotFoundError(f"constants: there is no file {name}: correct its name")
    with h5py.File(name, "r") as file:
        if "gains" not in file:
            raise MissingObjectError(
                f"constants: {name} has no dataset gains: it is no pedestal or gain file of "
                "SwissFEL, give another"
            )
        if not kind and "pixel_mask" not in file:
            kind = "gain" if np.nanmin(file["gains"][1]) < 0 else "pedestal"
    return kind or "pedestal", name


def _pick(data: h5py.Dataset, place: str, modules: np.ndarray | None, notes: list[str]) -> Any:
    total = data.shape[-2] // _ROWS
    if modules is None or list(modules) == list(range(total)):
        return f"{place}:{data.name}"
    if modules.max() >= total:
        raise ValueError(
            f"{place}:{data.name} has {total} modules, module_map names module {modules.max()}: "
            "give the constants of this detector"
        )
    notes.append(f"{data.name} of modules {', '.join(map(str, modules))}, stored in the view")
    return np.concatenate([data[..., m * _ROWS : (m + 1) * _ROWS, :] for m in modules], axis=-2)
