"""All that a view links to, after files have moved: in one file, or in a folder of views."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ..contents.file_names import name_in, real_place
from ..contents.layout import (
    filter_words,
    hard_links,
    home_of,
    opened_for_changes,
    opened_for_reading,
    read_descriptor,
)
from ..errors import MissingObjectError
from .relinking import relink_only
from .sampling import read_a_chunk


@dataclass(frozen=True)
class Moved:
    """A file or folder and where it is now; both absolute."""

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Moved:
        """OLD=NEW; in names with an equals sign, the one after which there is something."""
        pairs = [(text[:i], text[i + 1 :]) for i, letter in enumerate(text) if letter == "="]
        there = [pair for pair in pairs if pair[0] and os.path.exists(pair[1] or "\0")]
        if len(there) != 1:
            raise ValueError(
                f"--moved {text!r} is not possible: write OLD=NEW, where the file or folder NEW is "
                "there"
            )
        return cls(os.path.abspath(there[0][0]), real_place(there[0][1]))

    def apply(self, path: str) -> str | None:
        """Where a file is now; None for one that is not meant."""
        if path == self.old:
            return self.new
        inside = path.startswith(self.old.rstrip(os.sep) + os.sep)
        return os.path.join(self.new, path[len(self.old) :].lstrip(os.sep)) if inside else None


def relink_moved(
    place: str, moved: Sequence[Moved], links: str = "auto", changed: bool = False
) -> dict[str, int]:
    """Follow moved files in a view, or in all views of a folder: how many links, by view.

    Raw data, constants, cell ids, links beside and the sources of virtual datasets. Every view
    has all of it in the end, or is what it was; the first that fails ends it.
    """
    done = {}
    for path in _views(place):
        if count := _count(path, moved):
            _follow(path, moved, links, changed)
            done[path] = count
    if not done:
        raise MissingObjectError(
            f"no link of {place} leads to {', '.join(one.old for one in moved)}: "
            "h5calib info tells where they lead"
        )
    return done


def _views(place: str) -> list[str]:
    if not os.path.isdir(place):
        return [place]
    paths = [os.path.join(at, name) for at, _, names in os.walk(place) for name in sorted(names)]
    return [path for path in paths if h5py.is_hdf5(path)]


def _count(path: str, moved: Sequence[Moved]) -> int:
    with opened_for_reading(path) as file:
        links = sum(_new(file, link.filename, moved) is not None for *_, link in _links(file))
        sources = sum(
            _new(file, source.file_name, moved) is not None
            for name in _virtual(file)
            for source in file[name].virtual_sources()
        )
    return links + sources


def _follow(path: str, moved: Sequence[Moved], links: str, changed: bool) -> None:
    touched: list[str] = []

    def check() -> None:
        with h5py.File(path, "r") as file:
            for name in touched:
                read_a_chunk(file[name])

    with opened_for_changes(path, check) as file:
        for name in _calibrated(file):
            if _follow_one(file, name, moved, links, changed):
                touched.append(name)
        for group, name, link in list(_links(file)):
            if new := _new(file, link.filename, moved):
                _require(new, link.path)
                del group[name]
                group[name] = h5py.ExternalLink(name_in(path, new, links), link.path)
        for name in _virtual(file):
            _renew_virtual(file, name, moved, links)


def _follow_one(
    file: h5py.File, name: str, moved: Sequence[Moved], links: str, changed: bool
) -> bool:
    """Raw data, cell ids and constants of a calibrated dataset."""
    descriptor = read_descriptor(file[name])
    if descriptor is None:
        return False
    home = home_of(file[name], descriptor)
    places = {key: _target(file, home, key, moved) for key in ("raw", "cell_ids")}
    group = home["constants"]
    constants = {key: _target(file, group, key, moved) for key in group}
    places = {key: found for key, found in places.items() if found}
    constants = {key: found for key, found in constants.items() if found}
    if not places and not constants:
        return False
    with ExitStack() as undo:
        relink_only(file[name], places, constants, links=links, changed=changed, undo=undo)
        undo.pop_all()
    return True


def _target(
    file: h5py.File, group: h5py.Group, name: str, moved: Sequence[Moved]
) -> tuple[str, str] | None:
    link = group.get(name, getlink=True)
    new = _new(file, link.filename, moved) if isinstance(link, h5py.ExternalLink) else None
    return (new, link.path) if new else None


def _new(file: h5py.File, name: str, moved: Sequence[Moved]) -> str | None:
    """Where the file of a link is now; None where it has not moved."""
    if name == ".":
        return None
    folder = os.path.dirname(os.path.realpath(file.filename))
    old = os.path.normpath(os.path.join(folder, name))
    return next((new for one in moved if (new := one.apply(old))), None)


def _require(file: str, path: str) -> None:
    if not os.path.exists(file):
        raise FileNotFoundError(f"there is no file {file}: correct NEW of --moved")
    with h5py.File(file, "r") as there:
        if path not in there:
            raise MissingObjectError(f"there is no {path} in {file}: it is another file")


def _calibrated(file: h5py.File) -> list[str]:
    paths = sorted(names[0] for names in hard_links(file).values())
    return [path for path in paths if filter_words(file[path]) is not None]


def _virtual(file: h5py.File) -> list[str]:
    paths = sorted(names[0] for names in hard_links(file).values())
    return [path for path in paths if file[path].is_virtual]


def _links(file: h5py.File) -> Iterator[tuple[h5py.Group, str, h5py.ExternalLink]]:
    """Every external link of a file."""
    groups, seen = [file["/"]], set()
    while groups:
        group = groups.pop()
        for name in list(group):
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield group, name, link
            elif isinstance(link, h5py.HardLink) and isinstance(group[name], h5py.Group):
                address = h5py.h5o.get_info(group[name].id).addr
                if address not in seen:
                    seen.add(address)
                    groups.append(group[name])


def _renew_virtual(file: h5py.File, name: str, moved: Sequence[Moved], links: str) -> None:
    """A virtual dataset with its sources where they are now; HDF5 cannot change one."""
    old = file[name]
    sources = [(s, _new(file, s.file_name, moved)) for s in old.virtual_sources()]
    if not any(new for _, new in sources):
        return
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.VIRTUAL)
    properties.set_fill_value(np.asarray(old.fillvalue, old.dtype))
    for source, new in sources:
        if new:
            _require(new, source.dset_name)
        stored = name_in(file.filename, new, links) if new else source.file_name
        space = source.src_space
        if space.get_select_type() == h5py.h5s.SEL_ALL:  # HDF5 does not keep its shape
            space = h5py.h5s.create_simple(_shape_of(file, source, new))
        properties.set_virtual(source.vspace, os.fsencode(stored), source.dset_name.encode(), space)
    made = h5py.h5d.create(file.id, None, old.id.get_type(), old.id.get_space(), properties)
    dataset = h5py.Dataset(made)
    for key in old.attrs:
        found = old.attrs.get_id(key)
        dataset.attrs.create(key, old.attrs[key], shape=found.shape, dtype=found.dtype)
    address = h5py.h5o.get_info(old.id).addr
    for path in hard_links(file)[address]:
        del file[path]
        file[path] = dataset


def _shape_of(file: h5py.File, source: Any, new: str | None) -> tuple[int, ...]:
    """Of the dataset that a virtual one is made of, all of it."""
    if source.file_name == ".":
        return tuple(file[source.dset_name].shape)
    folder = os.path.dirname(os.path.realpath(file.filename))
    with h5py.File(new or os.path.join(folder, source.file_name), "r") as other:
        return tuple(other[source.dset_name].shape)
