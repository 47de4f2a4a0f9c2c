"""Mean and noise of dark frames for each pixel, memory cell and gain stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from ..contents.sources import open_file_dataset
from .clipping import clipped_mean
from .frames import OTHER_CELL, Dark, Frames, cells_of, frames_of, number_of_cells, size_of

_PORTION_BYTES = 512 << 20  # of raw values kept at a time
CLIPPED = "values beyond the clip"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Arrays (cell, stage, y, x): how many values, their mean and standard deviation.

    `voltage` is the mean gain voltage where there is one. The mean is NaN where there is no value,
    the standard deviation where there are fewer than two. `left_out` says how many frames and
    values did not count, and why.
    """

    count: np.ndarray
    mean: np.ndarray
    noise: np.ndarray
    voltage: np.ndarray | None
    left_out: dict[str, int] = field(default_factory=dict)


def statistics_of(
    darks: Sequence[Dark],
    cells: int | None = None,
    stages: int = 3,
    clip: float = 5.0,
    passes: int = 2,
    progress: Callable[[int], None] = lambda frames: None,
) -> Statistics:
    """Read dark frames and compute the statistics of each pixel.

    All values of a pixel are looked at together, for memory cells and rows in turns, so that runs
    may be larger than memory.

    Parameters
    ----------
    darks : sequence of Dark
    cells : int, optional
        Number of memory cells; by default the largest there is. Frames of others are left out.
    stages : int
        Number of gain stages.
    clip : float
        Values further than so many robust standard deviations from the median of their pixel are
        left out (`clipped_mean`).
    passes : int
        1: none is left out; with more, it is done one time less often.
    progress : callable
        Called with how many frames were read since the last call.
    """
    left_out: Counter[str] = Counter()
    ids = [cells_of(dark, left_out) for dark in darks]
    number = cells or number_of_cells(darks)
    left_out[OTHER_CELL] = sum(int((own >= number).sum()) for own in ids)
    shape = (number, stages, *size_of(darks))
    pairs = any(dark.pair for dark in darks)
    count, mean, noise = np.zeros(shape, "u4"), np.empty(shape), np.empty(shape)
    voltage = np.empty(shape) if pairs else None
    for chosen, rows in _portions(darks, ids, number, shape[2]):
        frames = [
            part
            for dark, own in zip(darks, ids, strict=True)
            for part in frames_of(dark, own, chosen, rows, left_out, progress)
        ]
        for cell in chosen:
            for stage in range(stages):
                place = (cell, stage, rows)
                values, known, levels = _gathered(frames, cell, stage, rows, shape)
                found = clipped_mean(values, known, clip, passes - 1)
                count[place], mean[place], noise[place], kept = found
                left_out[CLIPPED] += (kept.size if known is None else int(known.sum())) - int(
                    kept.sum()
                )
                if voltage is not None:
                    voltage[place] = _mean(levels, kept)
    return Statistics(count, mean, noise, voltage, {k: n for k, n in left_out.items() if n})


def frames_to_read(darks: Sequence[Dark], cells: int) -> int:
    """How many entries of raw data `statistics_of` reads, for a progress bar."""
    ids = [cells_of(dark) for dark in darks]
    total = 0
    with ExitStack() as files:
        counts = [open_file_dataset(d.raw, "dark data", files).shape[0] for d in darks]
    for chosen, _ in _portions(darks, ids, cells, size_of(darks)[0]):
        for own, entries in zip(ids, counts, strict=True):
            wanted = (own >= chosen.start) & (own < chosen.stop)
            total += int(wanted.reshape(entries, -1).any(1).sum()) if own.size else 0
    return total


def _portions(
    darks: Sequence[Dark], ids: Sequence[np.ndarray], cells: int, ny: int
) -> Iterator[tuple[range, slice]]:
    """Memory cells and rows to treat at a time: rows in parts only if one cell is too much."""
    counts, width = np.zeros(cells, "i8"), 0
    with ExitStack() as files:
        for dark, own in zip(darks, ids, strict=True):
            raw = open_file_dataset(dark.raw, "dark data", files)
            width = max(width, raw.shape[-1] * raw.dtype.itemsize * (2 if dark.pair else 1))
            counts += np.bincount(own[(own >= 0) & (own < cells)], minlength=cells)
    largest = max(1, int(counts.max(initial=0)) * width)  # bytes of a row
    together = max(1, _PORTION_BYTES // (largest * ny))
    rows = min(ny, max(1, _PORTION_BYTES // largest))
    for cell in range(0, cells, together):
        for row in range(0, ny, rows):
            yield range(cell, min(cell + together, cells)), slice(row, min(row + rows, ny))


def _gathered(
    frames: Sequence[Frames], cell: int, stage: int, rows: slice, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """All values of a cell and stage one after the other, which count, their gain voltages."""
    found = [part for f in frames if (part := f.of(cell, stage)) is not None]
    if not found:
        nothing = np.empty((0, rows.stop - rows.start, shape[3]))
        return nothing, None, nothing
    values = np.concatenate([v for v, _, _ in found])
    known = None
    if any(k is not None for _, k, _ in found):
        known = np.concatenate([np.ones(v.shape, bool) if k is None else k for v, k, _ in found])
    levels = [level for _, _, level in found if level is not None]
    return values, known, np.concatenate(levels) if levels else None


def _mean(levels: np.ndarray | None, kept: np.ndarray) -> np.ndarray:
    count = kept.sum(0)
    total = 0.0 if levels is None else np.where(kept, levels, 0.0).sum(0)
    mean: np.ndarray = np.divide(total, count, np.full(count.shape, np.nan), where=count > 0)
    return mean
