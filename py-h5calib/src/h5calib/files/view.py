"""What is to be created, and creating it: calibrated datasets, links beside, virtual datasets."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import h5py

from ..calibration.base import Calibration
from ..contents.file_names import check_links, name_in
from ..contents.layout import PREFIX
from ..contents.sources import split_reference
from ..creating.create import create_calibrated_dataset
from ..creating.plan import make_plan
from ..creating.write import remove_home_of, write_text


@dataclass(frozen=True, eq=False)
class Entry:
    """One calibrated dataset.

    `beside` are names in its group, and where links of that name lead (``"file:/path"``) or the
    values that are stored. `detector` is kept with the dataset, for people.
    """

    name: str
    raw: str
    calibration: Calibration
    cell_ids: Any = None
    frames: Any = None
    beside: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[h5py.File, bool, str], None] | None = None  # before; overwrite, links
    detector: str | None = None


@dataclass(frozen=True, eq=False)
class View:
    """All that is to be created in one file. `notes` say what was guessed."""

    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    finish: Callable[[h5py.File, bool, str], list[str]] | None = None  # names of what it made


def write_view(file: h5py.File, view: View, **options: Any) -> list[h5py.Dataset]:
    """Create all datasets of a view, or none.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    view : View
        From `plan_view`, or from the function `view` of a layout's module.
    **options
        Arguments of `h5calib.create_calibrated_dataset` for all of them.
    """
    overwrite, links, made = bool(options.get("overwrite")), options.get("links", "auto"), []
    check_links(links)
    refuse_raw_file(file.filename, view)
    for entry in view.entries:
        if entry.prepare is None:  # nothing is replaced before all is checked
            _check(file, entry, options)
    with ExitStack() as undo:
        for entry in view.entries:
            undo.callback(_remove, file, entry.name, file.get(entry.name))
            if entry.prepare:
                entry.prepare(file, overwrite, links)
            made.append(
                create_calibrated_dataset(
                    *(file, entry.name, entry.raw, entry.calibration),
                    cell_ids=entry.cell_ids,
                    frames=entry.frames,
                    **options,
                )
            )
            if entry.detector:
                write_text(made[-1], f"{PREFIX}detector", entry.detector)
            _put_beside(file, entry, overwrite, links, undo)
        for name in view.finish(file, overwrite, links) if view.finish else []:
            made.append(file[name])
        undo.pop_all()
    return made


def refuse_raw_file(path: str, view: View) -> None:
    """Raw files are never opened for writing, so the view's file cannot be one of them."""
    for entry in view.entries:
        for place in (entry.raw, *entry.beside.values()):
            outside = split_reference(place) if isinstance(place, str) else None
            if outside and os.path.exists(path) and os.path.samefile(outside[0], path):
                raise ValueError(f"{path} is a raw file, which is only read: name another view")


def make_room(file: h5py.File, name: str, overwrite: bool) -> None:
    """Remove what has this name, if that is allowed."""
    if file.get(name, getlink=True) is None:
        return
    if not overwrite:
        raise ValueError(f"{name!r} exists in {file.filename}: give overwrite=True (--overwrite)")
    del file[name]


def link_to(file: h5py.File, target: str, links: str) -> h5py.ExternalLink | h5py.SoftLink:
    """A link to ``"file:/path"``."""
    outside = split_reference(target)
    if outside is None:
        return h5py.SoftLink(target)
    return h5py.ExternalLink(name_in(file.filename, outside[0], links), outside[1])


def _check(file: h5py.File, entry: Entry, options: dict[str, Any]) -> None:
    """Every check that creation makes."""
    given = {"chunks": None, "dtype": None, "overwrite": False, "comment": None, **options}
    given.pop("digest_raw", None)
    with ExitStack() as files:
        make_plan(
            *(file, entry.name, entry.raw, entry.calibration, entry.cell_ids, entry.frames),
            **given,
            files=files,
        )


def _put_beside(
    file: h5py.File, entry: Entry, overwrite: bool, links: str, undo: ExitStack
) -> None:
    group = file[entry.name.rpartition("/")[0] or "/"]
    for name, target in entry.beside.items():
        old = group.get(name, getlink=True)
        if isinstance(old, h5py.HardLink):
            if not (overwrite and isinstance(group[name], h5py.Dataset)):
                raise ValueError(
                    f"{group.name}/{name} in {file.filename} is data, where {_told(target)} would "
                    "be: use another view"
                )
            old = group[name]
        if old is not None:
            del group[name]
            undo.callback(group.__setitem__, name, old)
        group[name] = link_to(file, target, links) if isinstance(target, str) else target
        undo.callback(group.__delitem__, name)


def _told(target: Any) -> str:
    return f"a link to {target}" if isinstance(target, str) else "that of the chosen frames"


def _remove(file: h5py.File, name: str, before: h5py.Dataset | None) -> None:
    made = file.get(name)
    if made is not None and made != before:
        del file[name]
        remove_home_of(made)
