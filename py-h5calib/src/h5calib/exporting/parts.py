"""The blocks of an export, each a file of its own that is whole or not there.

A run that is interrupted leaves the folder ``OUT.parts``. The same command goes on from there.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NAME = "values"


class Parts:
    """The folder of parts of one job. `job` says all that the values depend on."""

    def __init__(self, out: Path, job: dict[str, Any]) -> None:
        self.folder = out.with_name(out.name + ".parts")
        self._job = self.folder / "job.json"
        if self.folder.exists():
            self._check(job)
            return
        self.folder.mkdir()
        _write_whole(self._job, json.dumps(job, indent=1).encode())

    def path(self, first: int) -> Path:
        return self.folder / f"{first:012d}.h5"

    def done(self, first: int) -> bool:
        return self.path(first).exists()

    def write(self, first: int, values: np.ndarray, properties: h5py.h5p.PropDCID) -> None:
        """A block of frames; it appears when it is on the disk."""
        path = self.path(first)
        unfinished = path.with_suffix(".unfinished")
        with h5py.File(unfinished, "w", libver=("v110", "v110")) as file:
            file_type = h5py.h5t.py_create(values.dtype, logical=True)
            space = h5py.h5s.create_simple(values.shape)
            dataset = h5py.Dataset(
                h5py.h5d.create(file.id, NAME.encode(), file_type, space, properties)
            )
            dataset[...] = values
            dataset.attrs["crc32"] = np.uint32(zlib.crc32(np.ascontiguousarray(values)))
        with open(unfinished, "rb") as written:
            os.fsync(written.fileno())
        os.replace(unfinished, path)

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _check(self, job: dict[str, Any]) -> None:
        try:
            before = json.loads(self._job.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != json.loads(json.dumps(job)):
            raise ValueError(
                f"{self.folder} is of another export, or of a view that was changed since: remove "
                "it, or name another output"
            )


def _write_whole(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
