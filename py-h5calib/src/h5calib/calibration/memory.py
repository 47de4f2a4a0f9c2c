"""Calibrating arrays in memory with the compiled kernels."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..binding import library as _library
from ..errors import CalibrationError
from .base import Calibration
from .reference import check_cells, load_constants

_LIBRARY_ORDER = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
_DTYPES = {np.dtype(name): number for number, name in enumerate(_LIBRARY_ORDER, start=1)}
_DTYPES[np.dtype(bool)] = _DTYPES[np.dtype("u1")]


def calibrate(
    raw: Any,
    calibration: Calibration,
    cell_ids: Any = None,
    dtype: Any = None,
    threads: int | None = None,
) -> np.ndarray:
    """Calibrate frames in memory, with the code that calibrated datasets are read with.

    Parameters
    ----------
    raw : array
        (frames..., y, x), or with the axis of two that the algorithm needs. A contiguous array
        is used where it lies, others are copied.
    calibration : Calibration
        `Jungfrau`, `Agipd`, ... Constants may have any strides; paths need their file.
    cell_ids : array of int, optional
        The memory cell of each frame. Needed where constants have several cells.
    dtype : {"f4", "f8"} or integer dtype
        "f4" by default. Integers only where the calibration has a `rounding`; "u1", and nothing
        else, where its `output` is a mask or gain stages.
    threads : int, optional
        How many to use; by default as many as this process has CPUs.

    Returns
    -------
    (frames..., y, x) array

    Raises
    ------
    CalibrationError (a ValueError)
        With the library's reason: a cell outside the constants, a dtype that cannot be, ...

    The GIL is released meanwhile.

    Examples
    --------
    >>> import numpy as np, h5calib
    >>> pedestal = h5calib.Pedestal(np.array([[1, 2], [3, np.nan]]))
    >>> h5calib.calibrate(np.full((1, 2, 2), 10, "u2"), pedestal)
    array([[[ 9.,  8.],
            [ 7., nan]]], dtype=float32)
    """
    raw = np.require(raw, requirements=["C", "A"])
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    frame_axes, ny, nx = calibration.algorithm.split_raw_shape(raw.shape)
    constants = load_constants(calibration, ny, nx)
    n_cells = max((k.shape[0] for k in constants.values()), default=1)
    out = np.empty((*frame_axes, ny, nx), dtype or calibration.default_dtype)
    frames = int(np.prod(frame_axes))
    cells = check_cells(cell_ids, frames, n_cells)
    message = ctypes.create_string_buffer(_library.MESSAGE_SIZE)
    arrays = {name: _array(values) for name, values in constants.items()}
    with _compiled(calibration, arrays, ny, nx) as handle:
        status = _library.library().h5calib_calibrate(
            *(handle, raw.ctypes.data, dtype_number(raw.dtype), frames, cells.ctypes.data),
            *(out.ctypes.data, dtype_number(out.dtype), threads or default_threads()),
            *(message, _library.MESSAGE_SIZE),
        )
    if status:
        raise CalibrationError(message.value.decode())
    return out


def try_out(
    calibration: Calibration,
    constants: dict[str, tuple[np.dtype, int]],
    raw: np.dtype,
    out: np.dtype,
) -> None:
    """Calibrate one pixel of zero by constants of one, to hear what the library has against it.

    `constants` are the dtype and the number of stages of each.
    """
    zeros, ones = np.zeros(2), {name: np.ones(2, dtype) for name, (dtype, _) in constants.items()}
    no_strides = (ctypes.c_ssize_t * 4)()
    arrays = {
        name: _library.Array(ones[name].ctypes.data, dtype_number(dtype), 1, stages, no_strides)
        for name, (dtype, stages) in constants.items()
    }
    message = ctypes.create_string_buffer(_library.MESSAGE_SIZE)
    with _compiled(calibration, arrays, 1, 1) as handle:
        status = _library.library().h5calib_calibrate(
            *(handle, zeros.ctypes.data, dtype_number(raw), 1, None),
            *(np.empty(1).ctypes.data, dtype_number(out), 1, message, _library.MESSAGE_SIZE),
        )
    if status:
        raise CalibrationError(message.value.decode())


def dtype_number(dtype: np.dtype) -> int:
    """The library's number of a dtype."""
    dtype = dtype.newbyteorder("=")
    if dtype not in _DTYPES:
        raise TypeError(f"dtype {dtype} is not possible: use integers or floats of up to 8 bytes")
    return _DTYPES[dtype]


def default_threads() -> int:
    """As many as this process may use CPUs, or what H5CALIB_NUM_THREADS says."""
    if given := os.environ.get("H5CALIB_NUM_THREADS"):
        if not given.isdecimal():
            raise ValueError(f"H5CALIB_NUM_THREADS={given!r} is not a number of threads")
        return max(1, int(given))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _compiled(
    calibration: Calibration, constants: dict[str, _library.Array], ny: int, nx: int
) -> Iterator[ctypes.c_void_p]:
    """The library's calibration, freed at the end."""
    lib, table = _library.library(), calibration.algorithm
    given = calibration.numbered_parameters()
    parameters = (_library.Parameter * len(given))(*given)
    config = _library.Config(table.id, ny, nx, len(parameters), parameters)
    arrays = (_library.Array * len(table.constants))(
        *(constants.get(name, _library.Array()) for name in table.constants)
    )
    message = ctypes.create_string_buffer(_library.MESSAGE_SIZE)
    handle = ctypes.c_void_p()
    status = lib.h5calib_calibration_create(
        *(config, arrays, len(arrays), handle, message, _library.MESSAGE_SIZE)
    )
    if status:
        raise CalibrationError(message.value.decode())
    try:
        yield handle
    finally:
        lib.h5calib_calibration_free(handle)


def _array(values: np.ndarray) -> _library.Array:
    strides = (ctypes.c_ssize_t * 4)(*values.strides)
    cells, stages = values.shape[:2]
    return _library.Array(values.ctypes.data, dtype_number(values.dtype), cells, stages, strides)
