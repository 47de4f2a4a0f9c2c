"""Where the sources of a virtual dataset lie in it."""

from __future__ import annotations

import os
from typing import Any

import h5py
import numpy as np

from ..reading.selection import Box


class source_of:  # noqa: N801 (used like a function)
    """A source dataset of a virtual one, its file opened for as long as it is needed."""

    def __init__(self, dataset: h5py.Dataset, file_name: str, name: str) -> None:
        self._file = None
        if file_name == ".":
            self._dataset = dataset.file[name]
            return
        folder = os.path.dirname(os.path.join(os.getcwd(), dataset.file.filename))
        self._file = h5py.File(os.path.join(folder, file_name), "r")
        self._dataset = self._file[name]

    def __enter__(self) -> h5py.Dataset:
        return self._dataset

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()


def places_of_sources(dataset: h5py.Dataset) -> list | None:
    """(file, dataset, box in the source, box in the virtual dataset), or None if not so simple."""
    places = []
    for source in dataset.virtual_sources():
        target = _box_of(source.vspace)
        if target is None or not _source_is_all(source):
            return None
        with source_of(dataset, source.file_name, source.dset_name) as inner:
            shape = inner.shape
        lengths = [b - a for a, b in target]
        keep = [True] * len(lengths)
        if len(shape) < len(lengths):  # stacked along an axis the sources do not have
            for k in range(len(lengths) - 2):
                if sum(keep) > len(shape) and lengths[k] == 1:
                    keep[k] = False
        if tuple(n for n, k in zip(lengths, keep, strict=True) if k) != shape:
            return None
        box = {"all": [(0, n) for n in lengths], "keep": keep}
        places.append((source.file_name, source.dset_name, box, target))
    return places


def _box_of(space: h5py.h5s.SpaceID) -> Box | None:
    """The selection of a dataspace as a box, if it is one without gaps."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return [(0, n) for n in space.shape]
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
        return None
    low, high = space.get_select_bounds()
    box = [(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)]
    return box if space.get_select_npoints() == np.prod([b - a for a, b in box]) else None


def _source_is_all(source: Any) -> bool:
    box = _box_of(source.src_space)
    return box is not None and all(a == 0 for a, _ in box)
