"""Orders of the axes of constants: checking, guessing, and views in one order.

Letters: ``c`` memory cell, ``s`` gain stage, ``y`` slow scan, ``x`` fast scan.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ..binding.algorithms import PER_CELL, ConstantSpec

CANONICAL = "csyx"


def resolve_axes(
    spec: ConstantSpec, shape: tuple[int, ...], ny: int, nx: int, axes: str | None = None
) -> str:
    """The order of a constant's axes: the given one, checked, or the only possible one.

    Raises ValueError where the shape does not fit or several orders would.
    """
    if axes is not None:
        return _checked(spec, shape, ny, nx, axes)
    if shape == () and spec.stages == 1:
        return ""
    fits = [
        "".join(order)
        for order in permutations(CANONICAL, len(shape))
        if _is_usual("".join(order)) and not _misfit(spec, shape, ny, nx, "".join(order))
    ]
    fits = [order for order in fits if order.endswith("yx")] or fits
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ValueError(
            f"constant {spec.name!r} of shape {shape} can be read in the orders "
            f"{', '.join(fits)}: say which, Constant(..., axes={fits[0]!r})"
        )
    raise ValueError(
        f"constant {spec.name!r} of shape {shape} does not fit frames of {ny} x {nx} pixels: "
        f"expected axes {_expected(spec)} in any order"
    )


def to_csyx(array: np.ndarray, axes: str, ny: int, nx: int) -> np.ndarray:
    """A view of shape (cell, stage, y, x); axes the constant has not are repeated."""
    present = [axes.index(letter) for letter in CANONICAL if letter in axes]
    index = tuple(slice(None) if letter in axes else None for letter in CANONICAL)
    view = array.transpose(present)[index]
    return np.broadcast_to(view, (*view.shape[:2], ny, nx))


def length_of(axis: str, shape: tuple[int, ...], axes: str) -> int:
    """Length of an axis, 1 where there is none of that letter."""
    return shape[axes.index(axis)] if axis in axes else 1


def _checked(spec: ConstantSpec, shape: tuple[int, ...], ny: int, nx: int, axes: str) -> str:
    if not isinstance(axes, str) or set(axes) - set(CANONICAL) or len(set(axes)) != len(axes):
        raise ValueError(
            f"axes {axes!r} of constant {spec.name!r}: give each letter at most once, "
            "c (memory cell), s (gain stage), y (slow scan), x (fast scan)"
        )
    if len(axes) != len(shape):
        raise ValueError(
            f"constant {spec.name!r} has {len(shape)} axes {shape}, the order {axes!r} "
            f"names {len(axes)}: name each axis"
        )
    if wrong := _misfit(spec, shape, ny, nx, axes):
        raise ValueError(f"constant {spec.name!r} of shape {shape}, axes {axes!r}: {wrong}")
    return axes


def _misfit(spec: ConstantSpec, shape: tuple[int, ...], ny: int, nx: int, axes: str) -> str:
    """What keeps the shape from having these axes, or ""."""
    if spec.stages > 1 and "s" not in axes:
        return f"it needs a stage axis s of length {spec.stages} to {spec.max_stages}"
    for letter, length in zip(axes, shape, strict=True):
        if letter in "yx" and length != (ny if letter == "y" else nx):
            return f"axis {letter} has length {length}, the frames are {ny} x {nx} (y, x)"
        if letter == "s" and spec.max_stages == 1:
            return "it cannot have a stage axis"
        if letter == "s" and not spec.stages <= length <= spec.max_stages:
            return f"axis s has length {length}, allowed are {spec.stages} to {spec.max_stages}"
        if letter == "c" and not (length == 1 or (length > 0 and spec.flags & PER_CELL)):
            return f"it cannot have a cell axis of length {length}"
    return ""


def _is_usual(order: str) -> bool:
    """Nobody splits frames: an order with y and x apart is a wrong shape that fits by chance."""
    return "yx" in order or "xy" in order


def _expected(spec: ConstantSpec) -> str:
    cell = "[cell, ]" if spec.flags & PER_CELL else ""
    stage = "" if spec.max_stages == 1 else f"stage ({spec.stages} to {spec.max_stages}), "
    return f"({cell}{stage}y, x)"
