"""Which entries of a run's files become a calibrated dataset: all, chosen frames, a gain stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np

from ...creating.checks import check_frames
from ..stack import key_numbers
from .run import Part

STAGES = ("high", "medium", "low")


@dataclass(frozen=True, eq=False)
class Strand:
    """Entries of a part that make one calibrated dataset, in the order of train and pulse.

    `keys` are their trains and pulses, `owners` the entries that have their ids (parallel gain
    has them for the first stage only), `label` is the gain stage. `whole`: the dataset has every
    entry of the file, also those that are in no train.
    """

    part: Part
    entries: np.ndarray
    keys: np.ndarray
    owners: np.ndarray
    label: str = ""
    whole: bool = True

    @property
    def base(self) -> str:
        """The group of the calibrated dataset."""
        return f"{self.part.group}/{self.label}" if self.label else self.part.group

    @property
    def name(self) -> str:
        """The calibrated dataset, where this strand is all of its module."""
        return f"{self.base}/{self.part.pixels}"

    @property
    def places(self) -> np.ndarray:
        """Where the entries are in the calibrated dataset."""
        return self.entries if self.whole else np.arange(len(self.entries))


def strands_of(part: Part, parallel_gain: bool) -> list[Strand]:
    """One for all entries of a part; or one for each gain stage."""
    if not parallel_gain:
        return [Strand(part, part.entries, part.keys, part.entries)]
    trains, counts = np.unique(part.keys[:, 0], return_counts=True)
    if (counts % len(STAGES)).any():
        odd = int(np.argmax(counts % len(STAGES) != 0))
        raise ValueError(
            f"parallel gain: {part.file} has {counts[odd]} frames of train {trains[odd]}, which is "
            f"no multiple of {len(STAGES)}: is it parallel-gain data?"
        )
    stage = _concatenated([np.arange(n) // max(1, n // len(STAGES)) for n in counts])
    first = stage == 0
    return [
        Strand(
            *(part, part.entries[stage == i], part.keys[first], part.entries[first]),
            label=name,
            whole=False,
        )
        for i, name in enumerate(STAGES)
    ]


def choose_frames(strands: Sequence[Strand], frames: Any) -> list[Strand]:
    """Of each strand the chosen frames.

    A number counts the frames that any module has, in the order of train and pulse.
    """
    keys = [key_numbers(strand.keys) for strand in strands]
    known = np.unique(_concatenated(keys).astype("u8"))
    chosen = check_frames(frames, (len(known),)).astype("i8")
    if (np.diff(chosen) <= 0).any():
        raise ValueError(
            "frames of a run stay in the order of train and pulse: give rising numbers, each once"
        )
    return [_taken(s, np.isin(k, known[chosen])) for s, k in zip(strands, keys, strict=True)]


def ids_of(strand: Strand) -> dict[str, Any]:
    """trainId and the others: where they are, or, of chosen frames, their values."""
    part = strand.part
    if strand.whole:
        return {name: f"{part.file}:{part.group}/{name}" for name in part.beside}
    with h5py.File(part.file, "r") as file:
        group = file[part.group]
        return {name: group[name][()][strand.owners] for name in part.beside}


def cells_of(strand: Strand) -> Any:
    """The memory cells of all raw entries: where they are, or, of parallel gain, the numbers."""
    part = strand.part
    if part.cells.rpartition("/")[2] not in part.beside:
        return None
    if not strand.label:
        return f"{part.file}:{part.cells}"
    with h5py.File(part.file, "r") as file:
        cells = file[part.cells][()].reshape(-1)
    cells[strand.entries] = cells[strand.owners]
    return cells


def _taken(strand: Strand, which: np.ndarray) -> Strand:
    return replace(
        strand,
        entries=strand.entries[which],
        keys=strand.keys[which],
        owners=strand.owners[which],
        whole=False,
    )


def _concatenated(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if len(arrays) else np.zeros(0, "i8")
