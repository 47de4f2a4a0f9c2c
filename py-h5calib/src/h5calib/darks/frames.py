"""Dark frames: where they are, which of them count, and reading some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ..contents.sources import open_file_dataset
from .written import unwritten_frames

_BLOCK_BYTES = 64 << 20
_JUNGFRAU = np.array([0, 1, -1, 2], "i1")  # stage of each gain code; -1: invalid
_LPD = np.array([0, 1, 2, -1], "i1")
HIGH_GAIN = 3  # stages of JUNGFRAU's high gain (HG0, HG1, HG2) are so many above the others
NOT_WRITTEN, NOT_GOOD, OTHER_CELL, MISSING, NO_STAGE = (
    "frames never written",
    "frames marked as not good",
    "frames of other memory cells",
    "missing values",
    "values without a valid gain stage",
)


@dataclass(frozen=True)
class Dark:
    """Dark frames of one dataset.

    `raw` and `cells` (memory cell of each frame) are ``"file:/path"``. `stage` is the gain stage
    of all pixels; None: it is in the raw pixel (JUNGFRAU, LPD), or in `gain`, a dataset of codes.
    `pair`: frames are (2, y, x), signal and gain voltage (AGIPD). `bits` are those of the ADC, the
    gain code starts at bit `shift`. `zero` is what a stored 0 stands for. `good` (not 0: the frame
    counts) and `settings` (bit 0: taken in high gain) have a number for each frame. Raw pixels
    that are one of `missing`, gain code and all, are not values.
    """

    raw: str
    cells: str | None = None
    stage: int | None = None
    gain: str | None = None
    pair: bool = False
    bits: int = 0xFFFF
    shift: int = 14
    zero: int = 0
    good: str | None = None
    settings: str | None = None
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Frames:
    """Some frames of a dark, (frame, y, x), and the memory cell of each.

    `stage` is one number, or one for each pixel, -1 where the pixel has no value.
    """

    values: np.ndarray
    stage: int | np.ndarray
    voltage: np.ndarray | None
    cells: np.ndarray

    def of(
        self, cell: int, stage: int
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None:
        """Values, which of them count (None: all) and gain voltages; None: there are none."""
        chosen = self.cells == cell
        if not chosen.any() or (isinstance(self.stage, int) and self.stage != stage):
            return None
        known = None if isinstance(self.stage, int) else self.stage[chosen] == stage
        return self.values[chosen], known, None if self.voltage is None else self.voltage[chosen]


def cells_of(dark: Dark, left_out: Counter[str] | None = None) -> np.ndarray:
    """The memory cell of each frame, -1 where it does not count; why is added to `left_out`."""
    with ExitStack() as files:
        raw = open_file_dataset(dark.raw, "dark data", files)
        axes = raw.shape[: -3 if dark.pair else -2]
        count, entries = int(np.prod(axes)), axes[0] if axes else 1
        cells = _numbers(dark.cells, "cell ids", count, entries, files, default=0)
        good = _numbers(dark.good, "marks of good frames", count, entries, files, default=1) != 0
        written = np.repeat(~unwritten_frames(raw), max(1, count // max(1, entries)))
    if left_out is not None:
        left_out[NOT_WRITTEN] += int((~written).sum())
        left_out[NOT_GOOD] += int((written & ~good).sum())
    return np.where(good & written, cells, -1)


def number_of_cells(darks: Sequence[Dark]) -> int:
    """One more than the largest memory cell of frames that count."""
    return max((int(cells_of(dark).max(initial=0)) for dark in darks), default=0) + 1


def frames_of(
    dark: Dark,
    cells: np.ndarray,
    chosen: range,
    rows: slice,
    left_out: Counter[str],
    progress: Callable[[int], None],
) -> Iterator[Frames]:
    """The frames of some memory cells, some of their rows, a part of the dataset at a time.

    `cells` is what `cells_of` gives.
    """
    wanted: np.ndarray = (cells >= chosen.start) & (cells < chosen.stop)
    with ExitStack() as files:
        raw = open_file_dataset(dark.raw, "dark data", files)
        gain = open_file_dataset(dark.gain, "gain", files) if dark.gain else None
        inner = len(cells) // max(1, raw.shape[0]) if raw.ndim > 2 else 1
        high = _numbers(
            dark.settings, "settings", len(cells), len(cells) // max(1, inner), files, default=0
        ).astype("u8")
        step = max(1, _BLOCK_BYTES // max(1, raw.dtype.itemsize * int(np.prod(raw.shape[1:]))))
        entries = np.any(wanted.reshape(-1, inner), axis=1)
        for start, stop in _spans(entries, step):
            here = slice(start * inner, stop * inner)
            keep = wanted[here]
            block = _rows(raw, start, stop, rows)
            codes = None if gain is None else _rows(gain, start, stop, rows)[keep]
            yield _taken_apart(dark, block, keep, codes, cells[here], high[here], left_out)
            progress(stop - start)


def _rows(data: h5py.Dataset, start: int, stop: int, rows: slice) -> np.ndarray:
    """Rows of some entries, with one axis of frames."""
    block: np.ndarray = data[start:stop, ..., rows, :] if data.ndim > 2 else data[rows, :]
    return block.reshape(-1, *block.shape[-2:])


def _taken_apart(
    dark: Dark,
    block: np.ndarray,
    keep: np.ndarray,
    codes: np.ndarray | None,
    cells: np.ndarray,
    settings: np.ndarray,
    left_out: Counter[str],
) -> Frames:
    voltage = None
    if dark.pair:
        block, voltage = block[0::2], block[1::2][keep]
    block = block[keep]
    stage: int | np.ndarray = 0 if dark.stage is None else dark.stage
    if dark.stage is None and codes is not None:
        stage = _JUNGFRAU[codes & 3]
    elif dark.stage is None:
        table = _LPD if dark.shift == 12 else _JUNGFRAU
        stage = table[block.astype("u2") >> dark.shift & 3]
    high = (settings[keep] & 1).astype(bool)
    if high.any():
        stage = np.broadcast_to(np.asarray(stage, "i1"), block.shape)
        stage = np.where(high[:, None, None] & (stage >= 0), stage + HIGH_GAIN, stage)
    missing = np.isin(block, dark.missing) if dark.missing else np.zeros(1, bool)
    if isinstance(stage, np.ndarray):
        left_out[NO_STAGE] += int(((stage < 0) & ~missing).sum())
    if missing.any():
        left_out[MISSING] += int(missing.sum())
        stage = np.where(missing, -1, stage).astype("i1")
    if block.dtype.kind in "iu" and dark.bits != 0xFFFF:
        block = block & block.dtype.type(dark.bits)
    if dark.zero:
        block = np.where(block == 0, block.dtype.type(dark.zero), block)
    return Frames(block, stage, voltage, cells[keep])


def _numbers(
    place: str | None, what: str, count: int, entries: int, files: ExitStack, default: int
) -> np.ndarray:
    """A number for each frame; from one for each entry of the first axis, too."""
    if place is None:
        return np.full(count, default, "i8")
    values = open_file_dataset(place, what, files)[()].reshape(-1)
    if values.size not in (count, entries):
        raise ValueError(
            f"{place} has {values.size} {what} for {count} dark frames: give one for each"
        )
    return np.repeat(values, count // max(1, values.size)).astype("i8")


def _spans(wanted: np.ndarray, step: int) -> Iterator[tuple[int, int]]:
    """First and end of what is wanted, at most `step` at a time.

    >>> list(_spans(np.array([True, False, True, True, True]), 2))
    [(0, 1), (2, 4), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype("i1")))
    for start, stop in edges.reshape(-1, 2):
        for a in range(int(start), int(stop), step):
            yield a, min(a + step, int(stop))


def size_of(darks: Sequence[Dark]) -> tuple[int, int]:
    """(y, x) of the frames."""
    with ExitStack() as files:
        shapes: set[tuple[int, int]] = {
            open_file_dataset(d.raw, "dark data", files).shape[-2:] for d in darks
        }
    if len(shapes) != 1:
        sizes = ", ".join(f"{y} x {x}" for y, x in sorted(shapes)) or "none"
        raise ValueError(f"dark frames of one size are needed, these are {sizes}")
    return shapes.pop()
