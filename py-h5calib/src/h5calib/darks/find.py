"""The dark frames of runs: which datasets, which gain stage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import h5py
import numpy as np

from ..contents.sources import open_file_dataset, split_reference
from ..files.euxfel.gain import gain_is_separate
from ..files.euxfel.run import Part, open_run
from ..files.guess import guess_layout
from ..files.psi import swissfel
from .frames import Dark, cells_of

_BITS = {"jungfrau": 0x3FFF, "lpd": 0x0FFF}
_ONE_STAGE = ("pedestal", "dssc")
_STAGE = re.compile(r"([0-2])=(.+)$")
# raw JUNGFRAU pixels that are no values, as Jungfraujoch's conversion has them: a lost packet, and
# an ADC at the end of its range in G1 and G2
_NO_VALUE = {"jungfrau": (0xFFFF, 0x4000, 0xC000)}
Found = dict[int | None, list[Dark]]


@dataclass(eq=False)
class DarkRuns:
    """Dark runs of one layout: datasets by module, number of gain stages, what was found."""

    layout: str = ""
    stages: int = 3
    modules: Found = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_darks(
    runs: Sequence[str],
    detector: str | None = None,
    modules: Sequence[int] | None = None,
    kind: str | None = None,
    cell_ids: str | None = None,
    missing: Sequence[int] | None = None,
) -> DarkRuns:
    """The dark frames of runs.

    Parameters
    ----------
    runs : ``[STAGE=]PATH`` each
        Run folder, file, or ``"file:/path"``.
    detector, modules : what to take of it
    kind, cell_ids : for ``"file:/path"``
    missing : raw values that are none, optional
        By default those of the layout's detector, none for ``"file:/path"``.
    """
    layouts, kinds, found = set(), set(), DarkRuns()
    for text in runs:
        match = _STAGE.match(text)
        stage, path = (int(match[1]), match[2]) if match else (None, text)
        if split_reference(path):
            layout, of = "plain", kind or "pedestal"
            made: Found = {None: [_plain(path, of, stage, cell_ids)]}
        else:
            layout, why = guess_layout(path)
            found.notes.append(f"{path}: layout {layout}, {why}")
            of, made = _of_layout(layout, path, stage, detector, modules)
        _check_stage(text, of, stage)
        none = missing if missing is not None else _NO_VALUE.get(of, ())
        none = () if missing is None and layout == "plain" else tuple(none)
        layouts.add(layout)
        kinds.add(of)
        for number, darks in made.items():
            found.modules.setdefault(number, []).extend(replace(d, missing=none) for d in darks)
    if len(layouts) != 1 or len(kinds) != 1:
        different = ", ".join(sorted(layouts if len(layouts) > 1 else kinds))
        raise ValueError(f"the dark runs differ in layout: {different}")
    found.layout, of = layouts.pop(), kinds.pop()
    if none:
        found.notes.append(f"missing values: raw {', '.join(f'0x{n:04x}' for n in none)}")
    found.stages = 1 if of in _ONE_STAGE else 3
    if any(_high_gain(d) for darks in found.modules.values() for d in darks):
        found.stages = 6
        found.notes.append("frames in high gain (bit 0 of daq_rec): pedestals of HG0 apart")
    return found


def _high_gain(dark: Dark) -> bool:
    """Whether some of the frames that count were taken in high gain."""
    if dark.settings is None:
        return False
    with ExitStack() as files:
        bits = open_file_dataset(dark.settings, "settings", files)[()].reshape(-1).astype("u8") & 1
    return bool(np.any(bits[cells_of(dark) >= 0]))


def _check_stage(text: str, kind: str, stage: int | None) -> None:
    """AGIPD and LPD have runs of one stage each, others say the stage in each pixel or have one."""
    if kind == "agipd" and stage is None:
        raise ValueError(
            f"--dark {text}: AGIPD needs the gain stage of each dark run: --dark 0={text} for high "
            "gain, 1= for medium, 2= for low"
        )
    if kind in _ONE_STAGE and stage:
        raise ValueError(f"--dark {text}: {kind} has no gain stages: leave out {stage}=")


def _plain(path: str, kind: str | None, stage: int | None, cell_ids: str | None) -> Dark:
    kind = kind or "pedestal"
    fixed = 0 if kind in _ONE_STAGE else stage
    return _of_kind(Dark(path, cell_ids, fixed), kind)


def _of_kind(dark: Dark, kind: str) -> Dark:
    """Where the value and the gain code are in a raw pixel, and what a 0 is (DSSC: 256)."""
    return replace(
        dark,
        pair=kind == "agipd",
        bits=_BITS.get(kind, 0xFFFF),
        shift=12 if kind == "lpd" else 14,
        zero=256 if kind == "dssc" else 0,
    )


def _of_layout(
    layout: str, path: str, stage: int | None, detector: str | None, modules: Sequence[int] | None
) -> tuple[str, Found]:
    if layout == "swissfel":
        names = swissfel.detectors(path)
        if (detector is None and len(names) > 1) or (detector and detector not in names):
            raise ValueError(f"detectors in {path}: {', '.join(names)}; say which with --detector")
        group = f"{path}:/data/{detector or names[0]}"
        with h5py.File(path, "r") as file:
            there = set(file[f"data/{detector or names[0]}"])
        dark = Dark(
            f"{group}/data",
            stage=stage,
            good=f"{group}/is_good_frame" if "is_good_frame" in there else None,
            settings=f"{group}/daq_rec" if "daq_rec" in there else None,
        )
        return "jungfrau", {None: [_of_kind(dark, "jungfrau")]}
    if layout != "euxfel":
        raise ValueError(f"{path}: dark runs of layout {layout} are named FILE:/PATH")
    run, found = open_run(path, detector), Found()
    for number, parts in run.modules().items():
        if modules is None or number in modules:
            found[number] = [_part(part, run.kind, stage) for part in parts]
    if not found:
        raise ValueError(f"{path} has none of the modules {list(modules or [])}")
    return run.kind, found


def _part(part: Part, kind: str, stage: int | None) -> Dark:
    with h5py.File(part.file, "r") as file:
        cells = f"{part.file}:{part.cells}" if part.cells in file else None
    gain = None
    if kind == "jungfrau" and gain_is_separate([part], None)[0]:
        gain = f"{part.file}:{part.group}/gain"
    if kind == "dssc":
        stage = 0
    return _of_kind(Dark(f"{part.file}:{part.path}", cells, stage, gain), kind)
