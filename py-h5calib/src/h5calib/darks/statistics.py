"""Mean and noise of dark frames for each pixel, memory cell and gain stage, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ..sources import open_file_dataset

_BLOCK_BYTES = 64 << 20
_STRIPE_BYTES = 1 << 30  # of sums kept at a time
_BYTES_PER_SUM = 3 * 8 + 2 * 8
_JUNGFRAU = np.array([0, 1, -1, 2], "i1")  # stage of each gain code; -1: invalid
_LPD = np.array([0, 1, 2, -1], "i1")


@dataclass(frozen=True)
class Dark:
    """Dark frames of one dataset.

    `raw` and `cells` (memory cell of each frame) are ``"file:/path"``. `stage` is the gain stage
    of all pixels; None: it is in the raw pixel (JUNGFRAU, LPD). `gain` is a dataset of gain codes beside.
    `pair`: frames are (2, y, x), signal and gain voltage (AGIPD). `bits` are those of the ADC, the
    gain code starts at bit `shift`.
    """

    raw: str
    cells: str | None = None
    stage: int | None = None
    gain: str | None = None
    pair: bool = False
    bits: int = 0xFFFF
    shift: int = 14


@dataclass(frozen=True, eq=False)
class Statistics:
    """Arrays (cell, stage, y, x): how many values, their mean and standard deviation.

    `voltage` is the mean gain voltage where there is one. NaN where there are no values.
    """

    count: np.ndarray
    mean: np.ndarray
    noise: np.ndarray
    voltage: np.ndarray | None


def statistics_of(
    darks: Sequence[Dark],
    cells: int | None = None,
    stages: int = 3,
    clip: float = 5.0,
    passes: int = 2,
    progress: Callable[[int], None] = lambda frames: None,
) -> Statistics:
    """Read dark frames and compute the statistics of each pixel.

    Parameters
    ----------
    darks : sequence of Dark
        One after the other, they need not fit into memory.
    cells : int, optional
        Number of memory cells; by default the largest there is. Frames of others are left out.
    stages : int
        Number of gain stages.
    clip : float
        After the first pass only values within so many standard deviations of the mean count.
    passes : int
        How often the frames are read; 1 is without clipping.
    progress : callable
        Called with how many frames were read since the last call.
    """
    shape = (cells or number_of_cells(darks), stages, *_size(darks))
    rows = _stripe(shape)
    parts = []
    for start in range(0, shape[2], rows):
        stripe = slice(start, min(start + rows, shape[2]))
        before = None
        for _ in range(passes):
            sums = _Sums((*shape[:2], stripe.stop - stripe.start, shape[3]), before, clip)
            for values, stage, voltage, ids in _blocks(darks, stripe, progress):
                sums.add(values, stage, voltage, ids)
            before = sums.result()
        parts.append(before)
    joined = [np.concatenate([getattr(p, n) for p in parts], 2) for n in ("count", "mean", "noise")]
    pairs = any(dark.pair for dark in darks)
    voltage = np.concatenate([p.voltage for p in parts], 2) if pairs else None
    return Statistics(*joined, voltage)


def frames_of(darks: Sequence[Dark], cells: int, stages: int = 3, passes: int = 2) -> int:
    """How many frames `statistics_of` reads, for a progress bar."""
    shape = (cells, stages, *_size(darks))
    stripes = -(-shape[2] // _stripe(shape))
    with ExitStack() as files:
        counts = [open_file_dataset(d.raw, "dark data", files).shape[0] for d in darks]
    return sum(counts) * passes * stripes


def number_of_cells(darks: Sequence[Dark]) -> int:
    """One more than the largest memory cell."""
    with ExitStack() as files:
        ids = [open_file_dataset(d.cells, "cell ids", files)[()] for d in darks if d.cells]
    return int(max((i.max(initial=0) for i in ids), default=0)) + 1


class _Sums:
    """Sums of what is within the limits that the pass before gives."""

    def __init__(self, shape: tuple[int, ...], before: Statistics | None, clip: float) -> None:
        self.count, self.total, self.squares, self.voltage = (np.zeros(shape) for _ in range(4))
        self.before, self.clip = before, clip

    def add(self, values: np.ndarray, stage: np.ndarray | int, voltage: np.ndarray | None,
            ids: np.ndarray) -> None:
        for cell in np.unique(ids):
            if not 0 <= cell < len(self.count):
                continue
            chosen = ids == cell
            own = values[chosen].astype("f8")
            for s in range(self.count.shape[1]):
                here = self._inside(own, cell, s)
                if isinstance(stage, np.ndarray):
                    here &= stage[chosen] == s
                elif stage != s:
                    continue
                self.count[cell, s] += here.sum(0)
                self.total[cell, s] += np.where(here, own, 0).sum(0)
                self.squares[cell, s] += np.where(here, own * own, 0).sum(0)
                if voltage is not None:
                    self.voltage[cell, s] += np.where(here, voltage[chosen], 0.0).sum(0)

    def _inside(self, own: np.ndarray, cell: int, stage: int) -> np.ndarray:
        if self.before is None:
            return np.isfinite(own)
        mean, noise = self.before.mean[cell, stage], self.before.noise[cell, stage]
        return np.abs(own - mean) <= self.clip * noise

    def result(self) -> Statistics:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.total / self.count
            variance = self.squares / self.count - mean * mean
            return Statistics(
                self.count.astype("u4"),
                mean,
                np.sqrt(np.maximum(variance, 0)),
                self.voltage / self.count,
            )


def _blocks(
    darks: Sequence[Dark], rows: slice, progress: Callable[[int], None]
) -> Iterator[tuple[np.ndarray, np.ndarray | int, np.ndarray | None, np.ndarray]]:
    """Values, gain stage, gain voltage and memory cell of some frames at a time."""
    for dark in darks:
        with ExitStack() as files:
            raw = open_file_dataset(dark.raw, "dark data", files)
            gain = open_file_dataset(dark.gain, "gain", files) if dark.gain else None
            cells = open_file_dataset(dark.cells, "cell ids", files)[()] if dark.cells else None
            step = max(1, _BLOCK_BYTES // max(1, raw.dtype.itemsize * int(np.prod(raw.shape[1:]))))
            for start in range(0, raw.shape[0], step):
                block = raw[start : start + step, ..., rows, :]
                codes = None if gain is None else gain[start : start + step, ..., rows, :]
                ids = None if cells is None else cells[start : start + step]
                yield _frames(dark, block, codes, ids)
                progress(len(block))


def _frames(
    dark: Dark, block: np.ndarray, codes: np.ndarray | None, ids: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | int, np.ndarray | None, np.ndarray]:
    """A block with one axis of frames, taken apart."""
    size, voltage = block.shape[-2:], None
    if dark.pair:
        flat = block.reshape(-1, 2, *size)
        block, voltage = flat[:, 0], flat[:, 1]
    block = block.reshape(-1, *size)
    stage: np.ndarray | int = dark.stage if dark.stage is not None else 0
    if dark.stage is None and codes is not None:
        stage = _JUNGFRAU[codes.reshape(-1, *size) & 3]
    elif dark.stage is None:
        table = _LPD if dark.shift == 12 else _JUNGFRAU
        stage = table[block.astype("u2") >> dark.shift & 3]
    if block.dtype.kind in "iu" and dark.bits != 0xFFFF:
        block = block & block.dtype.type(dark.bits)
    ids = np.zeros(len(block), "i8") if ids is None else ids.reshape(-1).astype("i8")
    return block, stage, voltage, ids


def _size(darks: Sequence[Dark]) -> tuple[int, int]:
    with ExitStack() as files:
        shapes = {open_file_dataset(d.raw, "dark data", files).shape[-2:] for d in darks}
    if len(shapes) != 1:
        sizes = ", ".join(f"{y} x {x}" for y, x in sorted(shapes)) or "none"
        raise ValueError(f"dark frames of one size are needed, these are {sizes}")
    return shapes.pop()


def _stripe(shape: tuple[int, ...]) -> int:
    """How many rows to treat at a time."""
    row = shape[0] * shape[1] * shape[3] * _BYTES_PER_SUM
    return max(1, min(shape[2], _STRIPE_BYTES // row))
