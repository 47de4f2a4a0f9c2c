"""The index of an ADIOS2 BP4 file: is it finished, and how a killed one is ended."""

import os

from ..errors import RecoveryError
from .adios import openpmd_api
from .journal import Journal, journal_path, read_journal

#: the index has records of 64 bytes; the first says at this place whether a writer is active
_RECORD, _ACTIVE = 64, 38


def is_unfinished(path):
    """Whether BP4's index says that a writer is active: a reader may wait for it."""
    try:
        with (path / "md.idx").open("rb") as file:
            return file.read(_ACTIVE + 1)[_ACTIVE:] == b"\1"
    except OSError:
        return False


def recover_bp(path, lock="file"):
    """Make a killed .bp scan readable; see `openpmd_ccd.recover`."""
    from ..recovery.recover import Recovery

    index = path / "md.idx"
    if not index.is_file():
        raise RecoveryError(f"{path}: no ADIOS2 file (BP4) there")
    journal = Journal(path, lock=lock)
    try:
        records = read_journal(journal_path(path)).shots
        changed = _end_steps(index)
        shots = _listed(path)
        lost = sorted({r["shot"] for r in records} - set(shots))
        journal.remove()
    finally:
        journal.close()
    return Recovery(path, shots=shots, lost=lost, rebuilt=changed)


def _end_steps(index):
    """Cut a half-written index record off and say that no writer is active; whether changed."""
    size = index.stat().st_size
    with index.open("r+b") as file:
        whole = size // _RECORD * _RECORD
        file.truncate(whole)
        file.seek(_ACTIVE)
        active = file.read(1) != b"\0"
        if active and whole:
            file.seek(_ACTIVE)
            file.write(b"\0")
    return active or whole != size


def _listed(path):
    """Numbers of the shots that openPMD-api reads."""
    if (path / "md.idx").stat().st_size <= _RECORD:
        return []
    io = openpmd_api()
    series = io.Series(os.fspath(path), io.Access.read_only)
    try:
        return sorted(series.iterations)
    finally:
        series.close()
