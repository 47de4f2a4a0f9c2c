"""What a virtual dataset is made of: boxes of source datasets, and their places in it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ..errors import MissingObjectError
from .selection import Box


@dataclass(frozen=True)
class Mapping:
    """A box of a source and the box of the virtual dataset that shows it.

    `axes` has for each axis of the source the one of the virtual dataset, None where it has
    length 1.
    """

    file: str
    path: str
    source: Box
    target: Box
    axes: tuple[int | None, ...]

    def common(self, box: Box) -> Box | None:
        """The part of a box of the virtual dataset that comes from here."""
        part = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, self.target, strict=True)]
        return part if all(a < b for a, b in part) else None

    def source_of(self, part: Box) -> Box:
        """Where a part of the target is in the source."""
        return [
            (a, b)
            if k is None
            else (part[k][0] - self.target[k][0] + a, part[k][1] - self.target[k][0] + a)
            for (a, b), k in zip(self.source, self.axes, strict=True)
        ]


class Sources:
    """The source datasets of a virtual dataset; each file is opened once, until `close`."""

    def __init__(self, dataset: h5py.Dataset, files: ExitStack) -> None:
        self._dataset = dataset
        self._files = files
        self._opened: dict[str, h5py.File] = {}

    def open(self, file_name: str, path: str) -> h5py.Dataset:
        """A source dataset. MissingObjectError where HDF5 would show fill values without a word."""
        home = self._dataset.file
        if file_name not in self._opened:
            self._opened[file_name] = home if file_name == "." else self._open_file(file_name)
        try:
            return self._opened[file_name][path]
        except KeyError:
            raise MissingObjectError(
                f"{self._dataset.name} in {home.filename} shows {path} of {file_name}, which is "
                "not there: make it there again, or create the view anew"
            ) from None

    def check(self) -> None:
        """MissingObjectError where a source is not there, of those that have a plain name."""
        if _names_lead_elsewhere():
            return
        for one in self._dataset.virtual_sources():
            if "%" not in one.file_name + one.dset_name:
                self.open(one.file_name, one.dset_name)

    def _open_file(self, file_name: str) -> h5py.File:
        home = self._dataset.file.filename
        place = os.path.join(os.path.dirname(os.path.abspath(home)), file_name)
        if not os.path.exists(place):
            raise MissingObjectError(
                f"{self._dataset.name} in {home} shows data of {file_name}, and there is no file "
                f"{place}: move it back, or create the view anew"
            )
        return self._files.enter_context(h5py.File(place, "r"))


def mappings_of(dataset: h5py.Dataset) -> list[Mapping] | None:
    """All mappings, if each is a box of whole frames; None where only HDF5 can follow them."""
    if _names_lead_elsewhere():
        return None
    found = []
    for one in dataset.virtual_sources():
        source, target = _box_of(one.src_space), _box_of(one.vspace)
        if source is None or target is None or "%" in one.file_name + one.dset_name:
            return None
        axes = _paired(source, target)
        if axes is None or target[-2:] != [(0, n) for n in dataset.shape[-2:]]:
            return None
        found.append(Mapping(one.file_name, one.dset_name, source, target, axes))
    return found


def _names_lead_elsewhere() -> bool:
    return bool(os.environ.get("HDF5_VDS_PREFIX"))


def _paired(source: Box, target: Box) -> tuple[int | None, ...] | None:
    """Which axis of the target each axis of the source is."""
    lengths = [[b - a for a, b in box] for box in (source, target)]
    if lengths[0] == lengths[1]:
        return tuple(range(len(source)))
    kept = [[k for k, n in enumerate(several) if n != 1] for several in lengths]
    if [lengths[0][k] for k in kept[0]] != [lengths[1][k] for k in kept[1]]:
        return None
    of = dict(zip(*kept, strict=True))
    return tuple(of.get(k) for k in range(len(source)))


def _box_of(space: h5py.h5s.SpaceID) -> Box | None:
    """The selection of a dataspace as a box, if it is one without gaps."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return [(0, n) for n in space.shape]
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
        return None
    count = space.get_select_npoints()
    if count >= 2**63:  # without an end
        return None
    low, high = space.get_select_bounds()
    box = [(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)]
    return box if count == np.prod([b - a for a, b in box]) else None
