"""Runs of the European XFEL: AGIPD, LPD, DSSC and JUNGFRAU, read with EXtra-data.

The view of a run has each module's calibrated data where the raw data is in its file,
``INSTRUMENT/<source>/image/data``, with links to trainId, pulseId and cellId beside it, and
``<detector>/data``, one virtual dataset over all modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import h5py

from .euxfel_constants import calibration_of
from .euxfel_gain import gain_is_separate, pair_maker, pair_name, separate_options
from .euxfel_run import Part, Run, open_run
from .places import constants_of
from .stack import STACKED, Piece, join_files, stack_modules
from .view import Entry, View, make_room

FRAMES_PROBLEM = (
    "frames of a run are chosen per module: use --raw FILE:/PATH with --algorithm, or read the "
    "trains you want from the view"
)


def view(
    raw: str,
    constants: Sequence[str] = (),
    detector: str | None = None,
    mask: Any = None,
    frames: Any = None,
    modules: Sequence[int] | None = None,
    gain_from: str | None = None,
    **parameters: Any,
) -> View:
    """The calibrated datasets of a run's detector.

    Parameters
    ----------
    raw : path of the run's folder, or of one file
    constants : places, see `h5calib.files.places.constants_of`
        The calibration database's or Cheetah's, found by their names.
    detector : str, optional
        For example ``SPB_DET_AGIPD1M-1``; needed where the run has several.
    mask : optional
        Instead of the constants' bad pixels.
    frames : not possible here
    modules : numbers, optional
        All by default.
    gain_from : {"bits", "dataset"}, optional
        JUNGFRAU: the gain is in bits 15-14 of `adc`, or in the dataset `gain`.
    **parameters
        Of the detector's class.
    """
    run, entries, notes = plan_run(
        raw, constants, detector, mask, modules, gain_from, frames, parameters
    )
    return View(list(entries.values()), notes, _finish(run.detector, entries))


def plan_run(
    raw: str,
    constants: Sequence[str],
    detector: str | None,
    mask: Any,
    modules: Sequence[int] | None,
    gain_from: str | None,
    frames: Any,
    parameters: dict[str, Any],
    split: bool = False,
) -> tuple[Run, dict[Part, Entry], list[str]]:
    """The run, an entry for each part of it, and what was guessed.

    With `split` each part is to be in a file of its own.
    """
    if frames is not None:
        raise ValueError(FRAMES_PROBLEM)
    run = open_run(raw, detector)
    entries: dict[Part, Entry] = {}
    notes: dict[str, list[int]] = {}
    for number, parts in _chosen(run, modules).items():
        found = constants_of(constants, number)
        for group in [[part] for part in parts] if split else [parts]:
            made, said = _calibrate(run, group, found, mask, gain_from, parameters)
            entries.update(made)
        for note in said:
            notes.setdefault(note, []).append(number)
    lines = [f"{note} (modules {_numbers(those)})" for note, those in notes.items()]
    return run, entries, [_about(run), *lines]


def name_of(part: Part, parts: Sequence[Part]) -> str:
    """Where the part's calibrated dataset is: where the raw data is, or below it by number."""
    if len(parts) == 1:
        return f"{part.group}/data"
    return f"{part.group}/parts/{parts.index(part):05d}/data"


def _about(run: Run) -> str:
    modules = run.modules()
    files = len({part.file for part in run.parts})
    return f"detector {run.detector} ({run.kind}), {len(modules)} modules in {files} files"


def _numbers(modules: list[int]) -> str:
    """
    >>> _numbers([0, 1, 2, 3]), _numbers([1, 4])
    ('0 to 3', '1, 4')
    """
    if len(modules) > 2 and modules == list(range(modules[0], modules[-1] + 1)):
        return f"{modules[0]} to {modules[-1]}"
    return ", ".join(map(str, modules))


def _chosen(run: Run, modules: Sequence[int] | None) -> dict[int, list[Part]]:
    found = run.modules()
    if modules is None:
        return found
    if missing := sorted(set(modules) - set(found)):
        raise ValueError(
            f"{run.detector} has no modules {missing} in this run, it has {sorted(found)}"
        )
    return {n: found[n] for n in sorted(modules)}


def _calibrate(
    run: Run, parts: list[Part], found: Any, mask: Any, gain_from: str | None, parameters: Any
) -> tuple[dict[Part, Entry], list[str]]:
    """The entries of one module."""
    with h5py.File(parts[0].file, "r") as file:
        ny, nx = file[parts[0].path].shape[-2:]
    kind, options, separate, notes = run.kind, dict(parameters), False, []
    if kind == "jungfrau":
        separate, note = gain_is_separate(parts, gain_from)
        notes.append(note)
    if separate:
        kind, options = "agipd", {**separate_options(), **options}
    calibration, said = calibration_of(kind, found, (ny, nx), mask, options)
    entries = {part: _entry(part, name_of(part, parts), calibration, separate) for part in parts}
    return entries, notes + said


def _entry(part: Part, name: str, calibration: Any, separate: bool) -> Entry:
    cells = f"{part.file}:{part.cells}" if part.cells.rpartition("/")[2] in part.beside else None
    links = {key: f"{part.file}:{part.group}/{key}" for key in part.beside}
    if separate:
        pair = pair_name(name)
        return Entry(name, pair, calibration, cells, None, links, pair_maker(part, pair))
    return Entry(name, f"{part.file}:{part.path}", calibration, cells, None, links)


def _finish(detector: str, entries: dict[Part, Entry]) -> Callable[[h5py.File, bool], list[str]]:
    """Virtual datasets over the files of each module, and over all modules."""

    def finish(file: h5py.File, overwrite: bool) -> list[str]:
        pieces = [
            Piece(part.module, file.filename, entry.name, part.entries, part.keys)
            for part, entry in entries.items()
        ]
        by_module: dict[int, list[Part]] = {}
        for part in entries:
            by_module.setdefault(part.module, []).append(part)
        made = []
        for several in by_module.values():
            if len(several) > 1:
                names = [entries[part].name for part in several]
                whole = f"{several[0].group}/data"
                make_room(file, whole, overwrite)
                made.append(join_files(file, whole, names))
        for name in STACKED:
            make_room(file, f"{detector}/{name}", overwrite)
        stack_modules(file, f"{detector}/data", pieces)
        return [*made, f"{detector}/data"]

    return finish
