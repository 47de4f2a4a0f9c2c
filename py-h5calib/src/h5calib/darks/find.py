"""The dark frames of runs: which datasets, which gain stage."""

from __future__ import annotations

import re
from collections.abc import Sequence

import h5py

from ..contents.sources import split_reference
from ..files.euxfel.gain import gain_is_separate
from ..files.euxfel.run import Part, open_run
from ..files.guess import guess_layout
from ..files.psi import swissfel
from .frames import Dark

_BITS = {"jungfrau": 0x3FFF, "lpd": 0x0FFF}
_ONE_STAGE = ("pedestal", "dssc")
_STAGE = re.compile(r"([0-2])=(.+)$")
Found = dict[int | None, list[Dark]]


def find_darks(
    runs: Sequence[str],
    detector: str | None = None,
    modules: Sequence[int] | None = None,
    kind: str | None = None,
    cell_ids: str | None = None,
) -> tuple[str, Found, int, list[str]]:
    """The layout of dark runs, their datasets by module, the number of stages, and notes.

    Parameters
    ----------
    runs : ``[STAGE=]PATH`` each
        Run folder, file, or ``"file:/path"``.
    detector, modules : what to take of it
    kind, cell_ids : for ``"file:/path"``
    """
    layouts, found, notes = set(), Found(), []
    for text in runs:
        match = _STAGE.match(text)
        stage, path = (int(match[1]), match[2]) if match else (None, text)
        if split_reference(path):
            layout, kind, made = (
                "plain",
                kind or "pedestal",
                {None: [_plain(path, kind, stage, cell_ids)]},
            )
        else:
            layout, why = guess_layout(path)
            notes.append(f"{path}: layout {layout}, {why}")
            kind, made = _of_layout(layout, path, stage, detector, modules)
        _check_stage(text, kind, stage)
        layouts.add(layout)
        for number, darks in made.items():
            found.setdefault(number, []).extend(darks)
    if len(layouts) != 1:
        raise ValueError(f"the dark runs differ in layout: {', '.join(sorted(layouts))}")
    return layouts.pop(), found, 1 if kind in _ONE_STAGE else 3, notes


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
    return Dark(path, cell_ids, fixed, None, kind == "agipd", **_bits(kind))


def _bits(kind: str) -> dict[str, int]:
    """Where the value and the gain code are in a raw pixel, and what a 0 is (DSSC: 256)."""
    return {
        "bits": _BITS.get(kind, 0xFFFF),
        "shift": 12 if kind == "lpd" else 14,
        "zero": 256 if kind == "dssc" else 0,
    }


def _of_layout(
    layout: str, path: str, stage: int | None, detector: str | None, modules: Sequence[int] | None
) -> tuple[str, Found]:
    if layout == "swissfel":
        names = swissfel.detectors(path)
        if (detector is None and len(names) > 1) or (detector and detector not in names):
            raise ValueError(f"detectors in {path}: {', '.join(names)}; say which with --detector")
        raw = f"{path}:/data/{detector or names[0]}/data"
        return "jungfrau", {None: [Dark(raw, None, stage, bits=_BITS["jungfrau"])]}
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
    raw, cells, gain = f"{part.file}:{part.path}", f"{part.file}:{part.cells}", None
    with h5py.File(part.file, "r") as file:
        cells = cells if part.cells in file else None
    if kind == "jungfrau" and gain_is_separate([part], None)[0]:
        gain = f"{part.file}:{part.group}/gain"
    if kind == "dssc":
        stage = 0
    return Dark(raw, cells, stage, gain, kind == "agipd", **_bits(kind))
