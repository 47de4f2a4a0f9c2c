"""Calibrated datasets whose raw data or constants have moved."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import h5py
import numpy as np

from ..binding import algorithms as _algorithms
from ..contents.fingerprint import contradiction, write_fingerprint
from ..contents.layout import home_of, read_descriptor, text_of
from ..contents.place import place_of
from ..contents.sources import Source, open_source
from ..creating.checks import check_raw_dtype
from ..creating.write import digest, digest_of, write_text
from ..errors import MissingObjectError, NotCalibratedError
from .rebuilding import sources_of
from .sampling import read_a_chunk


@dataclass(frozen=True, eq=False)
class _Moved:
    """What a link is to lead to; `why` tells that it is not what it was."""

    what: str  # "raw", "cell_ids" or the constant's name
    group: h5py.Group
    name: str
    source: Source
    n_axes: int | None
    why: str | None


def relink(
    dataset: h5py.Dataset,
    raw: Any = None,
    constants: Mapping[str, Any] | None = None,
    links: str = "auto",
    changed: bool = False,
    cell_ids: Any = None,
) -> None:
    """Tell a calibrated dataset where its raw data, constants or cell ids are now.

    Parameters
    ----------
    dataset : h5py.Dataset
        In a file open for writing.
    raw, cell_ids : h5py.Dataset, str, (file, path) or pathlib.Path, optional
        As for `create_calibrated_dataset`.
    constants : dict of str to the same, optional
        New places by the constants' names.
    links : {"auto", "relative", "absolute"}
        As for `create_calibrated_dataset`.
    changed : bool
        Take data that is not what the dataset was made with, on purpose: constants of the same
        shape and dtype, raw data that fits. What was recorded of the old and of the new is kept
        in the attribute `h5calib_relinked`, and of constants in `h5calib_constants`.

    The fingerprints that the plugin compares are recorded anew for all that is given. A chunk is
    read before this returns, unless something else that is linked is not there: that can be given
    in another call.

    Raises
    ------
    KeyError, FileNotFoundError
        There is no such data.
    ValueError, TypeError
        The data there does not fit, or it is contradicted by the digest or the fingerprint that
        was recorded of it (without `changed`). Nothing is changed then.
    OSError
        The dataset could not be read afterwards. Nothing is changed then.

    Examples
    --------
    >>> h5calib.relink(f["calibrated"], raw="/archive/run7.h5:/data/raw")  # doctest: +SKIP
    """
    with ExitStack() as undo:
        relink_only(
            dataset,
            {"raw": raw, "cell_ids": cell_ids},
            constants or {},
            links=links,
            changed=changed,
            undo=undo,
        )
        named = {"raw": raw, "cell_ids": cell_ids, **(constants or {})}
        read_if_all_is_there(dataset, [name for name, given in named.items() if given is not None])
        undo.pop_all()


def read_if_all_is_there(dataset: h5py.Dataset, named: Collection[str]) -> list[str]:
    """Read a chunk; where that fails for want of other things than the named, those things."""
    try:
        read_a_chunk(dataset)
    except OSError:
        descriptor = read_descriptor(dataset)
        if descriptor is None:
            raise
        with ExitStack() as files:
            found = sources_of(dataset, descriptor, files)
            missing = [what for what, source in found.items() if isinstance(source, Exception)]
        others = [what for what in missing if what.removeprefix("constant ") not in named]
        if not others or len(others) < len(missing):
            raise
        return others
    return []


def relink_only(
    dataset: h5py.Dataset,
    places: Mapping[str, Any],
    constants: Mapping[str, Any],
    *,
    links: str,
    changed: bool,
    undo: ExitStack,
) -> None:
    """The same without reading; `undo` makes the file what it was."""
    descriptor = read_descriptor(dataset)
    if descriptor is None:
        raise NotCalibratedError(f"{dataset.name} was made by the first h5calib: create it again")
    if dataset.file.mode == "r":
        raise OSError(f"{dataset.file.filename} is open read-only: open it with mode 'r+'")
    home, algorithm = home_of(dataset, descriptor), _algorithms.by_id(descriptor.algorithm)
    with ExitStack() as files, ExitStack() as back:
        moved = []
        if places.get("raw") is not None:
            source = _open(home, places["raw"], "raw data", files, links)
            n_axes = _check_raw(dataset, home, algorithm, source)
            why = _raw_differs(dataset, home, source)
            moved.append(_Moved("raw", home, "raw", source, n_axes, why))
        if places.get("cell_ids") is not None:
            source = _open(home, places["cell_ids"], "cell_ids", files, links)
            why = _cell_ids_differ(dataset, home, source)
            moved.append(_Moved("cell_ids", home, "cell_ids", source, None, why))
        for name, given in constants.items():
            recorded = _recorded_constant(dataset, name)
            source = _open(home, given, f"constant {name!r}", files, links)
            why = _constant_differs(dataset, name, recorded, source, changed)
            moved.append(_Moved(name, home["constants"], name, source, None, why))
        _refuse(dataset, moved, changed)
        for one in moved:
            _replace_link(one, back)
            _replace_fingerprint(one, back)
        _record(dataset, moved, back)
        undo.push(back.pop_all())


def _open(home: h5py.Group, given: Any, what: str, files: ExitStack, links: str) -> Source:
    if not isinstance(given, h5py.Dataset) and place_of(given, what) is None:
        raise TypeError(f"{what}: give a dataset, a path in the file or 'file:/path'")
    return open_source(home.file["/"], given, what, files, links)


def _refuse(dataset: h5py.Dataset, moved: list[_Moved], changed: bool) -> None:
    for one in moved:
        if one.why is not None and not changed:
            what = {"raw": "raw data", "cell_ids": "cell_ids"}.get(one.what)
            raise ValueError(
                f"{what or f'constant {one.what!r}'} has other values there than when "
                f"{dataset.name} was created ({one.why}): create a new calibrated dataset for new "
                "data, or, to change this one, give changed=True (--changed)"
            )


def _check_raw(
    dataset: h5py.Dataset, home: h5py.Group, algorithm: _algorithms.Algorithm, source: Source
) -> int:
    """Returns the number of frame axes."""
    frame_axes, *frame = algorithm.split_raw_shape(source.data.shape)
    check_raw_dtype(algorithm, source.data.dtype)
    shape = dataset.shape
    if "frames" in home:
        last = int(np.max(home["frames"], initial=0))
        fits = len(frame_axes) == 1 and last < max(1, frame_axes[0])
    else:  # a view for each module may have an axis of its own
        fits = frame_axes == shape[:-2] or (*frame_axes, 1) == shape[:-2]
    if not fits or tuple(frame) != shape[-2:]:
        raise ValueError(
            f"raw data of shape {source.data.shape} does not fit {dataset.name} of shape "
            f"{shape}: it is not the data that this was made of"
        )
    return len(frame_axes)


def _raw_differs(dataset: h5py.Dataset, home: h5py.Group, source: Source) -> str | None:
    text, recorded = home.attrs.get("fingerprint_raw"), text_of(dataset, "raw_sha256")
    if text is not None and (why := contradiction(source.data, text.decode(), True)):
        return why
    if recorded and digest_of(source.data) != recorded:
        return "its digest is another one"
    return None


def _cell_ids_differ(dataset: h5py.Dataset, home: h5py.Group, source: Source) -> str | None:
    if "cell_ids" not in home and home.get("cell_ids", getlink=True) is None:
        raise MissingObjectError(f"{dataset.name} has no cell_ids: it has one memory cell")
    if source.data.dtype.kind not in "iu":
        raise TypeError(f"cell_ids have dtype {source.data.dtype}: give integers")
    recorded = json.loads(text_of(dataset, "cell_ids") or "{}").get("sha256")
    if recorded and digest_of(source.data) != recorded:
        return "their digest is another one"
    return None


def _recorded_constant(dataset: h5py.Dataset, name: str) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = json.loads(text_of(dataset, "constants") or "{}")
    if name not in known:
        raise MissingObjectError(
            f"{dataset.name} has no constant {name!r}, it has {', '.join(known)}"
        )
    return known[name]


def _constant_differs(
    dataset: h5py.Dataset, name: str, recorded: dict[str, Any], source: Source, changed: bool
) -> str | None:
    shape, dtype = source.data.shape, str(source.data.dtype)
    if changed and not (list(shape) == recorded["shape"] and dtype == recorded["dtype"]):
        raise ValueError(
            f"constant {name!r} has dtype {dtype} and shape {shape} there, "
            f"{dataset.name} was made with {recorded['dtype']} and {tuple(recorded['shape'])}: "
            "create a new calibrated dataset"
        )
    if list(shape) != recorded["shape"]:
        return f"its shape is {shape}, it was {tuple(recorded['shape'])}"
    return None if digest(source.read()) == recorded["sha256"] else "its digest is another one"


def _replace_link(one: _Moved, undo: ExitStack) -> None:
    old = one.group.get(one.name, getlink=True)
    kept = one.group[one.name] if isinstance(old, h5py.HardLink) else old
    del one.group[one.name]
    undo.callback(one.group.__setitem__, one.name, kept)
    one.group[one.name] = one.source.link
    undo.callback(one.group.__delitem__, one.name)


def _replace_fingerprint(one: _Moved, undo: ExitStack) -> None:
    if one.what == "cell_ids":
        return  # they have none
    attribute, attributes = f"fingerprint_{one.name}", one.group.attrs
    old = attributes.get(attribute)
    if old is not None:
        undo.callback(attributes.__setitem__, attribute, old)
    undo.callback(attributes.pop, attribute, None)
    write_fingerprint(one.group, one.name, one.source, one.n_axes)


def _record(dataset: h5py.Dataset, moved: list[_Moved], undo: ExitStack) -> None:
    """Bring the attributes for people up to date, and note what was there before."""
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    constants = json.loads(text_of(dataset, "constants") or "{}")
    notes = json.loads(text_of(dataset, "relinked") or "[]")
    texts: dict[str, str] = {}
    for one in moved:
        to = one.source.text
        note = {"what": one.what, "to": to, "when": when}
        if one.what == "raw":
            note["from"], texts["raw"] = text_of(dataset, "raw") or "", to
            if before := text_of(dataset, "raw_sha256"):
                now = digest_of(one.source.data) if one.why else before
                texts["raw_sha256"] = now
                note |= {"sha256_before": before, "sha256": now} if now != before else {}
        elif one.what == "cell_ids":
            cells = json.loads(text_of(dataset, "cell_ids") or "{}")
            now = digest_of(one.source.data)
            note["from"] = cells.get("origin", "")
            note |= {"sha256_before": cells.get("sha256"), "sha256": now} if one.why else {}
            texts["cell_ids"] = json.dumps({"origin": to, "sha256": now})
        else:
            constant = constants[one.what]
            before, now = constant["sha256"], digest_of(one.source.data)
            note["from"] = constant["origin"]
            constant |= {"origin": to, "sha256": now}
            if now != before:
                constant.setdefault("replaced", []).append({"sha256": before, "until": when})
        if one.why:
            note["changed"] = one.why
        notes.append(note)
    texts |= {"constants": json.dumps(constants), "relinked": json.dumps(notes)}
    for name, text in texts.items():
        _write_text(dataset, f"h5calib_{name}", text, undo)


def _write_text(dataset: h5py.Dataset, name: str, text: str, undo: ExitStack) -> None:
    old = dataset.attrs.get(name)
    if old is None:
        undo.callback(dataset.attrs.pop, name, None)
    else:
        undo.callback(write_text, dataset, name, old.decode() if isinstance(old, bytes) else old)
    write_text(dataset, name, text)
