"""A view file for each raw file of a run, with everything else in it linked.

EXtra-data reads the folder of these like a run of calibrated data.
"""

from __future__ import annotations

import os
from typing import Any

import h5py

from .._layout import LIBVER
from .euxfel import plan_run
from .euxfel_run import Part
from .stack import Piece, stack_modules
from .view import Entry, View, link_to, write_view

OVERVIEW = "overview.h5"


def write_run(
    folder: str, raw: str, given: dict[str, Any], **options: Any
) -> tuple[list[str], list[str]]:
    """Create the view files of a run's detector: what was found, and their paths.

    Parameters
    ----------
    folder : where the view files are to be, another one than the run's
    raw, given : run and arguments of `h5calib.files.euxfel.view`
    **options
        Of `h5calib.create_calibrated_dataset`.
    """
    names = ("constants", "detector", "mask", "modules", "gain_from", "frames")
    ours = {name: given.get(name) for name in names}
    rest = {name: value for name, value in given.items() if name not in names}
    run, entries, notes = plan_run(raw, parameters=rest, split=True, **ours)
    return notes, write_files(folder, entries, run.detector, **options)


def write_files(
    folder: str, entries: dict[Part, Entry], detector: str, **options: Any
) -> list[str]:
    """Create the view files, and ``overview.h5`` with one virtual dataset over all modules.

    Returns their paths. Where one fails, none is left.
    """
    os.makedirs(folder, exist_ok=True)
    made: list[str] = []
    pieces = []
    try:
        for part, entry in entries.items():
            path = os.path.join(folder, view_name(part.file))
            _refuse_existing(path)
            with h5py.File(path, "x", libver=LIBVER) as file:
                made.append(path)
                write_view(file, View([entry]), **options)
                _link_the_rest(file, part)
            pieces.append(Piece(part.module, path, entry.name, part.entries, part.keys))
        overview = os.path.join(folder, OVERVIEW)
        _refuse_existing(overview)
        with h5py.File(overview, "x", libver=LIBVER) as file:
            made.append(overview)
            stack_modules(file, f"{detector}/data", pieces)
    except BaseException:
        for path in made:
            os.unlink(path)
        raise
    return made


def view_name(raw: str) -> str:
    """The name of the view of a raw file: CORR- in place of RAW-.

    >>> view_name("r0034/RAW-R0034-AGIPD07-S00000.h5")
    'CORR-R0034-AGIPD07-S00000.h5'
    """
    name = os.path.basename(raw)
    return "CORR-" + name.removeprefix("RAW-")


def _refuse_existing(path: str) -> None:
    if os.path.exists(path):
        raise FileExistsError(f"{path} exists: choose another folder, or remove it")


def _link_the_rest(file: h5py.File, part: Part) -> None:
    """Links to all that is in the raw file, wherever the view has nothing of that name."""
    with h5py.File(part.file, "r") as raw:
        _link_missing(file, raw, file["/"])


def _link_missing(file: h5py.File, raw: h5py.File, group: h5py.Group) -> None:
    for name in raw[group.name]:
        path = f"{group.name.rstrip('/')}/{name}"
        inside = group.get(name, getlink=True)
        if inside is None:
            group[name] = link_to(file, f"{os.path.abspath(raw.filename)}:{path}")
        elif isinstance(inside, h5py.HardLink) and isinstance(group[name], h5py.Group):
            _link_missing(file, raw, group[name])
