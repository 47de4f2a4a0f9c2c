"""Mend a scan that a crash left behind.

The journal beside the file says where the pixels of each shot are, so the scan can be
rebuilt even if HDF5 cannot open it. HDF5 is asked in a child process, because a torn file
can crash it; the rebuilt file is checked the same way before it takes the place of the old.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RecoveryError
from ..reading.pixels import PixelSource
from ..writing.journal import Journal, journal_path, read_journal, read_sets

_TIMEOUT = 3600


@dataclass
class Recovery:
    """What `recover` found and did.

    shots: numbers in the file now; lost: numbers in the journal whose pixels are damaged;
    rebuilt: whether a new file was written; kept: where the damaged file is now, if so;
    raw_only: shots without their calibrated mesh, because its constants are damaged.
    """

    path: Path
    shots: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    rebuilt: bool = False
    kept: Path | None = None
    raw_only: list = field(default_factory=list)

    def __str__(self):
        what = "rebuilt from its journal" if self.rebuilt else "complete already"
        lost = f", {len(self.lost)} lost: {self.lost}" if self.lost else ""
        kept = f"; the damaged file is {self.kept}" if self.kept else ""
        raw = f"; without calibrated: {self.raw_only}" if self.raw_only else ""
        return f"{self.path}: {len(self.shots)} shots, {what}{lost}{kept}{raw}"


def recover(path, keep_damaged=True):
    """Make every shot readable whose `add` (non-blocking: `flush`) had returned.

    Harmless for a scan that was closed. If the file had to be rebuilt, the damaged one is
    kept as ``<name>.damaged``, unless ``keep_damaged=False`` and no shot is lost. With lost
    shots its journal is kept, too.

    Returns
    -------
    Recovery

    Raises
    ------
    RecoveryError
        No such scan, or neither journal nor file can be read.
    ScanBusyError
        The scan is still being written.
    """
    path = Path(path)
    if path.suffix == ".bp":
        from ..writing.bp4 import recover_bp

        return recover_bp(path)
    if not journal_path(path).exists():
        return _without_journal(path)
    journal = Journal(path)
    try:
        result = _with_journal(path, keep_damaged)
        if result.lost and result.kept:
            shutil.copyfile(journal.path, journal_path(result.kept))
        journal.remove()
        return result
    finally:
        journal.close()


def _without_journal(path):
    if not path.is_file():
        raise RecoveryError(f"{path}: no such file")
    answer = ask(path)
    if answer is None:
        raise RecoveryError(f"{path} cannot be read and has no journal {journal_path(path)}")
    return Recovery(path, shots=sorted(answer))


def _with_journal(path, keep_damaged):
    header, forms, records, _ = read_journal(journal_path(path))
    if header is None:
        # killed before the journal's first record was written: nothing was acknowledged
        return _restart(path)
    if header["format"] != 1:
        raise RecoveryError(f"{journal_path(path)} is of a newer format ({header['format']})")
    if records and not path.exists():
        raise RecoveryError(
            f"{path} is missing: put it back beside its journal {journal_path(path).name}"
        )
    sets = read_sets(journal_path(path))
    good, lost = _check_pixels(path, forms, records)
    uncalibrated = _check_constants(path, sets)
    expected = {r["shot"] for r in good}
    intact = not lost and not uncalibrated and header["layout"] == "hdf5"
    if intact and ask(path, journal_path(path)) == expected:
        return Recovery(path, shots=sorted(expected))
    sets = {number: record for number, record in sets.items() if number not in uncalibrated}
    kept = _rebuild(path, header, forms, good, sets)
    if not keep_damaged and not lost and not uncalibrated and kept:
        kept.unlink()
        kept = None
    raw_only = sorted(r["shot"] for r in good if r.get("set") in uncalibrated)
    return Recovery(path, sorted(expected), sorted(lost), True, kept, raw_only)


def _restart(path):
    if path.exists() and ask(path) is None:
        raise RecoveryError(f"{path} cannot be read and its journal is empty")
    return Recovery(path, shots=sorted(ask(path)) if path.exists() else [])


def _check_pixels(path, forms, records):
    """Split the journal's shots into those whose pixels are in the file and the numbers lost."""
    good, lost = [], []
    with PixelSource(path) as source:
        for record in records:
            form = forms.get(record["as"])
            if form is not None and source.intact(record, form):
                good.append(record)
            else:
                lost.append(record["shot"])
    return good, lost


def _check_constants(path, sets):
    """Numbers of the calibration sets whose constants are damaged."""
    with PixelSource(path) as source:
        return {
            number
            for number, record in sets.items()
            for places in record["constants"].values()
            for place in places.values()
            if not source.intact({"at": [place["at"]]}, place)
        }


def _rebuild(path, header, forms, records, sets):
    """Write the shots into a new file, have it read, and put it in place of the old."""
    from .rebuild import rebuild

    new = path.with_name(path.name + ".recovering")
    rebuild(new, path, header, forms, records, sets)
    if ask(new) != {r["shot"] for r in records}:
        raise RecoveryError(f"the rebuilt file {new} cannot be read back")
    kept = _keep(path) if path.exists() else None
    os.replace(new, path)
    return kept


def _keep(path):
    """Give the damaged file a second name: at every moment one file is called `path`."""
    kept = _unused(path.with_name(path.name + ".damaged"))
    try:
        os.link(path, kept)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, kept)
    return kept


def _unused(path):
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}{count}")
    return candidate


def ask(path, journal=None):
    """Numbers of the shots that HDF5 reads, by a child process; None if it fails or crashes."""
    command = [sys.executable, "-m", "openpmd_ccd.recovery.inspect_file", os.fspath(path)]
    command += [os.fspath(journal)] if journal else []
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    return {int(n) for n in done.stdout.split()}
