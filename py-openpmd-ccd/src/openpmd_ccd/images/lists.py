"""Lists of lists, as LabVIEW hands over images, to arrays: fast, and no wider than needed.

A row is packed by `struct`, which takes about a third of the time of `np.array` and half of
`np.array` with a given type.
"""

import struct

import numpy as np

from ..errors import ImageError

#: types in the order in which they are tried, with their `struct` codes
_TYPES = {"H": np.uint16, "i": np.int32, "I": np.uint32, "q": np.int64, "Q": np.uint64, "d": float}


def to_array(rows, dtype=None):
    """2-D array of a list (or tuple) of rows of numbers; deeper nesting through `np.array`."""
    first = rows[0]
    if isinstance(first, np.ndarray) or (
        isinstance(first, (list, tuple)) and first and isinstance(first[0], (list, tuple))
    ):
        return _by_numpy(rows, dtype)
    if not isinstance(first, (list, tuple)):
        raise ImageError("the image is a list of rows; a list of numbers has one dimension only")
    width = len(first)
    if any(len(row) != width for row in rows):
        raise ImageError(f"the rows differ in length: {sorted({len(row) for row in rows})[:5]}")
    if width == 0:
        raise ImageError("the image is empty: its rows have no pixels")
    if dtype is not None:
        return _by_numpy(rows, dtype)
    return _by_struct(rows, width)


def _by_numpy(rows, dtype):
    try:
        return np.array(rows, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ImageError(f"the list is no image: {error}") from None


def _by_struct(rows, width):
    for code, dtype in _TYPES.items():
        try:
            return _pack(rows, width, code, dtype)
        except (struct.error, OverflowError):
            continue
        except TypeError:
            break
    raise ImageError("the list is no image: rows of numbers are needed")


def _pack(rows, width, code, dtype):
    pixels = np.empty((len(rows), width), dtype)
    row = struct.Struct(f"={width}{code}")
    buffer, step, offset = pixels.data.cast("B"), row.size, 0
    for values in rows:
        row.pack_into(buffer, offset, *values)
        offset += step
    return pixels
