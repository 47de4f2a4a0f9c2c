"""Where things are in a file: names, and finding the configuration of a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h5py

from ..binding import hdf5 as _hdf5
from ..errors import MissingObjectError, NotCalibratedError
from .descriptor import FILTER_ID, Descriptor
from .whole import changed_file, recover

# Compact stubs that every HDF5 since 1.10 reads; "latest" of HDF5 2 is for itself only.
LIBVER = ("v110", "v110")
HOME = "/h5calib"
PREFIX = "h5calib_"  # of attributes for people
FILE_UUID = "h5calib_file_uuid"


def filter_words(dataset: h5py.Dataset) -> tuple[int, ...] | None:
    """The parameters of our filter, None for an ordinary dataset."""
    return _hdf5.filter_words(dataset.id.get_create_plist(), FILTER_ID)


def read_descriptor(dataset: h5py.Dataset) -> Descriptor | None:
    """The decoded filter parameters; None for a dataset of the first h5calib.

    Raises NotCalibratedError for an ordinary dataset.
    """
    words = filter_words(dataset)
    if words is None:
        raise NotCalibratedError(f"{dataset.name} is not a calibrated dataset, but an ordinary one")
    return Descriptor.decode(words) if words else None


def home_of(dataset: h5py.Dataset, descriptor: Descriptor) -> h5py.Group:
    """The group /h5calib/<uuid> of a dataset."""
    path = f"{HOME}/{descriptor.dataset_uuid.hex()}"
    home = dataset.file.get(path)
    if home is None or home.get("dataset") != dataset:
        raise MissingObjectError(
            f"{dataset.name} is a copy without its configuration {path}: "
            "create it again in this file with h5calib.create_calibrated_dataset"
        )
    return home


def text_of(dataset: h5py.Dataset, name: str) -> str | None:
    """An attribute for people; of datasets that share their constants, on the group of these."""
    value = dataset.attrs.get(PREFIX + name)
    if value is None:
        home = home_of(dataset, read_descriptor(dataset))
        value = home["constants"].attrs.get(PREFIX + name)
    return value.decode() if isinstance(value, bytes) else value


def homes(file: h5py.File) -> Iterator[h5py.Group]:
    """The groups of all calibrations of a file."""
    for home in file.get(HOME, {}).values():
        if isinstance(home, h5py.Group):
            yield home


@contextmanager
def opened_for_changes(
    path: str | os.PathLike[str], check: Callable[[], object] | None = None
) -> Iterator[h5py.File]:
    """A file for changes that it has as a whole or not at all (see `whole`).

    New stubs are as compact as its superblock allows.
    """
    recover(path)
    with h5py.File(path, "r") as file:
        superblock = file.id.get_create_plist().get_version()[0]
    with changed_file(path, LIBVER if superblock >= 3 else None, check) as file:
        yield file


def opened_for_reading(path: str | os.PathLike[str]) -> h5py.File:
    """A file for reading; first, a change of it that was interrupted is undone."""
    recover(path)
    return h5py.File(path, "r")


def hard_links(file: h5py.File) -> dict[int, list[str]]:
    """Paths of every dataset by its address in the file, those in /h5calib left out."""
    found: dict[int, list[str]] = {}
    groups, seen = [file["/"]], set()
    while groups:
        group = groups.pop()
        for name in group:
            path = f"{group.name.rstrip('/')}/{name}"
            if path == HOME or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            info = h5py.h5o.get_info(group.id, name.encode())
            if info.type == h5py.h5o.TYPE_DATASET:
                found.setdefault(info.addr, []).append(path)
            elif info.type == h5py.h5o.TYPE_GROUP and info.addr not in seen:
                seen.add(info.addr)
                groups.append(group[name])
    return found


def data_inside(file: h5py.File) -> str | None:
    """The path of a dataset of this file that is not a view's own, where there is one.

    In a view these are those that are linked as raw data, constants or cell ids; in another file
    all whose values are stored.
    """
    if FILE_UUID not in file.attrs:
        paths = [names[0] for names in hard_links(file).values()]
    else:
        groups = [group for home in homes(file) for group in (home, home.get("constants"))]
        links = [g.get(name, getlink=True) for g in groups if g is not None for name in g]
        paths = [link.path for link in links if isinstance(link, h5py.SoftLink)]
    return next((path for path in paths if _is_stored(file, path)), None)


def _is_stored(file: h5py.File, path: str) -> bool:
    found = None if path.startswith(f"{HOME}/") else file.get(path)
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external is not None:
        return False
    return filter_words(found) is None
