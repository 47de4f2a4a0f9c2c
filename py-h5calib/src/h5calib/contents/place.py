"""Where a dataset is: a file, and the path in it."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

_DRIVE = re.compile(r"(?:[\\/]{2}[?.][\\/])?[A-Za-z]:(?=[\\/])")


class Place(NamedTuple):
    """A dataset, or group, of an HDF5 file. `file` is None for the file at hand."""

    file: str | None
    path: str

    def __str__(self) -> str:
        return self.path if self.file is None else f"{self.file}:{self.path}"


def place_of(given: Any, what: str = "source") -> Place | None:
    """The place that is meant; None for what is no place, as an array.

    Parameters
    ----------
    given : str, (file, path) or pathlib.Path
        ``"file:/path"``, or a path in the file at hand. In a pair anything can be in a name.
    what : what it is, for messages

    >>> place_of("run1/raw.h5:/data/raw")
    Place(file='run1/raw.h5', path='/data/raw')
    >>> place_of("/data/raw")
    Place(file=None, path='/data/raw')
    >>> place_of(("a:/b@home.h5", "data"))
    Place(file='a:/b@home.h5', path='/data')
    """
    if isinstance(given, Place):
        return given
    if isinstance(given, str):
        return split_reference(given) or Place(None, given)
    if isinstance(given, os.PathLike):
        text = os.fspath(given)
        found = split_reference(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"{what}: {text!r} is a file: give (file, path), the dataset in it")
        return found
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str):
        file, path = given
        if isinstance(file, (str, os.PathLike)) and isinstance(name := os.fspath(file), str):
            return Place(name, "/" + path.lstrip("/"))
    return None


def split_reference(text: str) -> Place | None:
    """File and path of ``"file:/path"``; None where there is no file in it.

    The last ``:/`` separates them, or, where both can have some, the one before which there is
    a file. The letter of a drive is part of the file.

    >>> split_reference("run1/raw.h5:/data/raw")
    Place(file='run1/raw.h5', path='/data/raw')
    >>> split_reference("C:/run1/raw.h5") is None
    True
    """
    drive = _DRIVE.match(text)
    start = drive.end() if drive else 0
    splits = [
        Place(text[: match.start()], text[match.start() + 1 :])
        for match in re.finditer(":(?=/)", text)
        if match.start() > start or (not drive and match.start() > 0)
    ]
    if len(splits) > 1:
        there = [place for place in splits if os.path.isfile(place.file or "")]
        return there[0] if len(there) == 1 else splits[-1]
    return splits[0] if splits else None
