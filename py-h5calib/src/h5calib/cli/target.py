"""Opening the view that a command writes: it gets all that is written, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from ..contents.layout import LIBVER, data_inside, opened_for_changes
from ..contents.whole import new_file


@contextmanager
def opened_view(path: str, into_data: bool = False) -> Iterator[h5py.File]:
    """The file for changes; made if it is not there.

    Unless `into_data`, a file that has raw data or constants of its own stays as it is.
    """
    if not os.path.exists(path):
        with new_file(path, LIBVER) as file:
            yield file
        return
    with opened_for_changes(path) as file:
        before = data_inside(file)
        yield file
        inside = before or data_inside(file)  # what the new datasets are made of
        if inside is not None and not into_data:
            raise ValueError(
                f"{path} holds data that others may need, {inside}, and stays as it is: name "
                "another view, or give --into-data"
            )
