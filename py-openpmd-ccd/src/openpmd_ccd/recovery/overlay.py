"""A file as HDF5 would find it if its writer had closed it: the start of it seen corrected.

A killed SWMR writer leaves the mark that the file is being written, and an end of the file that
is long past; a file that was cut ends before the end that it names. HDF5 refuses both. Here the
superblock names the true end and has no marks; nothing is changed on the disk.
"""

import io
import os

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MASK = 0xFFFFFFFF


def lookup3(data: bytes) -> int:
    """Bob Jenkins's `hashlittle` with the initial value 0: the checksum of HDF5's metadata."""

    def rotated(value: int, count: int) -> int:
        return (value << count | value >> (32 - count)) & _MASK

    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    whole = max(0, (len(data) - 1) // 12 * 12)
    for start in range(0, whole, 12):
        words = [int.from_bytes(data[start + i : start + i + 4], "little") for i in (0, 4, 8)]
        a, b, c = ((x + w) & _MASK for x, w in zip((a, b, c), words, strict=True))
        for shift in (4, 6, 8, 16, 19, 4):
            a = ((a - c) & _MASK) ^ rotated(c, shift)
            c = (c + b) & _MASK
            a, b, c = b, c, a
    if not data:
        return c
    tail = data[whole:].ljust(12, b"\0")
    words = [int.from_bytes(tail[i : i + 4], "little") for i in (0, 4, 8)]
    a, b, c = ((x + w) & _MASK for x, w in zip((a, b, c), words, strict=True))
    for shift in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - rotated(b, shift)) & _MASK
        a, b, c = b, c, a
    # after seven steps the names have gone round once and a third
    return b


def stored_end(start: bytes) -> int | None:
    """Where a file ends by the first bytes of its superblock; None where there is none."""
    place = _end_place(start)
    return None if place is None else int.from_bytes(start[place : place + 8], "little")


def is_closed_properly(path: str | os.PathLike[str]) -> bool:
    """Whether the superblock names the true end of the file and has no marks of a writer."""
    with open(path, "rb") as file:
        start = file.read(64)
        size = os.fstat(file.fileno()).st_size
    return stored_end(start) == size and (start[8] < 2 or not start[11])


def _end_place(start: bytes) -> int | None:
    """Where the superblock has the end of the file; offsets of 8 bytes only, as ours are."""
    if len(start) < 64 or not start.startswith(SIGNATURE):
        return None
    if start[8] in (0, 1) and start[13] == 8:
        return 40 if start[8] == 0 else 44
    if start[8] in (2, 3) and start[9] == 8:
        return 28
    return None


def corrected(start: bytes, size: int) -> bytes:
    """The first bytes of a file of `size` bytes, with its true end and without marks."""
    place = _end_place(start)
    if place is None:
        return start
    fixed = bytearray(start)
    fixed[place : place + 8] = size.to_bytes(8, "little")
    if start[8] >= 2:
        fixed[11] = 0
        fixed[44:48] = lookup3(bytes(fixed[:44])).to_bytes(4, "little")
    return bytes(fixed)


class Overlay(io.RawIOBase):
    """The file at `path`, read-only, with a corrected superblock; for ``h5py.File``."""

    _START = 64

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._size = os.fstat(self._file.fileno()).st_size
        self._start = corrected(self._file.read(self._START), self._size)
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The next byte to be read."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, or raise: HDF5 would take what is missing for data."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._position)
        done = self._file.readinto(view)
        if done < len(view):
            raise EOFError(f"the file ends before byte {self._position + len(view)}")
        if self._position < len(self._start):
            part = self._start[self._position : self._position + len(view)]
            view[: len(part)] = part
        self._position += done
        return done

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
