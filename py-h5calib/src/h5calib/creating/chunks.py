"""Shapes of chunks: 0.5 to 4 MB, several small frames or rows of a large one."""

from __future__ import annotations

from typing import Any

TARGET_BYTES = 2 << 20
MAX_BYTES = 4 << 20
_HDF5_LIMIT = (1 << 32) - 1


def default_chunks(
    shape: tuple[int, ...],
    itemsize: int,
    *,
    whole_frame: bool = False,
    raw_chunks: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """Chunks for a calibrated dataset of shape (frames..., y, x).

    `raw_chunks` are those of the raw data along the same axes, None where they do not matter: a
    chunk then takes whole raw chunks where their size allows it.

    >>> default_chunks((1000, 512, 128), 4)
    (8, 512, 128)
    >>> default_chunks((1000, 2250, 2250), 4)
    (1, 225, 2250)
    """
    *frames, ny, nx = shape
    granules = raw_chunks if raw_chunks is not None else (1,) * len(shape)
    frame_bytes = ny * nx * itemsize
    if frame_bytes > MAX_BYTES and not whole_frame:
        rows = _length(nx * itemsize, ny, granules[-2])
        return (*(1 for _ in frames), rows, nx)
    chunk, unit = [1] * len(frames), frame_bytes
    for axis in reversed(range(len(frames))):
        chunk[axis] = _length(unit, max(1, frames[axis]), granules[axis])
        unit *= chunk[axis]
        if chunk[axis] < frames[axis]:
            break
    return (*chunk, ny, nx)


def check_chunks(
    chunks: Any, shape: tuple[int, ...], itemsize: int, *, whole_frame: bool
) -> tuple[int, ...]:
    """The given chunks as a tuple; ValueError where HDF5 or the algorithm cannot have them."""
    try:
        chunks = tuple(int(length) for length in chunks)
    except (TypeError, ValueError):
        raise TypeError(f"chunks={chunks!r}: give one length for each axis, or None") from None
    lengths = tuple(max(1, length) for length in shape)
    fits = len(chunks) == len(shape) and all(
        0 < c <= s for c, s in zip(chunks, lengths, strict=False)
    )
    if not fits:
        raise ValueError(f"chunks {chunks} do not fit the shape {shape}: give 1 to that many")
    if whole_frame and chunks[-2:] != shape[-2:]:
        raise ValueError(
            f"chunks {chunks}: this algorithm needs whole frames, "
            f"let them end with {shape[-2]}, {shape[-1]}"
        )
    size = itemsize
    for length in chunks:
        size *= length
    if size > _HDF5_LIMIT:
        raise ValueError(f"chunks {chunks} have {size} bytes, HDF5 allows less than 4 GiB")
    return chunks


def _length(unit: int, count: int, granule: int) -> int:
    """How many units of so many bytes make a chunk, in whole granules where they fit."""
    if count * unit <= TARGET_BYTES:
        return count
    wanted = max(1, TARGET_BYTES // unit)
    if 1 < granule <= count and granule * unit <= MAX_BYTES:
        return max(1, wanted // granule) * granule
    pieces = -(-count // wanted)
    return -(-count // pieces)  # pieces of equal length
