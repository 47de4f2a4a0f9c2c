"""Which dataset of a view is meant where none is named."""

from __future__ import annotations

import h5py

from ..contents.layout import filter_words, hard_links
from ..errors import MissingObjectError


def choose(file: h5py.File) -> str:
    """The only virtual dataset over modules, or else the only calibrated dataset."""
    wholes, single = [], []
    for paths in hard_links(file).values():
        found = file[paths[0]]
        if found.is_virtual and found.ndim > 2 and found.dtype.kind == "f":
            wholes.append(paths[0].lstrip("/"))
        elif found.ndim > 1 and filter_words(found) is not None:
            single.append(paths[0].lstrip("/"))
    several = wholes or single
    if len(several) == 1:
        return several[0]
    if not several:
        raise MissingObjectError(f"{file.filename} has no calibrated dataset")
    raise ValueError(
        f"{file.filename} has several calibrated datasets: give name=, one of "
        f"{', '.join(sorted(several))}"
    )
