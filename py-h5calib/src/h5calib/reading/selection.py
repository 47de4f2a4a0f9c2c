"""Selections of a dataset as boxes that can be read one after the other."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

Box = list[tuple[int, int]]


@dataclass(frozen=True)
class Selected:
    """Boxes to read one after the other, the steps within their union, the shape of the result.

    A step is None for 1; an axis that was given an integer is not in `shape`.
    """

    boxes: list[Box]
    steps: list[int | None]
    shape: tuple[int, ...]


def normalise(selection: Any, shape: tuple[int, ...]) -> Selected | None:
    """The boxes of a selection; None where it is for h5py to take, or to refuse.

    Integers, slices, an ellipsis, and along the first axis a list or a mask.
    """
    items = selection if isinstance(selection, tuple) else (selection,)
    for item in items:
        if isinstance(item, (bool, np.bool_)):
            raise TypeError(
                f"an index is {item}: h5py takes it for {int(item)}, NumPy for a new axis; write "
                "the number, or a mask with a boolean for each frame"
            )
    ellipses = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1 or len(items) - len(ellipses) > len(shape) or not shape:
        return None
    missing = (slice(None),) * (len(shape) - len(items) + len(ellipses))
    at = ellipses[0] if ellipses else len(items)
    items = (*items[:at], *missing, *items[at + 1 :])
    first = _first_axis(items[0], shape[0])
    rest = [_axis(item, length) for item, length in zip(items[1:], shape[1:], strict=True)]
    if first is None or None in rest:
        return None
    rows, *of_first = first
    known = [axis for axis in rest if axis is not None]
    steps = [of_first[0], *(step for _, step, _ in known)]
    lengths = [of_first[1], *(length for _, _, length in known)]
    boxes = [[bounds, *(bounds for bounds, _, _ in known)] for bounds in rows]
    return Selected(boxes, steps, tuple(n for n in lengths if n is not None))


def _axis(item: Any, length: int) -> tuple[tuple[int, int], int | None, int | None] | None:
    """Bounds, step (None for 1) and length in the result (None: the axis goes) of one index."""
    if isinstance(item, slice):
        return _slice(item, length)
    try:
        given = operator.index(item)
    except TypeError:
        return None
    if not -length <= given < length:
        raise IndexError(f"index {given} is out of range for an axis of length {length}")
    index = given % length
    return (index, index + 1), None, None


def _slice(item: slice, length: int) -> tuple[tuple[int, int], int | None, int | None] | None:
    start, stop, step = item.indices(length)
    if step < 1:
        return None  # h5py says so
    count = len(range(start, stop, step))
    stop = start + (count - 1) * step + 1 if count else start
    return (start, stop), None if step == 1 else step, count


def _first_axis(
    item: Any, length: int
) -> tuple[list[tuple[int, int]], int | None, int | None] | None:
    """The same for the first axis, which may be a list or a mask, and is read in runs."""
    axis = _axis(item, length)
    if axis is not None and (axis[1] is None or not isinstance(item, slice)):
        return [axis[0]], None, axis[2]
    chosen = np.arange(*item.indices(length)) if axis else _listed(item, length)
    if chosen is None:
        return None
    ends = np.flatnonzero(np.diff(chosen) != 1) + 1
    runs = np.split(chosen, ends) if chosen.size else []
    return [(int(run[0]), int(run[-1]) + 1) for run in runs], None, len(chosen)


def _listed(item: Any, length: int) -> np.ndarray | None:
    """The frames of a list or a mask, rising, as h5py wants them."""
    if not isinstance(item, (list, range, np.ndarray)):
        return None
    try:
        given = np.asarray(item)
    except ValueError:
        return None
    if given.ndim != 1 or (given.size and given.dtype.kind not in "biu"):
        return None
    if given.dtype.kind == "b":
        return np.flatnonzero(given) if given.shape == (length,) else None
    if given.size == 0:
        return None if isinstance(item, np.ndarray) and given.dtype.kind == "f" else given
    wanted = [int(index) for index in given]  # unsigned ones can be more than an int64 holds
    if min(wanted) < -length or max(wanted) >= length:
        raise IndexError(f"an index is out of range for an axis of length {length}")
    chosen = np.array([index % length for index in wanted])
    return chosen if bool((np.diff(chosen) > 0).all()) else None


def bounds_of(boxes: list[Box]) -> Box:
    """The shape that all boxes one after the other fill, as bounds."""
    return [(0, sum(box[0][1] - box[0][0] for box in boxes)), *boxes[0][1:]]
