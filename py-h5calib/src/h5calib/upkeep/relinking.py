"""Calibrated datasets whose raw data or constants have moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import h5py
import numpy as np

from ..binding import algorithms as _algorithms
from ..contents.fingerprint import write_fingerprint
from ..contents.layout import home_of, read_descriptor, text_of
from ..contents.place import place_of
from ..contents.sources import Source, open_source
from ..creating.checks import check_raw_dtype
from ..creating.write import digest, digest_of, write_text
from ..errors import MissingObjectError, NotCalibratedError


def relink(
    dataset: h5py.Dataset,
    raw: Any = None,
    constants: Mapping[str, Any] | None = None,
    links: str = "auto",
    changed: bool = False,
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
    changed : bool
        Take constants that have other values than those the dataset was made with, of the same
        shape and dtype, on purpose. The attribute `h5calib_constants` keeps the digest they had,
        and when it was replaced.

    The fingerprints that the plugin compares are recorded anew for all that is given.

    Raises
    ------
    KeyError, FileNotFoundError
        There is no such data.
    ValueError, TypeError
        The raw data there does not fit, or the constants have other values than those that the
        dataset was made with (without `changed`). Nothing is changed then.

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
            n_axes = _check_raw(dataset, home, _algorithms.by_id(descriptor.algorithm), source)
            moved.append((home, "raw", source, n_axes))
        for name, given in (constants or {}).items():
            _check_name(dataset, name)
            source = _open(home, given, f"constant {name!r}", files, links)
            _check_constant(dataset, name, source, changed)
            moved.append((home["constants"], name, source, None))
        for group, name, source, n_axes in moved:
            _replace_link(group, name, source, undo)
            _replace_fingerprint(group, name, source, n_axes, undo)
        _record(dataset, {name: source for _, name, source, _ in moved})
        undo.pop_all()


def _open(home: h5py.Group, given: Any, what: str, files: ExitStack, links: str) -> Source:
    if not isinstance(given, h5py.Dataset) and place_of(given, what) is None:
        raise TypeError(f"{what}: give a dataset, a path in the file or 'file:/path'")
    return open_source(home.file["/"], given, what, files, links)


def _check_raw(
    dataset: h5py.Dataset, home: h5py.Group, algorithm: _algorithms.Algorithm, source: Source
) -> int:
    """Returns the number of frame axes."""
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
    return len(frame_axes)


def _check_name(dataset: h5py.Dataset, name: str) -> None:
    known = json.loads(text_of(dataset, "constants"))
    if name not in known:
        raise MissingObjectError(
            f"{dataset.name} has no constant {name!r}, it has {', '.join(known)}"
        )


def _check_constant(dataset: h5py.Dataset, name: str, source: Source, changed: bool) -> None:
    recorded = json.loads(text_of(dataset, "constants"))[name]
    same_shape = list(source.data.shape) == recorded["shape"]
    if changed and not (same_shape and str(source.data.dtype) == recorded["dtype"]):
        raise ValueError(
            f"constant {name!r} has dtype {source.data.dtype} and shape {source.data.shape} there, "
            f"{dataset.name} was made with {recorded['dtype']} and {tuple(recorded['shape'])}: "
            "create a new calibrated dataset"
        )
    if not changed and (not same_shape or digest(source.read()) != recorded["sha256"]):
        raise ValueError(
            f"constant {name!r} has other values there than when {dataset.name} was created: "
            "create a new calibrated dataset for new constants, or, to change this one, give "
            "changed=True (--changed)"
        )


def _replace_link(group: h5py.Group, name: str, source: Source, undo: ExitStack) -> None:
    old = group.get(name, getlink=True)
    kept = group[name] if isinstance(old, h5py.HardLink) else old
    del group[name]
    undo.callback(group.__setitem__, name, kept)
    group[name] = source.link
    undo.callback(group.__delitem__, name)


def _replace_fingerprint(
    group: h5py.Group, name: str, source: Source, n_axes: int | None, undo: ExitStack
) -> None:
    attribute = f"fingerprint_{name}"
    old = group.attrs.get(attribute)
    if old is not None:
        undo.callback(group.attrs.__setitem__, attribute, old)
    undo.callback(group.attrs.pop, attribute, None)
    write_fingerprint(group, name, source, n_axes)


def _record(dataset: h5py.Dataset, moved: dict[str, Source]) -> None:
    """Bring the attributes for people up to date."""
    constants = json.loads(text_of(dataset, "constants"))
    for name, source in moved.items():
        if name not in constants:
            continue
        now, before = digest_of(source.data), constants[name]["sha256"]
        constants[name] |= {"origin": source.text, "sha256": now}
        if now != before:
            when = datetime.now(timezone.utc).isoformat(timespec="seconds")
            constants[name].setdefault("replaced", []).append({"sha256": before, "until": when})
    write_text(dataset, "h5calib_constants", json.dumps(constants))
    if "raw" in moved:
        write_text(dataset, "h5calib_raw", moved["raw"].text)
