"""The crash journal: a small file beside the scan that says where each shot's pixels lie.

One line per record, ``<crc32 of the rest, 8 hex digits> <JSON>``. The first describes the
scan, a "form" describes shots that look alike, a "shot" gives number, time, addresses and
checksums. A shot counts as written once its line is. A clean close removes the file.
While the scan is open the journal is locked, which keeps a second writer away.
"""

import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import NoLocksError, RecoveryError, ScanBusyError, SettingError
from .lock import try_lock

Record = dict[str, Any]

#: format 2 has checksums of all bytes ("x:"), also of what compressed pixels are when decoded
FORMAT = 2
SUFFIX = ".journal"
LOCKS = ("file", "none")


def journal_path(path: str | os.PathLike[str]) -> Path:
    """Where the journal of a scan is."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def _line(record: Record) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> Record | None:
    """The record of a line, or None if the line is damaged."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        record = json.loads(line[9:])
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _owner(fd: int) -> str:
    record = _parse(os.pread(fd, 65536, 0).split(b"\n")[0]) if hasattr(os, "pread") else None
    return f" (process {record['pid']})" if record and "pid" in record else ""


def _open_locked(path: Path, target: object, lock: str) -> int:
    """Descriptor of the locked journal; an error where another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    while True:
        was_there = path.exists()
        fd = os.open(path, flags, 0o666)
        try:
            if lock != "none" and not try_lock(fd, target):
                raise ScanBusyError(f"{target} is being written by another writer{_owner(fd)}")
            if _same_file(path, fd):
                return fd
        except BaseException as error:
            os.close(fd)
            if isinstance(error, NoLocksError) and not was_there:
                path.unlink(missing_ok=True)
            raise
        os.close(fd)


def _same_file(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


class Journal:
    """The locked journal of a scan that is being written or recovered.

    `lock` is "file", or "none" where the file system has no locks: then nothing keeps a second
    writer away.
    """

    def __init__(
        self, target: str | os.PathLike[str], fsync: bool = False, lock: str = "file"
    ) -> None:
        if lock not in LOCKS:
            raise SettingError(f'lock must be "file" or "none", not {lock!r}')
        self.path = journal_path(target)
        self._fsync = fsync
        self.fd: int | None = _open_locked(self.path, target, lock)
        self.size = os.fstat(self.fd).st_size

    def _open(self) -> int:
        if self.fd is None:
            raise RecoveryError(f"{self.path} is closed")
        return self.fd

    def start(self, header: Record) -> None:
        """Begin anew with the record of the scan."""
        os.ftruncate(self._open(), 0)
        self.size = 0
        self.append({"format": FORMAT, "pid": os.getpid(), **header})

    def append(self, *records: Record) -> None:
        """Write records; either all of their bytes are in the file, or none."""
        fd = self._open()
        data = b"".join(map(_line, records))
        os.lseek(fd, self.size, os.SEEK_SET)
        try:
            self._write_all(fd, data)
        except BaseException:
            os.ftruncate(fd, self.size)
            raise
        self.size += len(data)

    def _write_all(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if self._fsync:
            os.fsync(fd)

    def remove(self) -> None:
        """The scan is complete: remove the journal, then let go of the lock."""
        if os.name == "nt":  # pragma: no cover
            self.close()
            self.path.unlink(missing_ok=True)
            return
        if self.fd is not None and _same_file(self.path, self.fd):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the lock and keep the journal."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


@dataclass
class Contents:
    """What a journal says: its header, forms and calibration sets by number, shots in order.

    `damaged` is the number of lines that are cut or changed.
    """

    header: Record | None = None
    forms: dict[int, Record] = field(default_factory=dict)
    shots: list[Record] = field(default_factory=list)
    sets: dict[int, Record] = field(default_factory=dict)
    damaged: int = 0

    @property
    def format(self) -> int:
        """Format of the journal; 0 where its first line is missing."""
        return int(self.header["format"]) if self.header else 0

    @property
    def filters(self) -> tuple[Any, ...]:
        """HDF5 filters of the pixels, as in `Storage`."""
        return as_tuples(self.header.get("filters", ())) if self.header else ()


def as_tuples(value: Any) -> Any:
    """Tuples in place of the lists that JSON gives."""
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def read_journal(path: str | os.PathLike[str]) -> Contents:
    """The `Contents` of a journal; a missing one has none."""
    found = Contents()
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return found
    for line in data.split(b"\n"):
        record = _parse(line) if line else {}
        if record is None:
            found.damaged += 1
        elif "format" in record:
            found.header = record
        elif "form" in record:
            found.forms[record["form"]] = record
        elif "shot" in record:
            found.shots.append(record)
        elif "constants" in record:
            found.sets[record["set"]] = record
    return found
