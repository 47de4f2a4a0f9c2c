"""Runs of the European XFEL: AGIPD, LPD, DSSC and JUNGFRAU, read with EXtra-data.

The view of a run has each module's calibrated data where the raw data is in its file,
``INSTRUMENT/<source>/image/data`` (a JUNGFRAU's ``data/adc``), with trainId, pulseId and cellId
beside it, and ``<detector>/data``, one virtual dataset over all modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...contents.file_names import name_in
from ...creating.module_axis import with_module_axis
from ..search import ModuleConstants, find_constants
from ..stack import STACKED, Piece, join_files, stack_modules
from ..view import Entry, View, make_room
from .constants import calibration_of
from .gain import KEYS, THRESHOLDS, gain_is_separate, separate_options
from .raw import virtual_raw
from .run import Part, Run, open_run
from .strands import STAGES, Strand, cells_of, choose_frames, ids_of, strands_of


@dataclass(frozen=True, eq=False)
class Made:
    """A calibrated dataset of a view, and the entries of the run that it has."""

    strand: Strand
    entry: Entry

    def piece(self, file: str, detector: str) -> Piece:
        """What it is in one virtual dataset over all modules, seen from the view's file."""
        strand, name = self.strand, self.with_axis(detector)
        return Piece(strand.part.module, file, self.entry.name, strand.places, strand.keys, name)

    def with_axis(self, detector: str) -> str:
        """Where its values are in the rank of that virtual dataset."""
        home = f"{detector}/{self.strand.label}" if self.strand.label else detector
        number = re.search(r"/parts/(\d+)/", self.entry.name)
        several = f"_{number[1]}" if number else ""
        return f"{home}/modules/{self.strand.part.module:02d}{several}"


def view(
    raw: str,
    constants: Sequence[str] = (),
    detector: str | None = None,
    mask: Any = None,
    frames: Any = None,
    modules: Sequence[int] | None = None,
    gain_from: str | None = None,
    parallel_gain: bool = False,
    **parameters: Any,
) -> View:
    """The calibrated datasets of a run's detector.

    Parameters
    ----------
    raw : path of the run's folder, or of one file
    constants : places, see `h5calib.files.search.find_constants`
        The calibration database's or Cheetah's, found by their names.
    detector : str, optional
        For example ``SPB_DET_AGIPD1M-1``; needed where the run has several.
    mask : optional
        Instead of the constants' bad pixels.
    frames : rising numbers, or booleans, optional
        Of the frames that any module has, in the order of train and pulse, as in the view of the
        whole run; of a JUNGFRAU, of its trains.
    modules : numbers, optional
        All by default.
    gain_from : {"bits", "dataset"}, optional
        JUNGFRAU: the gain is in bits 15-14 of `adc`, or in the dataset `gain`.
    parallel_gain : bool
        LPD: each train has all frames in high gain, then all in medium, then all in low. Three
        datasets are made: ``image/high/data``, ``image/medium/data``, ``image/low/data``.
    **parameters
        Of the detector's class.
    """
    run, made, notes = plan_run(
        *(raw, constants, detector, mask, modules, gain_from, frames, parallel_gain, parameters)
    )
    entries = [one.entry for one in made]
    return View(entries, notes, finisher(run.detector, made, stacked=True))


def plan_run(
    raw: str,
    constants: Sequence[str],
    detector: str | None,
    mask: Any,
    modules: Sequence[int] | None,
    gain_from: str | None,
    frames: Any,
    parallel_gain: bool,
    parameters: dict[str, Any],
    split: bool = False,
) -> tuple[Run, list[Made], list[str]]:
    """The run, its calibrated datasets, and what was guessed.

    With `split` each part is to be in a file of its own.
    """
    run = open_run(raw, detector)
    if parallel_gain and run.kind != "lpd":
        raise ValueError(f"{run.detector} has no parallel gain: that is for LPD")
    if parallel_gain and parameters.get("fixed_gain") is not None:
        raise ValueError("parallel gain has all three gain stages: leave out fixed_gain")
    by_part = {part: strands_of(part, parallel_gain) for part in run.parts}
    if frames is not None:
        chosen = iter(choose_frames([s for several in by_part.values() for s in several], frames))
        by_part = {part: [next(chosen) for _ in several] for part, several in by_part.items()}
    made: list[Made] = []
    notes: dict[str, list[int]] = {}
    chosen_modules = _chosen(run, modules)
    table = find_constants(constants, list(chosen_modules))
    for number, parts in chosen_modules.items():
        found = table[number]
        for group in [[part] for part in parts] if split else [parts]:
            strands = [s for part in group for s in by_part[part]]
            several, said = _calibrate(run, strands, found, mask, gain_from, parameters)
            made += several
        for note in said:
            notes.setdefault(note, []).append(number)
    lines = [f"{note} (modules {_numbers(those)})" for note, those in notes.items()]
    lines += [_from(found) for found in table.values() if found.used]
    return run, made, [_about(run), *_selected(by_part, frames, parallel_gain), *lines]


def finisher(
    detector: str, made: Sequence[Made], stacked: bool
) -> Callable[[h5py.File, bool, str], list[str]]:
    """Makes virtual datasets over the files of each module and, `stacked`, over all modules.

    For those over all modules, in whatever file, each module's dataset is there in their rank too.
    """

    def finish(file: h5py.File, overwrite: bool, links: str) -> list[str]:
        names = []
        for one in made:
            _add_axis(file, one, detector, overwrite)
        for base, several in _by(made, lambda one: one.strand.base).items():
            if len(several) > 1:
                names.append(_join(file, base, several, overwrite, links))
        if stacked:
            pieces = [(one.strand.label, one.piece(file.filename, detector)) for one in made]
            names += stack_all(file, detector, pieces, overwrite, links)
        return names

    return finish


def _add_axis(file: h5py.File, one: Made, detector: str, overwrite: bool) -> None:
    name, dataset = one.with_axis(detector), file[one.entry.name]
    if not overwrite and name in file:
        make_room(file, name, overwrite)
    if 1 not in dataset.shape[1:-2]:  # a module's axis, or one that the whole leaves out
        with_module_axis(dataset, name)


def stack_all(
    file: h5py.File,
    detector: str,
    pieces: Sequence[tuple[str, Piece]],
    overwrite: bool = False,
    links: str = "auto",
) -> list[str]:
    """``<detector>/data`` over all modules; of parallel gain one for each stage. Their names."""
    names = []
    for label, several in _by(pieces, lambda pair: pair[0]).items():
        home = f"{detector}/{label}" if label else detector
        for name in STACKED:
            make_room(file, f"{home}/{name}", overwrite)
        stack_modules(file, f"{home}/data", [piece for _, piece in several], links)
        names.append(f"{home}/data")
    return names


def _join(file: h5py.File, base: str, several: Sequence[Made], overwrite: bool, links: str) -> str:
    """The calibrated data of several files of a module as one, with their ids."""
    whole = several[0].strand.name
    make_room(file, whole, overwrite)
    join_files(file, whole, [(".", file[one.entry.name]) for one in several])
    for name in several[0].entry.beside:
        make_room(file, f"{base}/{name}", overwrite)
        values = [one.entry.beside[name] for one in several]
        if isinstance(values[0], np.ndarray):
            file[f"{base}/{name}"] = np.concatenate(values)
            continue
        opened = [h5py.File(one.strand.part.file, "r") for one in several]
        raw = [
            (
                name_in(file.filename, other.filename, links),
                other[f"{one.strand.part.group}/{name}"],
            )
            for one, other in zip(several, opened, strict=True)
        ]
        join_files(file, f"{base}/{name}", raw)
        for other in opened:
            other.close()
    return whole


def _about(run: Run) -> str:
    modules = run.modules()
    files = len({part.file for part in run.parts})
    return f"detector {run.detector} ({run.kind}), {len(modules)} modules in {files} files"


def _from(found: ModuleConstants) -> str:
    """Which constants of a module come from where."""
    places = ", ".join(f"{name} from {place}" for name, place in sorted(found.used.items()))
    return f"module {found.module}: {places}"


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


def _selected(by_part: dict[Part, list[Strand]], frames: Any, parallel_gain: bool) -> list[str]:
    notes = []
    if parallel_gain:
        notes.append(f"parallel gain: {', '.join(STAGES)} one after the other in each train")
    if frames is not None:
        keys = [strand.keys for strands in by_part.values() for strand in strands]
        notes.append(f"{len(np.unique(np.concatenate(keys), axis=0))} frames are chosen")
    return notes


def _by(things: Iterable[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for thing in things:
        found.setdefault(key(thing), []).append(thing)
    return found


def _calibrate(
    run: Run,
    strands: Sequence[Strand],
    found: Any,
    mask: Any,
    gain_from: str | None,
    parameters: Any,
) -> tuple[list[Made], list[str]]:
    """The calibrated datasets of one module."""
    parts = list(dict.fromkeys(strand.part for strand in strands))
    with h5py.File(parts[0].file, "r") as file:
        ny, nx = file[parts[0].path].shape[-2:]
    kind, options, separate, notes = run.kind, dict(parameters), False, []
    if kind == "jungfrau":
        separate, note = gain_is_separate(parts, gain_from)
        notes.append(note)
    if separate:
        kind, options = "agipd", {**separate_options(), **options}
    made = []
    for label, several in _by(strands, lambda strand: strand.label).items():
        fixed = {"fixed_gain": STAGES.index(label)} if label else {}
        calibration, said = calibration_of(kind, found, (ny, nx), mask, {**options, **fixed})
        for strand in several:
            name = _name_of(strand, several)
            made.append(Made(strand, _entry(run, strand, name, calibration, separate)))
    return made, notes + said


def _name_of(strand: Strand, strands: Sequence[Strand]) -> str:
    """Where the calibrated dataset is: where the raw data is, or below it by number."""
    if len(strands) == 1:
        return strand.name
    return f"{strand.base}/parts/{strands.index(strand):05d}/{strand.part.pixels}"


def _entry(run: Run, strand: Strand, name: str, calibration: Any, separate: bool) -> Entry:
    part, home = strand.part, name.rpartition("/")[0]
    about = f"{run.detector}, module {part.module}, {run.kind.upper()}"
    raw, cells, frames = f"{part.file}:{part.path}", cells_of(strand), None
    make = None
    if separate:
        about += f", gain from the dataset gain by thresholds {THRESHOLDS[0]} and {THRESHOLDS[1]}"
    if not strand.whole:
        frames = strand.entries
    if separate or (frames is not None and run.kind == "jungfrau"):
        keys = KEYS if separate else (part.pixels,)
        raw = f"{home}/{'adc_and_gain' if separate else 'chosen_adc'}"
        make = virtual_raw(part, raw, keys, frames)
        if frames is not None and cells is not None:
            cells = ids_of(strand)[part.cells.rpartition("/")[2]]
        frames = None
    return Entry(name, raw, calibration, cells, frames, ids_of(strand), make, about)
