"""Shots into an HDF5 file, each one safe when `write` returns."""

import os
from pathlib import Path
from typing import Any

import h5py

from ..errors import CCDError, WriteError
from . import attributes
from .checksum import checksum
from .hdf5 import ScanFile, chunks, write_plane
from .journal import Journal, Record
from .safety import Guard, describe
from .shot import Camera, Form, Shot, Storage


class Hdf5Writer:
    """Writes the pixels, flushes HDF5, and then tells the journal where they are."""

    def __init__(
        self, path: Path, camera: Camera, storage: Storage, *,
        overwrite: bool = False, fsync: bool = False, lock: str = "file",
    ) -> None:  # fmt: skip
        self.path = path
        self.safe: list[int] = []
        self._fsync = fsync
        self._storage = storage
        self._lock = lock
        self._broken = False
        self._forms: dict[Form, int] = {}
        self._sets: set[int | None] = set()
        root = attributes.root(camera)
        self._journal = Journal(path, fsync, lock)
        try:
            self._journal.start(header(root, storage))
            self._open(root, overwrite)
            self._guard = Guard(path, self.safe)
            if fsync:
                sync_folder(path.parent)
        except BaseException:
            self._abort()
            raise

    def _open(self, root: dict[str, Any], overwrite: bool) -> None:
        self._scan: Any = ScanFile(self.path, root, self._storage, overwrite, self._lock)

    def _abort(self) -> None:
        """Opening failed: leave nothing behind that was not there before."""
        self._journal.remove()

    def write(self, shot: Shot) -> None:
        """Write one shot; when this returns it is safe from a kill of the process."""
        self._guard.check(shot.number, shot.nbytes)
        if self._broken:
            raise WriteError(self._guard.text(shot.number, "an earlier write failed"))
        self._broken = True
        try:
            self._write(shot)
        except CCDError:  # refused before anything was written
            self._broken = False
            raise
        except Exception as error:
            raise self._guard.failure(shot.number, error) from error
        self._broken = False
        self.safe.append(shot.number)

    def _write(self, shot: Shot) -> None:
        form, checksums = shot.form(), shot.checksums()
        template = self._scan.templates.get(form)
        datasets = self._scan.put(
            shot, template, checksums,
            lambda dataset, component: write_plane(dataset, shot.planes[component]),
        )  # fmt: skip
        if self._fsync:
            self._scan.sync()
        else:
            self._scan.flush()
        places = [self._place(d, c) for d, c in zip(datasets, checksums, strict=True)]
        self._record(shot, form, places)

    def _record(self, shot: Shot, form: Form, places: list[Any]) -> None:
        """Tell the journal; from here on the shot is safe."""
        records = []
        key = self._forms.get(form)
        if key is None:
            key = len(self._forms)
            records.append(form_record(key, form))
        record = {"shot": shot.number, "time": shot.time, "as": key, "at": places}
        if shot.calibration is not None:
            record["set"] = self._scan.calibrated.number(shot.calibration)
            if record["set"] not in self._sets:
                records.append(self._scan.calibrated.record(shot.calibration))
        if shot.metadata:
            record["meta"] = shot.metadata
        self._journal.append(*records, record)
        self._forms[form] = key
        self._sets.add(record.get("set"))

    def _place(self, dataset: Any, pixels: str) -> list[Any]:
        """[checksum, address] of a contiguous plane, [checksum, chunk, ...] of a chunked one.

        A chunk is [offset, address, size, filter mask, checksum of what is stored].
        """
        if not self._storage.filters:
            return [pixels, dataset.get_offset()]
        stored = []
        for offset, address, size, mask in chunks(dataset):
            data = dataset.read_direct_chunk(offset)[1]
            stored.append([list(offset), address, size, mask, checksum(data)])
        return [pixels, *stored]

    @property
    def file(self) -> h5py.File:
        """The open h5py.File."""
        return self._scan.file

    def check_new_calibration(self) -> None:
        """New constants can be stored at any time."""

    def flush(self) -> None:
        """Nothing to do: `write` has flushed already."""

    def close(self) -> None:
        """Close the file and remove the journal."""
        error = None
        try:
            if not self._broken:
                self._scan.finish(len(self.safe))
                if self._fsync:
                    self._scan.sync()
            self._scan.close()
        except Exception as caught:
            error = caught
        if self._broken or error:
            self._journal.close()
            failure = WriteError(
                f"{self.path} is not complete{f' ({error})' if error else ''}; "
                f"{describe(self.safe)}; run 'openpmd-ccd recover {self.path}'"
            )
            if error:
                raise failure from error
            raise failure  # shown below the error of `add`, if that ended a `with`
        self._journal.remove()


def header(root: dict[str, Any], storage: Storage) -> Record:
    """First record of the journal: what a rebuilt file needs besides the shots."""
    texts = {k: v.decode() for k, v in root.items() if isinstance(v, bytes)}
    return {"root": texts, "filters": storage.filters, "layout": "hdf5"}


def form_record(key: int, form: Form) -> Record:
    """Record that describes all shots of one form."""
    return {
        "form": key,
        "components": form.components,
        "axes": form.axes,
        "shape": form.shape,
        "dtype": form.dtype,
        "settings": vars(form.settings),
    }


def sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk, where the system can."""
    if os.name == "nt":  # pragma: no cover
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
