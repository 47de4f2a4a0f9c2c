"""Opening the view that a command writes: a new file disappears when the command fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from ..contents.layout import LIBVER, open_for_changes


@contextmanager
def opened_view(path: str) -> Iterator[h5py.File]:
    """The file for changes; made if it is not there, and removed again after an error."""
    existed = os.path.exists(path)
    try:
        with open_for_changes(path) if existed else h5py.File(path, "x", libver=LIBVER) as file:
            yield file
    except BaseException:
        if not existed and os.path.exists(path):
            os.unlink(path)
        raise
