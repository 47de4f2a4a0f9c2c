"""Pixels of a scan read at the addresses in its journal, without opening the file with HDF5."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import IO, Any

import h5py
import numpy as np

from ..writing.checksum import identity, matches
from ..writing.compression import apply, make_readable
from ..writing.journal import Record
from ..writing.shot import Plane, Storage
from ..writing.template import chunk_shape

_names = itertools.count()


class PixelSource:
    """The bytes of a scan's file; a missing file has none."""

    def __init__(self, path: str | os.PathLike[str], filters: tuple[Any, ...] = ()) -> None:
        """`filters`: HDF5 filters of the chunked planes, as in `Storage`."""
        self._storage = Storage(filters)
        self._file: IO[bytes] | None = None
        with contextlib.suppress(FileNotFoundError):
            self._file = open(path, "rb")  # noqa: SIM115 - closed by close()

    def __enter__(self) -> "PixelSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def read(self, address: int | None, size: int) -> bytes:
        """`size` bytes at `address`, fewer at the end of the file."""
        if self._file is None or address is None:
            return b""
        self._file.seek(address)
        return self._file.read(size)

    def plane(self, place: list[Any], form: Mapping[str, Any]) -> Plane | None:
        """Array of a plane, or None if bytes are missing."""
        dtype = np.dtype(form["dtype"])
        if is_chunked(place):
            return self._decoded(place, tuple(form["shape"]), dtype)
        size = int(np.prod(form["shape"])) * dtype.itemsize
        data = self.read(place[1], size)
        if len(data) != size:
            return None
        return np.frombuffer(data, dtype).reshape(form["shape"])

    def _decoded(self, place: list[Any], shape: tuple[int, ...], dtype: Any) -> Plane | None:
        """Array of a chunked plane: its chunks as a dataset in memory, read by HDF5."""
        dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        dcpl.set_chunk(chunk_shape(shape, dtype.itemsize))
        apply(self._storage, dcpl)
        name = f"openpmd-ccd-pixels-{next(_names)}"
        with h5py.File(name, "w", driver="core", backing_store=False) as file:
            kind, space = h5py.h5t.py_create(dtype, logical=True), h5py.h5s.create_simple(shape)
            dataset = h5py.Dataset(h5py.h5d.create(file.id, b"plane", kind, space, dcpl))
            for (_, _, size, *_), (offset, mask, data, _) in zip(
                place[1:], self.chunks(place), strict=True
            ):
                if len(data) != size:
                    return None
                dataset.id.write_direct_chunk(offset, data, mask)
            make_readable(dataset)
            return np.asarray(dataset[()])

    def chunks(self, place: list[Any]) -> Iterator[tuple[tuple[int, ...], int, bytes, str]]:
        """(offset, filter mask, bytes, checksum) of each chunk of a plane."""
        for offset, address, size, mask, expected in place[1:]:
            yield tuple(offset), mask, self.read(address, size), expected

    def intact(self, record: Record, form: Record) -> bool:
        """Whether all pixels of a shot are there and have their checksums."""
        return all(
            self.plane_intact(place, form, belongs)
            for place, belongs in zip(record["at"], identities(record, form), strict=True)
        )

    def plane_intact(
        self, place: list[Any], form: Mapping[str, Any], belongs_to: bytes = b""
    ) -> bool:
        """Whether the bytes of a plane are there and have their checksums."""
        if is_chunked(place):
            return len(place) > 1 and all(
                len(data) == chunk[2] and matches(data, expected)
                for chunk, (_, _, data, expected) in zip(place[1:], self.chunks(place), strict=True)
            )
        plane = self.plane(place, form)
        return plane is not None and matches(plane, place[0], belongs_to)


def identities(record: Record, form: Record) -> list[bytes]:
    """What the checksums of a shot's planes belong to, in order."""
    return [
        identity(
            number=record["shot"], time=record["time"], component=component,
            shape=form["shape"], dtype=form["dtype"],
        )
        for component in form["components"]
    ]  # fmt: skip


def is_chunked(place: list[Any]) -> bool:
    """Whether a plane is stored in chunks."""
    return len(place) < 2 or isinstance(place[1], list)
