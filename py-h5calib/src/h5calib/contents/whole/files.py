"""Making and changing a file as a whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

import h5py

from .beside import beside, give_name, lock, part_of, remove_left, share_lock, sync_folder
from .storage import Storage, end_of_file, opened
from .undo import recover, remove_journal, reserve, undo, write_all, write_journal

SMALL = 16 << 20  # bytes; to copy as many takes less time than to have them on the disk
Libver = tuple[str, str] | None


@contextmanager
def new_file(path: str | os.PathLike[str], libver: Libver = None) -> Iterator[h5py.File]:
    """A new HDF5 file, open for writing, that appears under its name when all went well.

    FileExistsError where there is a file of that name, at the beginning or at the end. After an
    error, and where the program is killed, there is none.
    """
    path = os.path.realpath(path)
    if os.path.exists(path):
        raise FileExistsError(f"{path} exists: choose another name")
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder} for {os.path.basename(path)}")
    remove_left(path)
    with beside(path) as (temporary, held):
        storage = Storage(held, 0)
        with opened(storage, path, libver, create=True) as file:
            yield file
        storage.sync()
        give_name(temporary, path)
    sync_folder(path)


@contextmanager
def changed_file(
    path: str | os.PathLike[str],
    libver: Libver = None,
    check: Callable[[], object] | None = None,
    small: int = SMALL,
) -> Iterator[h5py.File]:
    """An HDF5 file open for changes, which it has all when all went well, and otherwise none.

    Parameters
    ----------
    path : the file; no program may have it open
    libver : as for `h5py.File`; its superblock stays what it is
    check : called when the file has its changes and can be opened by its name; where it raises an
        error, the file is made what it was
    small : size in bytes up to which a copy is changed

    Raises
    ------
    OSError
        The file is open elsewhere, or there is no room: it is as it was.
    """
    path = os.path.realpath(path)
    recover(path)
    with open(path, "r+b", buffering=0) as held:
        lock(held, path)
        remove_left(path)
        found = os.fstat(held.fileno())
        change: AbstractContextManager[h5py.File]
        if found.st_size <= small and found.st_nlink == 1:
            change = _change_a_copy(path, held, libver, check)
        else:
            change = _change_in_place(path, held, libver, check)
        with change as file:
            yield file


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[str]:
    """The name of a file to be written, of any kind, that replaces `path` when all went well."""
    path = os.path.realpath(path)
    remove_left(path)
    temporary = part_of(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    sync_folder(path)


@contextmanager
def _change_a_copy(
    path: str, original: BinaryIO, libver: Libver, check: Callable[[], object] | None
) -> Iterator[h5py.File]:
    with beside(path) as (temporary, held):
        shutil.copyfile(path, temporary)
        storage = Storage(held, 0)
        with opened(storage, path, libver) as file:
            yield file
        _take_over(original, path, temporary)
        storage.sync()
        if check is None:
            os.replace(temporary, path)
        else:
            original.close()  # a check is to find one file with this content
            held.close()
            _exchange(temporary, path, check)
    sync_folder(path)


def _take_over(original: BinaryIO, path: str, temporary: str) -> None:
    """Permissions, and the owner where that is allowed."""
    shutil.copystat(path, temporary)
    os.utime(temporary)
    if hasattr(os, "chown"):
        found = os.fstat(original.fileno())
        with contextlib.suppress(OSError):
            os.chown(temporary, found.st_uid, found.st_gid)


def _check(path: str, check: Callable[[], object]) -> None:
    """Call it while nobody, this program included, has the file open for writing."""
    with open(path, "rb", buffering=0) as file:
        share_lock(file)
        check()


def _exchange(temporary: str, path: str, check: Callable[[], object]) -> None:
    """Give the new file its name, and take it back where the check fails."""
    old = f"{temporary}.old"
    try:
        os.link(path, old)
    except (OSError, NotImplementedError):  # no hard links on this file system
        shutil.copy2(path, old)
    try:
        os.replace(temporary, path)
        _check(path, check)
    except BaseException:
        os.replace(old, path)
        raise
    os.unlink(old)


@contextmanager
def _change_in_place(
    path: str, held: BinaryIO, libver: Libver, check: Callable[[], object] | None
) -> Iterator[h5py.File]:
    end = end_of_file(held)
    storage = Storage(held, end)
    try:
        with opened(storage, path, libver) as file:
            yield file
        storage.sync()
    except BaseException:
        held.truncate(end)
        raise
    blocks = storage.changes()
    try:
        reserve(held, blocks)
        write_journal(path, end, blocks)
    except BaseException:
        held.truncate(end)
        raise
    try:
        write_all(held, [(block.offset, block.after) for block in blocks])
        os.fsync(held.fileno())
        if check is not None:
            held.close()
            _check(path, check)
    except BaseException:
        with open(path, "r+b", buffering=0) as file:
            undo(file, end, blocks)
        remove_journal(path)
        raise
    remove_journal(path)
