"""Virtual raw data in a view: JUNGFRAU's pixels and gains together, chosen trains of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import h5py
import numpy as np

from ...contents.file_names import name_in
from ..view import make_room
from .run import Part

Maker = Callable[[h5py.File, bool, str], None]


def virtual_raw(part: Part, name: str, keys: Sequence[str], entries: np.ndarray | None) -> Maker:
    """A function that makes the virtual dataset `name` in a view.

    With one key of the part's group it is that dataset, with several they are interleaved:
    (entries, ..., key, y, x), float32. `entries` of it, or all.
    """

    def make(view: h5py.File, overwrite: bool, links: str) -> None:
        make_room(view, name, overwrite)
        with h5py.File(part.file, "r") as raw:
            data = [raw[f"{part.group}/{key}"] for key in keys]
            shape, dtypes = data[0].shape, [d.dtype for d in data]
        runs = _runs(np.arange(shape[0]) if entries is None else entries)
        count = sum(length for _, _, length in runs)
        pair = (len(keys),) if len(keys) > 1 else ()
        whole = (count, *shape[1:-2], *pair, *shape[-2:])
        layout = h5py.VirtualLayout(whole, "f4" if pair else dtypes[0])
        file = name_in(view.filename, part.file, links)
        for i, (key, dtype) in enumerate(zip(keys, dtypes, strict=True)):
            source = h5py.VirtualSource(file, f"{part.group}/{key}", shape, dtype)
            for place, entry, length in runs:
                inner = (Ellipsis, i, slice(None), slice(None)) if pair else (Ellipsis,)
                layout[(slice(place, place + length), *inner)] = source[entry : entry + length]
        view.create_virtual_dataset(name, layout, fillvalue=np.nan if pair else 0)

    return make


def _runs(entries: np.ndarray) -> list[tuple[int, int, int]]:
    """(place, entry, how many) of entries one after the other.

    >>> _runs(np.array([2, 3, 7]))
    [(0, 2, 2), (2, 7, 1)]
    """
    if not len(entries):
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(entries) != 1) + 1])
    ends = np.append(starts[1:], len(entries))
    return [(int(a), int(entries[a]), int(b - a)) for a, b in zip(starts, ends, strict=True)]
