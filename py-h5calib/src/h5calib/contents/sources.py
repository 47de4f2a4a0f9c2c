"""Where raw data, constants and cell ids come from: arrays, datasets, paths, other files."""

from __future__ import annotations

import os
import posixpath
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ..errors import MissingObjectError
from .file_names import name_in, real_place
from .filters import find_filters
from .place import Place, place_of, split_reference

__all__ = [
    "Source",
    "open_file_dataset",
    "open_source",
    "read_values",
    "same_file",
    "split_reference",
]


@dataclass(frozen=True, eq=False)
class Source:
    """Data that a calibrated dataset is made of.

    ``link`` is what the file will hold; None: the data itself is stored in it. ``text`` is what
    the caller gave, for people.
    """

    data: np.ndarray | h5py.Dataset
    link: h5py.SoftLink | h5py.ExternalLink | None
    text: str

    def read(self) -> np.ndarray:
        return self.data[()] if isinstance(self.data, h5py.Dataset) else self.data


def open_source(
    group: h5py.Group, given: Any, what: str, files: ExitStack, links: str = "auto"
) -> Source:
    """Find a source seen from `group`; files opened for it are closed with `files`.

    `given` is an array, a dataset of any file, or a place (see `place_of`); `links` as for
    `create_calibrated_dataset`.
    """
    if isinstance(given, h5py.Dataset):
        _require_numbers(given, what)
        return Source(given, _link(group, given, links), _text(group, given))
    place = place_of(given, what)
    if place is None:
        return Source(np.asarray(given), None, "array")
    outside = place if place.file is not None else _external_target(group, place.path)
    if outside is not None and _is_file_of(group, outside):
        outside, place = None, Place(None, outside.path)
    if outside is None:
        dataset = _dataset(group, place.path, what, group.file.filename)
        if same_file(group, dataset):
            path = posixpath.normpath(posixpath.join(group.name, place.path))
            return Source(dataset, h5py.SoftLink(path), path)
        return Source(dataset, _link(group, dataset, links), str(place))
    file = files.enter_context(_open(str(outside.file), what))
    dataset = _dataset(file, outside.path, what, file.filename)
    return Source(dataset, _link(group, dataset, links), str(place))


def read_values(given: Any, what: str) -> np.ndarray:
    """The values of a source in memory: of an array, a dataset, or a place.

    Parameters
    ----------
    given : array, h5py.Dataset, str, (file, path) or pathlib.Path
        A place needs its file: ``"file:/path"`` or the pair.
    what : str
        What it is, for messages.

    Raises
    ------
    FileNotFoundError, KeyError, OSError
        There is no such file or dataset, or it cannot be read.
    TypeError, ValueError
        It is not numbers, or names no file.
    """
    if isinstance(given, h5py.Dataset):
        _require_numbers(given, what)
        return given[()]
    if place_of(given, what) is None:
        return np.asarray(given)
    with ExitStack() as files:
        return open_file_dataset(given, what, files)[()]


def open_file_dataset(given: Any, what: str, files: ExitStack) -> h5py.Dataset:
    """The dataset of a place with its file, open for reading until `files` is closed."""
    place = place_of(given, what)
    if place is None or place.file is None:
        raise ValueError(f"{what}: the path {given!r} names no file: write 'file:/path'")
    file = files.enter_context(_open(place.file, what))
    return _dataset(file, place.path, what, file.filename)


def same_file(one: h5py.Group | h5py.Dataset, other: h5py.Group | h5py.Dataset) -> bool:
    """Whether two objects lie in the same open HDF5 file."""
    return h5py.h5o.get_info(one.id).fileno == h5py.h5o.get_info(other.id).fileno


def _link(
    group: h5py.Group, dataset: h5py.Dataset, links: str
) -> h5py.SoftLink | h5py.ExternalLink:
    name = _own_name(dataset)
    if same_file(group, dataset):
        return h5py.SoftLink(name)
    return h5py.ExternalLink(_link_file(group.file, dataset.file, links), name)


def _own_name(dataset: h5py.Dataset) -> str:
    """Its path in its own file. Reached through links to links it has one of another file."""
    name = dataset.name
    if name is not None and _leads_to(dataset.file, name, dataset):
        return str(name)
    reference = h5py.h5r.create(dataset.id, b".", h5py.h5r.OBJECT)
    found = h5py.h5r.get_name(reference, dataset.id)
    if found is None:
        raise ValueError("a dataset without a name cannot be linked to: give it one first")
    return str(found.decode())


def _leads_to(file: h5py.File, name: str, dataset: h5py.Dataset) -> bool:
    try:
        return bool(file[name] == dataset)
    except (KeyError, OSError):
        return False


def _link_file(view: h5py.File, raw: h5py.File, links: str) -> str:
    """The file name to store."""
    if raw.driver == "fileobj":
        raise ValueError("data in a file object cannot be linked to: use a file with a name")
    if view.driver == "fileobj" and not os.path.isabs(view.filename):
        return real_place(raw.filename)
    return name_in(view.filename, raw.filename, links)


def _is_file_of(group: h5py.Group, place: Place) -> bool:
    """Whether a place is in the very file that is being written, under the name it has."""
    name, file = group.file.filename, place.file
    if group.file.driver == "core" or file is None or not os.path.exists(name):
        return False
    return os.path.exists(file) and os.path.samefile(file, name)


def _external_target(group: h5py.Group, path: str) -> Place | None:
    """Where an external link leads, as the plugin follows it.

    h5py would open that file for writing if this one is.
    """
    link = group.get(path, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return None
    folder = os.path.dirname(os.path.realpath(group.file.filename))
    return Place(os.path.join(folder, link.filename), link.path)


def _text(group: h5py.Group, dataset: h5py.Dataset) -> str:
    if same_file(group, dataset):
        return str(dataset.name)
    return f"{dataset.file.filename}:{dataset.name}"


def _open(name: str, what: str) -> h5py.File:
    path = real_place(name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{what}: there is no file {path}: correct its name, or move it")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise OSError(f"{what}: cannot open {path} as HDF5: {error}") from error


def _dataset(group: h5py.Group, path: str, what: str, file: str) -> h5py.Dataset:
    try:
        found = group[path]
    except KeyError:
        raise MissingObjectError(
            f"{what}: no dataset {path!r} in {file}: give its path, or 'file:/path' of another"
        ) from None
    if not isinstance(found, h5py.Dataset):
        raise TypeError(f"{what}: {path!r} in {file} is a group, give the path of a dataset")
    _require_numbers(found, what)
    find_filters(found, what)
    return found


def _require_numbers(dataset: h5py.Dataset, what: str) -> None:
    dtype = dataset.dtype
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or h5py.check_enum_dtype(dtype):
        raise TypeError(
            f"{what}: {dataset.name} has dtype {dtype}: use integers or floats of up to 8 bytes"
        )
