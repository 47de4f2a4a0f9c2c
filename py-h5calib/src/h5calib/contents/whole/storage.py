"""The bytes of a file for HDF5, and where it ends for HDF5."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import h5py

from .undo import Block, read_at, write_all

_PAGE = 4096
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BOUNDS = {"earliest": "EARLIEST", "v108": "V18", "v110": "V110", "v112": "V112"}


class Storage:
    """A file as h5py's driver for Python's file objects wants it.

    Of the first `kept` bytes, changes stay in memory; what lies behind goes into the file. After
    the first error nothing more is written, and HDF5 hears of no other one: it could not close the
    file. `sync` raises the first.
    """

    def __init__(self, file: BinaryIO, kept: int) -> None:
        self._file, self._kept = file, kept
        self._failed: OSError | None = None
        self._pages: dict[int, bytearray] = {}
        self._at = 0
        self._end = kept or os.fstat(file.fileno()).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset if whence == os.SEEK_SET else self._end + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        into = memoryview(buffer).cast("B")
        start, end = self._at, self._at + len(into)
        found = read_at(self._file, start, len(into))
        into[: len(found)] = found
        into[len(found) :] = bytes(len(into) - len(found))  # behind the end of the file
        for number in range(start // _PAGE, -(-end // _PAGE)) if self._pages else ():
            if page := self._pages.get(number):
                first, last = number * _PAGE, number * _PAGE + len(page)
                a, b = max(start, first), min(end, last)
                into[a - start : b - start] = page[a - first : b - first]
        return len(into)

    def write(self, buffer: memoryview) -> int:
        data = memoryview(buffer).cast("B")
        before = max(0, min(len(data), self._kept - self._at))
        if self._failed is None:
            self._keep(self._at, data[:before])
            if before < len(data):
                self._try(write_all, self._file, [(self._at + before, data[before:])])
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def truncate(self, size: int) -> int:
        self._end = size
        if self._failed is None:
            self._try(self._file.truncate, max(size, self._kept))
        return size

    def flush(self) -> None:
        """All is made sure of at the end."""

    def sync(self) -> None:
        """Raise what went wrong; else what was written into the file is on the disk."""
        if self._failed is not None:
            raise self._failed
        os.fsync(self._file.fileno())

    def changes(self) -> list[Block]:
        """What is to change of the bytes that were kept."""
        found = []
        for number, page in sorted(self._pages.items()):
            before = read_at(self._file, number * _PAGE, len(page))
            if before != page:
                found.append(Block(number * _PAGE, before, bytes(page)))
        return found

    def _keep(self, offset: int, data: memoryview) -> None:
        while len(data):
            number, inside = divmod(offset, _PAGE)
            if number not in self._pages:
                length = min(_PAGE, self._kept - number * _PAGE)
                self._pages[number] = bytearray(read_at(self._file, number * _PAGE, length))
            part = data[: _PAGE - inside]
            self._pages[number][inside : inside + len(part)] = part
            offset, data = offset + len(part), data[len(part) :]

    def _try(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            function(*arguments)
        except OSError as error:
            self._failed = error
            raise


@contextmanager
def opened(
    storage: Storage, path: str, libver: tuple[str, str] | None, create: bool = False
) -> Iterator[h5py.File]:
    """The file as h5py has it, under the name it will have."""
    file = h5py.File(_open(storage, path, libver, create))
    try:
        yield file
    finally:
        file.close()


def _open(storage: Storage, path: str, libver: tuple[str, str] | None, create: bool) -> Any:
    """An identifier. `h5py.File` would name the file by the storage's `repr`.

    The list of properties does not outlive this: HDF5 would free it when Python is gone.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, storage)
    if libver is not None:
        low, high = (getattr(h5py.h5f, f"LIBVER_{_BOUNDS[name]}") for name in libver)
        access.set_libver_bounds(low, high)
    if create:
        return h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_EXCL, fapl=access)
    return h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDWR, fapl=access)


def end_of_file(file: BinaryIO) -> int:
    """Where HDF5 takes a file to end: at most its size. Behind it is nothing that counts."""
    size, at = os.fstat(file.fileno()).st_size, 0
    while (head := read_at(file, at, 64))[:8] != _SIGNATURE:
        at = 2 * at or 512
        if at >= size:
            raise OSError(f"{file.name} is not an HDF5 file")
    version = head[8]
    width = head[9] if version >= 2 else head[13]  # bytes of an address
    first = {0: 24, 1: 28}.get(version, 12)  # base address, another one, end of the file
    end = int.from_bytes(head[first + 2 * width : first + 3 * width], "little")
    return min(size, end)
