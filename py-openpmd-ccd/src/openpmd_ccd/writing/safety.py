"""What stands between a shot and the disk: full disks, vanished files, which shots are safe."""

import os
import shutil
from pathlib import Path

from ..errors import (
    AccessError,
    DirectoryMissingError,
    DiskFullError,
    FileVanishedError,
    ScanExistsError,
    SettingError,
    WriteError,
)
from .journal import journal_path

#: room that must be left for the metadata of a shot and of closing
MARGIN = 256 * 1024
_LONGEST_NAME = 230
_FORBIDDEN = '<>:"|?*'


def clean_path(path):
    """The path with a file name that every system accepts: no blanks, not too long."""
    path = Path(os.fspath(path) if not isinstance(path, bytes) else os.fsdecode(path))
    name = "".join("_" if c in _FORBIDDEN or c.isspace() or ord(c) < 32 else c for c in path.name)
    if not name:
        raise SettingError("the scan needs a file name")
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    while len((stem + dot + ending).encode()) > _LONGEST_NAME and stem:
        stem = stem[:-1]
    return path.with_name(stem + dot + ending)


def prepare(path, overwrite, create_directory):
    """Make the folder of a new scan, and refuse to replace one that nobody gave up."""
    folder = path.parent
    if not folder.is_dir():
        if not create_directory:
            raise DirectoryMissingError(f"folder {folder} does not exist")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except PermissionError as error:
            raise AccessError(f"folder {folder} cannot be created: {error.strerror}") from None
    if overwrite:
        return
    if path.exists():
        raise ScanExistsError(f"{path} exists already (overwrite=True would replace it)")
    if journal_path(path).exists() and journal_path(path).stat().st_size:
        raise ScanExistsError(
            f"{journal_path(path)} is left of an unfinished scan: run 'openpmd-ccd recover {path}'"
        )


def describe(numbers):
    """ "shots 0-4, 7 are safe" for the numbers of shots in the file."""
    if not numbers:
        return "no shot is in the file"
    ranges = []
    for n in sorted(numbers):
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in ranges]
    if len(texts) > 20:
        texts = [*texts[:10], "...", *texts[-9:]]
    plural = ("shot", "is") if len(numbers) == 1 else ("shots", "are")
    return f"{plural[0]} {', '.join(texts)} {plural[1]} safe"


def free_bytes(folder):
    """Bytes that may still be written, or None where the file system does not say."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None


class Guard:
    """Looks before each shot whether it can be written to the file at `path`."""

    def __init__(self, path, safe):
        self.path = path
        self.safe = safe
        self._identity = self._stat()

    def _stat(self):
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def check(self, number, nbytes):
        """An error if the file is gone or the disk has no room for `nbytes`."""
        try:
            there = self._stat() == self._identity
        except PermissionError as error:
            raise AccessError(self.text(number, f"no access: {error.strerror}")) from None
        except OSError:
            there = False
        if not there:
            raise FileVanishedError(
                f"shot {number} was not written: {self.path} was moved or deleted while it was "
                f"being written; in the moved file, if there is one, {describe(self.safe)}"
            )
        free = free_bytes(self.path.parent)
        if free is not None and free < nbytes + MARGIN:
            raise DiskFullError(self.text(number, f"disk full ({free} bytes left)"))

    def text(self, number, reason):
        """Message of a failed write."""
        return f"shot {number} was not written to {self.path}: {reason}; {describe(self.safe)}"

    def failure(self, number, error):
        """The `CCDError` for an exception during writing."""
        import errno

        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = DiskFullError if full or "No space left" in reason else WriteError
        advice = f"; run 'openpmd-ccd recover {self.path}'"
        return kind(self.text(number, reason) + advice)
