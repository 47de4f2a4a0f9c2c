"""Lists of lists, as LabVIEW hands over images, to arrays: fast, and no wider than needed.

A row is packed by `struct`, which takes about a third of the time of `np.array` and half of
`np.array` with a given type, and refuses a number that the type does not hold.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ImageError
from .declared import Pixels

#: `struct` codes of the types; the first six in the order in which they are tried
_CODES = {
    "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float64": "d",
    "uint8": "B", "int8": "b", "int16": "h",
}  # fmt: skip
_TRIED = tuple(_CODES)[:6]
_EXACT = 2**53

Rows = Sequence[Any]


def to_array(rows: Rows, dtype: Any = None) -> Pixels:
    """2-D array of a list (or tuple) of rows of numbers; deeper nesting through `np.array`.

    With a `dtype`, a number that it does not hold is an `ImageError`; float types round.
    """
    kind = None if dtype is None else np.dtype(dtype)
    first = rows[0]
    if isinstance(first, np.ndarray) or (
        isinstance(first, (list, tuple)) and first and isinstance(first[0], (list, tuple))
    ):
        return _by_numpy(rows, kind)
    if not isinstance(first, (list, tuple)):
        raise ImageError("the image is a list of rows; a list of numbers has one dimension only")
    width = len(first)
    if any(not isinstance(row, (list, tuple)) for row in rows):
        raise ImageError("the list is no image: each row must be a list of numbers")
    if any(len(row) != width for row in rows):
        raise ImageError(f"the rows differ in length: {sorted({len(row) for row in rows})[:5]}")
    if width == 0:
        raise ImageError("the image is empty: its rows have no pixels")
    return _by_struct(rows, width, kind)


def _by_numpy(rows: Rows, kind: np.dtype[Any] | None) -> Pixels:
    try:
        pixels = np.array(rows)
    except (ValueError, TypeError, OverflowError) as error:
        raise ImageError(f"the list is no image: {error}") from None
    if pixels.dtype.kind not in "biuf":
        raise ImageError(f"the list is no image: rows of numbers are needed, not {pixels.dtype}")
    if pixels.dtype == np.float64:
        _check_exact(rows, pixels)
    return pixels if kind is None else _as_type(pixels, kind)


def _by_struct(rows: Rows, width: int, kind: np.dtype[Any] | None) -> Pixels:
    for name in _TRIED if kind is None else _wanted(kind):
        try:
            pixels = _pack(rows, width, name)
        except (struct.error, OverflowError):
            continue
        except TypeError:
            break
        if name == "float64":
            _check_exact(rows, pixels)
        return pixels if kind is None else _as_type(pixels, kind)
    raise ImageError("the list is no image: rows of numbers are needed" + _wrong(rows, kind))


def _wanted(kind: np.dtype[Any]) -> tuple[str, ...]:
    """The types to pack into for one that is asked for; whole floats are taken for integers."""
    return (kind.name, "float64") if kind.kind in "iu" and kind.name in _CODES else ("float64",)


def _wrong(rows: Rows, kind: np.dtype[Any] | None) -> str:
    return "" if kind is None else f" that {kind} holds"


def _pack(rows: Rows, width: int, name: str) -> Pixels:
    pixels = np.empty((len(rows), width), name)
    row = struct.Struct(f"={width}{_CODES[name]}")
    buffer, step, offset = pixels.data.cast("B"), row.size, 0
    for values in rows:
        row.pack_into(buffer, offset, *values)
        offset += step
    return pixels


def _check_exact(rows: Rows, pixels: Pixels) -> None:
    """An error where a whole number of a list is none of the numbers that float64 has."""
    for at in zip(*np.nonzero(np.abs(pixels) >= _EXACT), strict=True):
        value = rows
        for index in at:
            value = value[index]
        if isinstance(value, (int, np.integer)) and int(value) != int(pixels[at]):
            raise ImageError(f"the number {value} fits no integer type, and float64 would round it")


def _as_type(pixels: Pixels, kind: np.dtype[Any]) -> Pixels:
    """The array as `kind`; integers must stay the same, floats may be rounded but not overflow."""
    with np.errstate(invalid="ignore", over="ignore"):
        cast = pixels.astype(kind)
        if kind.kind == "f":
            fits = np.isfinite(cast) == np.isfinite(pixels)
        else:
            fits = (cast == pixels) & np.isfinite(pixels)
    if not fits.all():
        at = tuple(int(i) for i in np.argwhere(~fits)[0])
        raise ImageError(
            f"pixel {list(at)} is {pixels[at]}, which {kind} does not hold: ask for another dtype"
        )
    return np.asarray(cast)
