"""Mean and noise of dark frames for each pixel, memory cell and gain stage, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ..contents.sources import open_file_dataset
from .frames import Dark, blocks_of, number_of_cells, size_of

_STRIPE_BYTES = 1 << 30  # of sums kept at a time
_BYTES_PER_SUM = 3 * 8 + 2 * 8


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
    shape = (cells or number_of_cells(darks), stages, *size_of(darks))
    rows = _stripe(shape)
    parts = []
    for start in range(0, shape[2], rows):
        stripe = slice(start, min(start + rows, shape[2]))
        before = None
        for _ in range(passes):
            sums = _Sums((*shape[:2], stripe.stop - stripe.start, shape[3]), before, clip)
            for values, stage, voltage, ids in blocks_of(darks, stripe, progress):
                sums.add(values, stage, voltage, ids)
            before = sums.result()
        parts.append(before)
    joined = [np.concatenate([getattr(p, n) for p in parts], 2) for n in ("count", "mean", "noise")]
    pairs = any(dark.pair for dark in darks)
    voltage = np.concatenate([p.voltage for p in parts], 2) if pairs else None
    return Statistics(*joined, voltage)


def frames_of(darks: Sequence[Dark], cells: int, stages: int = 3, passes: int = 2) -> int:
    """How many frames `statistics_of` reads, for a progress bar."""
    shape = (cells, stages, *size_of(darks))
    stripes = -(-shape[2] // _stripe(shape))
    with ExitStack() as files:
        counts = [open_file_dataset(d.raw, "dark data", files).shape[0] for d in darks]
    return sum(counts) * passes * stripes


class _Sums:
    """Sums of what is within the limits that the pass before gives."""

    def __init__(self, shape: tuple[int, ...], before: Statistics | None, clip: float) -> None:
        self.count, self.total, self.squares, self.voltage = (np.zeros(shape) for _ in range(4))
        self.before, self.clip = before, clip

    def add(
        self,
        values: np.ndarray,
        stage: np.ndarray | int,
        voltage: np.ndarray | None,
        ids: np.ndarray,
    ) -> None:
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


def _stripe(shape: tuple[int, ...]) -> int:
    """How many rows to treat at a time."""
    row = shape[0] * shape[1] * shape[3] * _BYTES_PER_SUM
    return max(1, min(shape[2], _STRIPE_BYTES // row))
