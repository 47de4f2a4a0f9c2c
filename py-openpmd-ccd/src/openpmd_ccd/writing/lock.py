"""An exclusive lock on an open file descriptor, on POSIX and on Windows."""

import errno
import os
import sys

from ..errors import NoLocksError

#: what a file system without locks answers
_NO_LOCKS = {
    getattr(errno, name)
    for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL")
    if hasattr(errno, name)
}


def has_no_locks(error: OSError) -> bool:
    """Whether an error says that the file system has no locks."""
    return error.errno in _NO_LOCKS


def _no_locks(path: object, error: OSError) -> NoLocksError:
    return NoLocksError(
        f"{path} is on a file system without working locks ({error.strerror}): write to a local "
        'disk and move the scan when it is closed, or say lock="none" (openpmd-ccd: --no-lock; '
        "LabVIEW: last terminal of open_write) and see to it that nobody else writes this scan"
    )


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    #: a byte far behind any journal: locking on Windows also forbids reading
    _FAR = 2**40
    _TAKEN = {errno.EACCES, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK)}

    def try_lock(fd: int, path: object) -> bool:
        """Lock without waiting; whether it worked. `NoLocksError` where there are no locks."""
        position = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            return True
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise _no_locks(path, error) from error
        finally:
            os.lseek(fd, position, os.SEEK_SET)

else:
    import fcntl

    def try_lock(fd: int, path: object) -> bool:
        """Lock without waiting; whether it worked. `NoLocksError` where there are no locks."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            if has_no_locks(error):
                raise _no_locks(path, error) from error
            raise
