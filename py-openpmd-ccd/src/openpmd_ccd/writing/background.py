"""Writing on a thread of its own: a bounded queue, recycled buffers, deferred errors."""

import queue
import threading

import numpy as np

from ..errors import QueueFullError

_STOP = object()


class Buffers:
    """Arrays that are used again: copying into touched memory costs a plain memcpy."""

    def __init__(self):
        self._free = {}

    def copy(self, plane):
        """A copy of `plane`, in a recycled buffer if one fits."""
        free = self._free.setdefault((plane.shape, plane.dtype), [])
        buffer = free.pop() if free else np.empty_like(plane)
        np.copyto(buffer, plane)
        return buffer

    def give_back(self, planes):
        """Recycle arrays that `copy` made; others are left alone."""
        for plane in planes:
            free = self._free.get((plane.shape, plane.dtype))
            if free is not None:
                free.append(plane)


class Background:
    """Runs `write(shot)` for queued shots, in order, on one thread.

    A failed write does not stop the ones behind it. Its error comes out of the next call
    (`raise_deferred`), and `errors` keeps all of them for `close`; `failed(number)` is
    called at once.
    """

    def __init__(self, write, size, when_full, failed):
        self._write = write
        self._failed = failed
        self._wait = when_full == "wait"
        self._queue = queue.Queue(size)
        self.buffers = Buffers()
        self.errors = []
        self._reported = 0
        self._thread = threading.Thread(target=self._run, name="openpmd-ccd", daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            shot = self._queue.get()
            try:
                if shot is _STOP:
                    return
                self._write(shot)
            except BaseException as error:
                self.errors.append(error)
                self._failed(shot.number)
            finally:
                if shot is not _STOP:
                    self.buffers.give_back(shot.planes.values())
                shot = None
                self._queue.task_done()

    @property
    def waiting(self):
        """Number of shots that are not written yet."""
        return self._queue.unfinished_tasks

    def put(self, shot):
        """Queue a shot; where the queue is full, wait or raise `QueueFullError`."""
        try:
            self._queue.put(shot, block=self._wait)
        except queue.Full:
            raise QueueFullError(
                f"shot {shot.number} was not taken: {self._queue.maxsize} shots wait already"
            ) from None

    def raise_deferred(self):
        """Raise the first error that no call has raised yet."""
        if self._reported < len(self.errors):
            error = self.errors[self._reported]
            self._reported += 1
            raise error

    def drain(self):
        """Wait until all queued shots are written or have failed."""
        self._queue.join()

    def stop(self):
        """Write what is queued and end the thread."""
        self._queue.put(_STOP)
        self._thread.join()
