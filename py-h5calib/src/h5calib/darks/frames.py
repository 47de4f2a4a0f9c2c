"""Dark frames: where they are, and reading some of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ..contents.sources import open_file_dataset

_BLOCK_BYTES = 64 << 20
_JUNGFRAU = np.array([0, 1, -1, 2], "i1")  # stage of each gain code; -1: invalid
_LPD = np.array([0, 1, 2, -1], "i1")


@dataclass(frozen=True)
class Dark:
    """Dark frames of one dataset.

    `raw` and `cells` (memory cell of each frame) are ``"file:/path"``. `stage` is the gain stage
    of all pixels; None: it is in the raw pixel (JUNGFRAU, LPD), or in `gain`, a dataset of codes.
    `pair`: frames are (2, y, x), signal and gain voltage (AGIPD). `bits` are those of the ADC, the
    gain code starts at bit `shift`. `zero` is what a stored 0 stands for.
    """

    raw: str
    cells: str | None = None
    stage: int | None = None
    gain: str | None = None
    pair: bool = False
    bits: int = 0xFFFF
    shift: int = 14
    zero: int = 0


def number_of_cells(darks: Sequence[Dark]) -> int:
    """One more than the largest memory cell."""
    with ExitStack() as files:
        ids = [open_file_dataset(d.cells, "cell ids", files)[()] for d in darks if d.cells]
    return int(max((i.max(initial=0) for i in ids), default=0)) + 1


def blocks_of(
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
    if dark.zero:
        block = np.where(block == 0, block.dtype.type(dark.zero), block)
    ids = np.zeros(len(block), "i8") if ids is None else ids.reshape(-1).astype("i8")
    return block, stage, voltage, ids


def size_of(darks: Sequence[Dark]) -> tuple[int, int]:
    """(y, x) of the frames."""
    with ExitStack() as files:
        shapes = {open_file_dataset(d.raw, "dark data", files).shape[-2:] for d in darks}
    if len(shapes) != 1:
        sizes = ", ".join(f"{y} x {x}" for y, x in sorted(shapes)) or "none"
        raise ValueError(f"dark frames of one size are needed, these are {sizes}")
    return shapes.pop()
