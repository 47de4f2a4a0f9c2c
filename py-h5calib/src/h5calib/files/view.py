"""What is to be created, and creating it: calibrated datasets, links beside, virtual datasets."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import h5py

from .._write import remove_home_of
from ..calibration import Calibration
from ..create import create_calibrated_dataset
from ..sources import split_reference


@dataclass(frozen=True, eq=False)
class Entry:
    """One calibrated dataset; `links` are names in its group and where they lead."""

    name: str
    raw: str
    calibration: Calibration
    cell_ids: Any = None
    frames: Any = None
    links: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[h5py.File], None] | None = None  # called before it is created


@dataclass(frozen=True, eq=False)
class View:
    """All that is to be created in one file. `notes` say what was guessed."""

    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    finish: Callable[[h5py.File], list[str]] | None = None  # names of what it made


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
    made: list[h5py.Dataset] = []
    with ExitStack() as undo:
        for entry in view.entries:
            undo.callback(_remove, file, entry.name, file.get(entry.name))
            if entry.prepare:
                entry.prepare(file)
            made.append(
                create_calibrated_dataset(
                    *(file, entry.name, entry.raw, entry.calibration),
                    cell_ids=entry.cell_ids,
                    frames=entry.frames,
                    **options,
                )
            )
            _link_beside(file, entry, undo)
        for name in view.finish(file) if view.finish else []:
            made.append(file[name])
        undo.pop_all()
    return made


def link_to(file: h5py.File, target: str) -> h5py.ExternalLink | h5py.SoftLink:
    """A link to ``"file:/path"``, relative where that file lies in the view's folder or below."""
    outside = split_reference(target)
    if outside is None:
        return h5py.SoftLink(target)
    return h5py.ExternalLink(relative_name(file.filename, outside[0]), outside[1])


def relative_name(view: str, other: str) -> str:
    """The name of another file as `view` stores it."""
    home = os.path.dirname(os.path.realpath(view))
    path = os.path.realpath(other)
    inside = path.startswith(os.path.join(home, ""))
    return os.path.relpath(path, home).replace(os.sep, "/") if inside else path


def _link_beside(file: h5py.File, entry: Entry, undo: ExitStack) -> None:
    group = file[entry.name.rpartition("/")[0] or "/"]
    for name, target in entry.links.items():
        if group.get(name, getlink=True) is not None:
            del group[name]
        group[name] = link_to(file, target)
        undo.callback(group.__delitem__, name)


def _remove(file: h5py.File, name: str, before: h5py.Dataset | None) -> None:
    made = file.get(name)
    if made is not None and made != before:
        remove_home_of(made)
        del file[name]
