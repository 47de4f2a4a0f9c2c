"""Calibration in plain NumPy, frame by frame, in one dtype from begin to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..binding.algorithms import (
    COMPARED,
    DIVISOR,
    LEGACY,
    MASK,
    POSITIVE,
    RAW_FIRST,
    RAW_LAST,
    RAW_ONE,
)
from ..contents.sources import read_values
from . import axes as _axes
from .missing import missing_pixels
from .stages import select

if TYPE_CHECKING:
    from .base import Calibration

NO_STAGE = 255  # in place of a gain stage


class Constants(dict):
    """The constants of one cell by their names, all in the dtype of the result.

    Attributes
    ----------
    masked : (stage or 1, y, x) bool
        Where a mask says so.
    left_out : bool or (y, x) bool
        What has no part in a common mode of the frame: pixels that are masked or missing.
    """

    def __init__(self, planes: Mapping[str, np.ndarray], masked: np.ndarray, dtype: Any) -> None:
        super().__init__(planes)
        self.masked, self.dtype = masked, dtype
        self.left_out: Any = np.False_


def calibrate_frames(
    calibration: Calibration, raw: Any, cell_ids: Any, dtype: np.dtype
) -> np.ndarray:
    """The body of `Calibration.reference`."""
    algorithm, raw = calibration.algorithm, np.asarray(raw)
    frame_axes, ny, nx = algorithm.split_raw_shape(raw.shape)
    constants = load_constants(calibration, ny, nx)
    n_cells = max((k.shape[0] for k in constants.values()), default=1)
    cells = check_cells(cell_ids, int(np.prod(frame_axes)), n_cells)
    parameters = {name: calibration.value(name) for name in algorithm.parameters}
    frames = raw.reshape(-1, *raw.shape[len(frame_axes) :])
    out = np.empty((len(frames), ny, nx), "u1" if parameters.get("output") else dtype)
    with np.errstate(all="ignore"):  # NaN, infinity and division by zero are results here
        for i, cell in enumerate(cells):
            out[i] = _frame(calibration, frames[i], constants, parameters, cell, n_cells, dtype)
    return out.reshape(*frame_axes, ny, nx)


def load_constants(calibration: Calibration, ny: int, nx: int) -> dict[str, np.ndarray]:
    """The constants in memory as views (cell, stage, y, x), in the dtype they are stored in."""
    loaded = {}
    for name, constant in calibration.constants.items():
        spec = calibration.algorithm.constants[name]
        values = read_values(constant.source, f"constant {name!r}")
        order = _axes.resolve_axes(spec, values.shape, ny, nx, constant.axes)
        loaded[name] = _axes.to_csyx(values, order, ny, nx)
    cells = {k.shape[0] for k in loaded.values()} - {1}
    if len(cells) > 1:
        lengths = ", ".join(f"{name} {k.shape[0]}" for name, k in loaded.items())
        raise ValueError(f"the constants differ in their number of memory cells: {lengths}")
    calibration.check_values(loaded)
    return loaded


def check_cells(cell_ids: Any, n_frames: int, n_cells: int) -> np.ndarray:
    """The memory cell of each frame; zeros where the constants have one cell only."""
    if cell_ids is None:
        if n_cells > 1:
            raise ValueError(
                f"the constants have {n_cells} memory cells: give cell_ids, the cell of each frame"
            )
        return np.zeros(n_frames, "i8")
    cells = np.asarray(cell_ids)
    if cells.dtype.kind not in "iu":
        raise TypeError(f"cell_ids have dtype {cells.dtype}: give integers")
    if cells.size != n_frames:
        raise ValueError(f"{cells.size} cell_ids for {n_frames} frames: give one for each frame")
    return cells.reshape(-1).astype("i8")


def _frame(
    calibration: Calibration,
    frame: np.ndarray,
    constants: dict[str, np.ndarray],
    parameters: dict[str, float],
    cell: int,
    n_cells: int,
    dtype: np.dtype,
) -> np.ndarray:
    if calibration.algorithm.flags & LEGACY:
        k = {name: values[cell].astype(dtype) for name, values in constants.items()}
        return calibration.rule(_split(calibration, frame), k, parameters)
    output = int(parameters["output"])
    masked = (dtype.type(parameters["masked_value"]), 1, NO_STAGE)[output]
    if n_cells > 1 and not 0 <= cell <= (n_cells - 1) * calibration.steps:
        if parameters["bad_cell"] == 0:
            raise ValueError(f"memory cell {cell} lies outside the constants' {n_cells} cells")
        return masked
    k = _between(calibration, constants, parameters, cell if n_cells > 1 else 0, dtype)
    raw = _split(calibration, frame)
    missing = missing_pixels(calibration, raw)
    k.left_out = missing | (k.masked[0] if len(k.masked) == 1 else False)
    if output == 2:
        return np.where(missing, NO_STAGE, calibration.stages(raw, k, parameters))
    value = calibration.rule(raw, k, parameters)
    unusable = np.isnan(value) | missing | _masked_in_stage(calibration, raw, k, parameters)
    return unusable if output else np.where(unusable, masked, value)


def _masked_in_stage(
    calibration: Calibration, raw: Any, k: Constants, parameters: dict[str, float]
) -> np.ndarray:
    """The mask comes last: it is that of the stage a pixel is in, and changes no stage."""
    if len(k.masked) == 1:
        return k.masked[0]
    return select(k.masked, calibration.stages(raw, k, parameters))


def _between(
    calibration: Calibration,
    constants: dict[str, np.ndarray],
    parameters: dict[str, float],
    cell: int,
    dtype: np.dtype,
) -> Constants:
    """Constants of one cell, or on the way from it to the next."""
    cell, step = divmod(cell, calibration.steps)
    k = _fold(calibration, constants, parameters, cell, dtype)
    if step == 0:
        return k
    following = _fold(calibration, constants, parameters, cell + 1, dtype)
    weight = dtype.type(step / calibration.steps)
    between = {name: value + (following[name] - value) * weight for name, value in k.items()}
    return Constants(between, k.masked | following.masked, dtype)


def _split(calibration: Calibration, frame: np.ndarray) -> Any:
    """A frame (y, x), or signal and gain."""
    layout = calibration.algorithm.raw_layout
    return {
        RAW_ONE: lambda: frame,
        RAW_FIRST: lambda: (frame[0], frame[1]),
        RAW_LAST: lambda: (frame[..., 0], frame[..., 1]),
    }[layout]()


def _fold(
    calibration: Calibration,
    constants: dict[str, np.ndarray],
    parameters: dict[str, float],
    cell: int,
    dtype: np.dtype,
) -> Constants:
    """Constants of one cell with NaN where they make a pixel unusable, and its masks."""
    k, masked = {}, np.zeros((1, 1, 1), bool)
    planes = {name: v[cell if v.shape[0] > 1 else 0] for name, v in constants.items()}
    for name, plane in planes.items():
        flags = calibration.algorithm.constants[name].flags
        if flags & MASK:
            masked = masked | _masked(plane, int(parameters["mask_bits"]))
            continue
        prepared = calibration.prepare(name, plane)
        k[name] = prepared.astype(dtype)
        finite = np.isfinite(plane) & np.isfinite(prepared)
        unusable = ~finite & (not flags & COMPARED)
        if flags & DIVISOR and calibration.divides():
            unusable |= plane == 0
        if flags & POSITIVE:
            unusable |= plane <= 0
        k[name][unusable] = np.nan
    k.update({name: dtype.type(v) for name, v in calibration.numbers(planes).items()})
    return Constants(k, masked, dtype)


def _masked(mask: np.ndarray, bits: int) -> np.ndarray:
    unsigned = mask.astype(f"u{mask.dtype.itemsize}").astype("u8")
    return mask != 0 if bits == 0xFFFFFFFF else (unsigned & np.uint64(bits)) != 0
