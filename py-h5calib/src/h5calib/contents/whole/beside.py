"""Files beside a file that is made or changed: their names, locks, and what was left of them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

if sys.platform != "win32":  # there a file that is open can be neither replaced nor removed
    import fcntl

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}
_ENDS = (".part", ".part.old")


def part_of(path: str) -> str:
    """A name for what is to become the file `path`."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")


@contextmanager
def beside(path: str) -> Iterator[tuple[str, BinaryIO]]:
    """A new empty file in the same folder, its name and itself, gone in the end."""
    temporary = part_of(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(temporary, flags, 0o666), "r+b", buffering=0) as file:
        try:
            lock(cast(BinaryIO, file), temporary)
            yield temporary, cast(BinaryIO, file)
        finally:
            file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def remove_left(path: str) -> None:
    """Remove what killed programs left beside. The caller has `path` locked, or there is none."""
    folder, name = os.path.split(path)
    for entry in os.listdir(folder):
        if entry.startswith(f".{name}.") and entry.endswith(_ENDS):
            with contextlib.suppress(OSError):
                _remove_unused(os.path.join(folder, entry), path)


def _remove_unused(left: str, path: str) -> None:
    """One of them, unless a program has it locked."""
    if os.path.exists(path) and os.path.samefile(left, path):  # a second name
        os.unlink(left)
        return
    with open(left, "r+b", buffering=0) as file:
        lock(cast(BinaryIO, file), left)
        if sys.platform == "win32":
            file.close()
        os.unlink(left)


def lock(file: BinaryIO, path: str) -> None:
    """As HDF5 locks a file that it changes; where that is impossible or unwanted, not."""
    if sys.platform == "win32":
        return
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise BlockingIOError(
                error.errno, f"{path} is open elsewhere: close it there, and repeat this"
            ) from error


def share_lock(file: BinaryIO) -> None:
    """Others may read the file again."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)


def give_name(temporary: str, path: str) -> None:
    """Name a file that is whole; FileExistsError where there is another one by now."""
    taken = f"{path} exists by now: choose another name"
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileExistsError(taken) from None
    except (OSError, NotImplementedError):  # no hard links on this file system
        if os.path.exists(path):
            raise FileExistsError(taken) from None
        os.replace(temporary, path)


def sync_folder(path: str) -> None:
    """The names in the folder of a file are on the disk."""
    if sys.platform == "win32":
        return
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not every file system does that
            os.fsync(folder)
    finally:
        os.close(folder)
