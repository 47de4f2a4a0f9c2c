"""Which frames of a raw dataset were never written: HDF5 gives its fill value for them."""

from __future__ import annotations

from contextlib import ExitStack

import h5py
import numpy as np

from ..reading.virtual import Sources


def unwritten_frames(data: h5py.Dataset) -> np.ndarray:
    """For each entry of the first axis, whether storage of it was never allocated.

    A frame that was written in part counts as never written. Of virtual data those are that not
    all sources cover.

    Parameters
    ----------
    data : h5py.Dataset
        Of (frame, ..., y, x), or (y, x): then it is one entry.

    Raises
    ------
    MissingObjectError
        The file of a virtual dataset's source is not there.
    """
    entries = data.shape[0] if data.ndim > 2 else 1
    if data.size == 0:
        return np.zeros(entries, bool)
    if data.is_virtual:
        return _uncovered(data, entries)
    if data.chunks is None:
        nothing = data.id.get_storage_size() == 0 and data.external is None
        return np.full(entries, nothing)
    grid = [-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True)]
    if data.id.get_num_chunks() == int(np.prod(grid)):
        return np.zeros(entries, bool)
    there = np.zeros(grid[0] if data.ndim > 2 else 1, "i8")
    for i in range(data.id.get_num_chunks()):
        first = data.id.get_chunk_info(i).chunk_offset[0]
        there[first // data.chunks[0] if data.ndim > 2 else 0] += 1
    missing = there < (np.prod(grid[1:]) if data.ndim > 2 else np.prod(grid))
    return np.repeat(missing, data.chunks[0] if data.ndim > 2 else 1)[:entries]


def _uncovered(data: h5py.Dataset, entries: int) -> np.ndarray:
    """Entries of which some element has no source. A source covers no element twice."""
    covered = np.zeros(entries, "i8")
    with ExitStack() as files:
        Sources(data, files).check()
    for source in data.virtual_sources():
        low, high = source.vspace.get_select_bounds()
        first, stop = (int(low[0]), int(high[0]) + 1) if data.ndim > 2 else (0, 1)
        count = source.vspace.get_select_npoints()
        if count % (stop - first):  # of no simple form: who knows
            continue
        covered[first:stop] += count // (stop - first)
    uncovered: np.ndarray = covered < data.size // entries
    return uncovered
