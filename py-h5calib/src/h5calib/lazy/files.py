"""A bounded set of files that this process keeps open for reading."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

MOST_FILES = 16


class OpenFiles:
    """Files by path: opened when asked for, the least recently used closed beyond `most`.

    A file that was replaced, or that another process opened before a fork, is opened anew.
    """

    def __init__(self, most: int = MOST_FILES) -> None:
        self._most = most
        self._files: OrderedDict[tuple[object, ...], h5py.File] = OrderedDict()
        self._used: dict[tuple[object, ...], int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self, path: str) -> Iterator[h5py.File]:
        """The file, which stays open at least until the block ends."""
        there = os.stat(path)
        key = (os.getpid(), path, there.st_dev, there.st_ino, there.st_mtime_ns, there.st_size)
        with self._lock:
            file = self._files.get(key)
            if file is None:
                file = self._files[key] = h5py.File(path, "r")
            self._files.move_to_end(key)
            self._used[key] = self._used.get(key, 0) + 1
            self._close_others()
        try:
            yield file
        finally:
            with self._lock:
                self._used[key] -= 1
                self._close_others()

    def close(self) -> None:
        """Close all that are not in use."""
        with self._lock:
            self._close_others(0)

    def __len__(self) -> int:
        return len(self._files)

    def _close_others(self, most: int | None = None) -> None:
        for key in list(self._files):
            if len(self._files) <= (self._most if most is None else most):
                return
            if self._used.get(key, 0) == 0:
                file = self._files.pop(key)
                self._used.pop(key, None)
                if key[0] == os.getpid():  # another process's is not ours to close
                    file.close()
