"""The crash journal: a small file beside the scan that says where each shot's pixels lie.

One line per record, ``<crc32 of the rest, 8 hex digits> <JSON>``. The first describes the
scan, a "form" describes shots that look alike, a "shot" gives number, time, addresses and
checksums. A shot counts as written once its line is. A clean close removes the file.
While the scan is open the journal is locked, which keeps a second writer away.
"""

import json
import os
import zlib
from pathlib import Path

from ..errors import ScanBusyError
from .lock import try_lock

FORMAT = 1
SUFFIX = ".journal"


def journal_path(path):
    """Where the journal of a scan is."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def _line(record):
    body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line):
    """The record of a line, or None if the line is damaged."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        return json.loads(line[9:])
    except ValueError:
        return None


def _owner(fd):
    record = _parse(os.pread(fd, 65536, 0).split(b"\n")[0]) if hasattr(os, "pread") else None
    return f" (process {record['pid']})" if record and "pid" in record else ""


def _open_locked(path, target):
    """Descriptor of the locked journal; an error where another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    while True:
        fd = os.open(path, flags, 0o666)
        try:
            if not try_lock(fd):
                raise ScanBusyError(f"{target} is being written by another writer{_owner(fd)}")
            if _same_file(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _same_file(path, fd):
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


class Journal:
    """The locked journal of a scan that is being written or recovered."""

    def __init__(self, target, fsync=False):
        self.path = journal_path(target)
        self._fsync = fsync
        self.fd = _open_locked(self.path, target)
        self.size = os.fstat(self.fd).st_size

    def start(self, header):
        """Begin anew with the record of the scan."""
        os.ftruncate(self.fd, 0)
        self.size = 0
        self.append({"format": FORMAT, "pid": os.getpid(), **header})

    def append(self, *records):
        """Write records; either all of their bytes are in the file, or none."""
        data = b"".join(map(_line, records))
        os.lseek(self.fd, self.size, os.SEEK_SET)
        try:
            self._write_all(data)
        except BaseException:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += len(data)

    def _write_all(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]
        if self._fsync:
            os.fsync(self.fd)

    def remove(self):
        """The scan is complete: remove the journal, then let go of the lock."""
        if os.name == "nt":  # pragma: no cover
            self.close()
            self.path.unlink(missing_ok=True)
            return
        if _same_file(self.path, self.fd):
            self.path.unlink()
        self.close()

    def close(self):
        """Let go of the lock and keep the journal."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def read_journal(path):
    """(header or None, forms by id, shots in order, number of damaged lines) of a journal."""
    header, forms, shots, _, damaged = read_all(path)
    return header, forms, shots, damaged


def read_sets(path):
    """Records of the calibration sets of a journal, by number."""
    return read_all(path)[3]


def read_all(path):
    """What `read_journal` says, with the calibration sets in front of the damaged lines."""
    header, forms, shots, sets, damaged = None, {}, [], {}, 0
    for line in Path(path).read_bytes().split(b"\n"):
        record = _parse(line) if line else {}
        if record is None:
            damaged += 1
        elif "format" in record:
            header = record
        elif "form" in record:
            forms[record["form"]] = record
        elif "shot" in record:
            shots.append(record)
        elif "constants" in record:
            sets[record["set"]] = record
    return header, forms, shots, sets, damaged
