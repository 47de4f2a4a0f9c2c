"""Selections of a dataset as boxes that can be read one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

Box = list[tuple[int, int]]


def normalise(selection: Any, shape: tuple[int, ...]) -> tuple[list[Box], list[int | None], tuple]:
    """Boxes to read one after the other, the steps within their union, and the result's shape."""
    items = selection if isinstance(selection, tuple) else (selection,)
    if Ellipsis in [i for i in items if i is Ellipsis]:
        at = next(k for k, i in enumerate(items) if i is Ellipsis)
        fill = (slice(None),) * (len(shape) - len(items) + 1)
        items = (*items[:at], *fill, *items[at + 1 :])
    items += (slice(None),) * (len(shape) - len(items))
    if len(items) > len(shape):
        raise IndexError(f"{len(items)} indices for a dataset with {len(shape)} axes")
    rows, first_step, first_length = _first_axis(items[0], shape[0]) if shape else ([], None, None)
    rest, steps, lengths = [], [first_step], [first_length]
    for item, length in zip(items[1:], shape[1:], strict=True):
        bounds, step, kept = _axis(item, length)
        rest.append(bounds)
        steps.append(step)
        lengths.append(kept)
    boxes = [[bounds, *rest] for bounds in rows]
    return boxes, steps, tuple(n for n in lengths if n is not None)


def _axis(item: Any, length: int) -> tuple[tuple[int, int], int | None, int | None]:
    """Bounds, step (None for 1) and length in the result (None: the axis goes) of one index."""
    if isinstance(item, slice):
        start, stop, step = item.indices(length)
        if step < 1:
            raise ValueError("a step must be positive, as in h5py")
        count = len(range(start, stop, step))
        stop = start + (count - 1) * step + 1 if count else start
        return (start, stop), None if step == 1 else step, count
    index = int(item)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range for an axis of length {length}")
    index %= length
    return (index, index + 1), None, None


def _first_axis(item: Any, length: int) -> tuple[list[tuple[int, int]], int | None, int | None]:
    """The same for the first axis, which may be a list or a mask, and is read in runs."""
    if isinstance(item, slice):
        start, stop, step = item.indices(length)
        if step == 1:
            return [(start, max(start, stop))], None, max(0, stop - start)
        chosen = np.arange(start, stop, step)
        if step < 1:
            raise ValueError("a step must be positive, as in h5py")
    elif np.ndim(item) == 0:
        bounds, _, kept = _axis(item, length)
        return [bounds], None, kept
    else:
        chosen = np.asarray(item)
        if chosen.dtype == bool:
            if chosen.shape != (length,):
                raise IndexError(f"a mask of shape {chosen.shape} for an axis of length {length}")
            chosen = np.flatnonzero(chosen)
        if chosen.size and not (-length <= chosen.min() and chosen.max() < length):
            raise IndexError(f"an index is out of range for an axis of length {length}")
        chosen = chosen % length if length else chosen
    ends = np.flatnonzero(np.diff(chosen) != 1) + 1
    runs = np.split(chosen, ends) if chosen.size else []
    return [(int(run[0]), int(run[-1]) + 1) for run in runs], None, len(chosen)


def bounds_of(boxes: list[Box]) -> Box:
    """The shape that all boxes one after the other fill, as bounds."""
    return [(0, sum(box[0][1] - box[0][0] for box in boxes)), *boxes[0][1:]]
