"""An exclusive lock on an open file descriptor, on POSIX and on Windows."""

import os

if os.name == "nt":  # pragma: no cover
    import msvcrt

    #: a byte far behind any journal: locking on Windows also forbids reading
    _FAR = 2**40

    def try_lock(fd):
        """Lock without waiting; whether it worked."""
        position = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            return True
        except OSError:
            return False
        finally:
            os.lseek(fd, position, os.SEEK_SET)

else:
    import fcntl

    def try_lock(fd):
        """Lock without waiting; whether it worked."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
