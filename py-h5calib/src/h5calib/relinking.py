"""Calibrated datasets whose raw data or constants have moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np

from . import _algorithms
from ._checks import check_raw_dtype
from ._layout import home_of, read_descriptor, text_of
from ._write import digest, write_text
from .errors import MissingObjectError, NotCalibratedError
from .sources import Source, open_source


def relink(
    dataset: h5py.Dataset,
    raw: Any = None,
    constants: Mapping[str, Any] | None = None,
    links: str = "auto",
) -> None:
    """Tell a calibrated dataset where its raw data or constants are now.

    Parameters
    ----------
    dataset : h5py.Dataset
        In a file open for writing.
    raw : h5py.Dataset or str, optional
        As for `create_calibrated_dataset`.
    constants : dict of str to (h5py.Dataset or str), optional
        New places by the constants' names.
    links : {"auto", "relative", "absolute"}
        As for `create_calibrated_dataset`.

    Raises
    ------
    KeyError, FileNotFoundError
        There is no such data.
    ValueError, TypeError
        The raw data there does not fit, or the constants have other values than those that the
        dataset was made with. Nothing is changed then.

    Examples
    --------
    >>> h5calib.relink(f["calibrated"], raw="/archive/run7.h5:/data/raw")  # doctest: +SKIP
    """
    descriptor = read_descriptor(dataset)
    if descriptor is None:
        raise NotCalibratedError(f"{dataset.name} was made by the first h5calib: create it again")
    if dataset.file.mode == "r":
        raise OSError(f"{dataset.file.filename} is open read-only: open it with mode 'r+'")
    home = home_of(dataset, descriptor)
    with ExitStack() as files, ExitStack() as undo:
        moved = []
        if raw is not None:
            source = _open(home, raw, "raw data", files, links)
            _check_raw(dataset, home, _algorithms.by_id(descriptor.algorithm), source)
            moved.append((home, "raw", source))
        for name, given in (constants or {}).items():
            _check_name(dataset, name)
            source = _open(home, given, f"constant {name!r}", files, links)
            _check_constant(dataset, name, source)
            moved.append((home["constants"], name, source))
        for group, name, source in moved:
            _replace_link(group, name, source, undo)
        _record(dataset, {name: source.text for _, name, source in moved})
        undo.pop_all()


def _open(home: h5py.Group, given: Any, what: str, files: ExitStack, links: str) -> Source:
    if not isinstance(given, (str, h5py.Dataset)):
        raise TypeError(f"{what}: give a dataset, a path in the file or 'file:/path'")
    return open_source(home.file["/"], given, what, files, links)


def _check_raw(
    dataset: h5py.Dataset, home: h5py.Group, algorithm: _algorithms.Algorithm, source: Source
) -> None:
    frame_axes, *frame = algorithm.split_raw_shape(source.data.shape)
    check_raw_dtype(algorithm, source.data.dtype)
    if "frames" in home:
        last = int(np.max(home["frames"], initial=0))
        fits = len(frame_axes) == 1 and last < max(1, frame_axes[0])
    else:
        fits = frame_axes == dataset.shape[:-2]
    if not fits or tuple(frame) != dataset.shape[-2:]:
        raise ValueError(
            f"raw data of shape {source.data.shape} does not fit {dataset.name} of shape "
            f"{dataset.shape}: it is not the data that this was made of"
        )


def _check_name(dataset: h5py.Dataset, name: str) -> None:
    known = json.loads(text_of(dataset, "constants"))
    if name not in known:
        raise MissingObjectError(
            f"{dataset.name} has no constant {name!r}, it has {', '.join(known)}"
        )


def _check_constant(dataset: h5py.Dataset, name: str, source: Source) -> None:
    recorded = json.loads(text_of(dataset, "constants"))
    same_shape = list(source.data.shape) == recorded[name]["shape"]
    if not same_shape or digest(source.read()) != recorded[name]["sha256"]:
        raise ValueError(
            f"constant {name!r} has other values there than when {dataset.name} was created: "
            "create a new calibrated dataset for new constants"
        )


def _replace_link(group: h5py.Group, name: str, source: Source, undo: ExitStack) -> None:
    old = group.get(name, getlink=True)
    kept = group[name] if isinstance(old, h5py.HardLink) else old
    del group[name]
    undo.callback(group.__setitem__, name, kept)
    group[name] = source.link
    undo.callback(group.__delitem__, name)


def _record(dataset: h5py.Dataset, moved: dict[str, str]) -> None:
    """Bring the attributes for people up to date."""
    constants = json.loads(text_of(dataset, "constants"))
    for name, text in moved.items():
        if name in constants:
            constants[name]["origin"] = text
    write_text(dataset, "h5calib_constants", json.dumps(constants))
    if "raw" in moved:
        write_text(dataset, "h5calib_raw", moved["raw"])
