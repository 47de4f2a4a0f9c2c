"""Mend a scan that a crash left behind.

Two things know of its shots: the file, as far as HDF5 can read it, and the journal, which says
where their pixels are even if HDF5 cannot. Each shot is taken from whichever has it sound, all
of its bytes compared with their checksums; so a journal that was cut, or a file that was
rewritten, costs nothing that the other has. HDF5 is asked in a child process; a rebuilt file is
checked in the same way before it takes the place of the old.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RecoveryError
from ..reading.pixels import PixelSource
from ..writing import attributes
from ..writing.hdf5 import mark_complete
from ..writing.journal import FORMAT, Contents, Journal, Record, journal_path, read_journal
from .look import Look, extract, look
from .overlay import is_closed_properly
from .rebuild import Piece, copy_file, rebuild
from .traces import may_hold_more


@dataclass
class Recovery:
    """What `recover` found and did.

    shots: numbers in the file now; lost: numbers that were in the file or its journal and whose
    pixels are damaged or gone; rebuilt: whether a new file was written; kept: where the damaged
    file is now, if so; raw_only: shots without their calibrated mesh, because its constants are
    damaged; unverified: shots of an older file that have no checksum, look at them; notes: what
    else is missing, or cannot be known.
    """

    path: Path
    shots: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    rebuilt: bool = False
    kept: Path | None = None
    raw_only: list[int] = field(default_factory=list)
    unverified: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return not (self.lost or self.raw_only or self.unverified or self.notes)

    def __str__(self) -> str:
        complete = "complete already" if self.whole else "the file was left as it is"
        what = "rebuilt" if self.rebuilt else complete
        parts = [f"{self.path}: {len(self.shots)} shots, {what}"]
        if self.lost:
            parts[0] += f", {len(self.lost)} lost: {self.lost}"
        if self.kept:
            parts.append(f"the damaged file is {self.kept}")
        if self.raw_only:
            parts.append(f"without calibrated: {self.raw_only}")
        if self.unverified:
            parts.append(f"without a checksum, look at them: {self.unverified}")
        return "; ".join(parts + self.notes)


def recover(
    path: str | os.PathLike[str], keep_damaged: bool = True, *, lock: str = "file"
) -> Recovery:
    """Make every shot readable whose `add` (non-blocking: `flush`) had returned.

    Harmless for a scan that was closed; all pixels are read and compared with their checksums.
    If the file had to be rebuilt, the damaged one is kept as ``<name>.damaged``, unless
    ``keep_damaged=False`` and everything in it is in the new one. With lost shots the journal
    is kept, too. ``lock="none"`` on a file system without locks: see to it that nobody writes.

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

        return recover_bp(path, lock)
    if not journal_path(path).exists():
        if not path.is_file():
            raise RecoveryError(f"{path}: no such file")
        return _Rescue(path, Contents(), lock).run(keep_damaged)
    journal = Journal(path, lock=lock)
    try:
        found = read_journal(journal.path)
        if found.format > FORMAT:
            raise RecoveryError(f"{journal.path} is of a newer format ({found.format})")
        if found.shots and not path.exists():
            raise RecoveryError(
                f"{path} is missing: put it back beside its journal {journal.path.name}"
            )
        result = _Rescue(path, found, lock).run(keep_damaged)
        if result.kept and not result.whole:
            shutil.copyfile(journal.path, journal_path(result.kept))
        elif not result.kept and result.lost:
            kept = _unused(journal.path.with_name(journal.path.name + ".lost"))
            shutil.copyfile(journal.path, kept)
            result.notes.append(f"the journal is kept as {kept.name}")
        journal.remove()
        return result
    finally:
        journal.close()


class _Rescue:
    """One scan, what its file has and what its journal has."""

    def __init__(self, path: Path, journal: Contents, lock: str) -> None:
        self.path, self.journal, self.lock = path, journal, lock
        with_journal = journal_path(path) if journal_path(path).exists() else None
        self.look = look(path, with_journal) if path.exists() else Look()
        if path.exists() and not self.look.readable and journal.header is None:
            what = (
                "its journal is empty" if with_journal else f"has no journal {journal_path(path)}"
            )
            raise RecoveryError(f"{path} cannot be read and {what}: {self.look.why}")
        self.by_journal = self._sound_in_journal()
        self.sets, self.damaged_sets = self._sets()

    def _sound_in_journal(self) -> list[Record]:
        """Records of the shots whose pixels are where the journal says, but not in the file."""
        wanted = [
            r
            for r in self.journal.shots
            if r["shot"] not in self.look.sound and r["as"] in self.journal.forms
        ]
        with PixelSource(self.path, self.journal.filters) as source:
            return [r for r in wanted if source.intact(r, self.journal.forms[r["as"]])]

    def _sets(self) -> tuple[dict[int, Record], set[int]]:
        """Calibration sets whose constants the journal finds, and those that nobody has."""
        with PixelSource(self.path) as source:
            found = {
                number: record
                for number, record in self.journal.sets.items()
                if all(
                    source.plane_intact(place["at"], place)
                    for places in record["constants"].values()
                    for place in places.values()
                )
            }
        whole = self.look.about["sets"] if self.look.about else {}
        return found, {n for n in self.journal.sets if n not in found and not whole.get(str(n))}

    def run(self, keep_damaged: bool) -> Recovery:
        """Mend the file if that gains anything, and say what there is."""
        gained = {r["shot"] for r in self.by_journal} - set(self.look.unverified)
        shots = sorted(set(self.look.shots) | gained)
        known = {r["shot"] for r in self.journal.shots} | set(self.look.damaged) | set(shots)
        result = Recovery(self.path, shots, sorted(known - set(shots)))
        verified = {r["shot"] for r in self.by_journal}
        result.unverified = sorted(set(self.look.unverified) - verified)
        result.notes = self._notes(len(shots))
        if not self.path.exists():
            return result
        leave = self.look.readable and not gained and not self.look.damaged
        if leave and not self.damaged_sets and self._opens_plainly():
            self._say_complete(result)
            return result
        self._check_ours()
        kept = self._rebuild(shots, result)
        result.rebuilt, result.kept = True, kept
        if not keep_damaged and result.whole and not self._holds_more(kept):
            kept.unlink()
            result.kept = None
        return result

    def _holds_more(self, damaged: Path) -> bool:
        """Whether the damaged file has, or may have, what the new one has not."""
        if self.look.about is not None:
            return bool(self.look.about["strange"])
        return may_hold_more(damaged, self.journal)

    def _opens_plainly(self) -> bool:
        """Whether everybody can read what was read here with the superblock corrected."""
        if is_closed_properly(self.path):
            return True
        plain = look(self.path, plain=True)
        return plain.readable and set(plain.shots) == set(self.look.shots)

    def _notes(self, count: int) -> list[str]:
        notes = []
        if self.journal.damaged and not self.look.readable:  # a file that can be read has all
            notes.append(
                f"{self.journal.damaged} of the journal's lines are cut or damaged: shots that "
                "only they knew of are not here"
            )
        closed = self.look.closed_with()
        bare = sorted(n for n, found in self.look.shots.items() if found.get("bare"))
        if bare:
            notes.append(f"without settings and metadata, which only the journal had: {bare}")
        if self.journal.header is None and closed == -1:
            notes.append("it was never closed and has no journal: shots that it may have had "
                         "besides are not known")  # fmt: skip
        elif closed is not None and closed > count:
            notes.append(f"it had {closed} shots when it was closed")
        return notes

    def _check_ours(self) -> None:
        """An error for a file that this package did not write: it is not to be rebuilt."""
        texts = self.look.about["texts"] if self.look.about else {}
        if self.journal.header is None and texts.get("software") != attributes.SOFTWARE:
            why = next(iter(self.look.damaged.values()), "it does not open by itself")
            raise RecoveryError(
                f"{self.path} is no scan of this package, or has lost its description: shots "
                f"{sorted(self.look.damaged)} cannot be read ({why})"
            )

    def _say_complete(self, result: Recovery) -> None:
        """Put the number of shots into a file that was not closed, and is complete."""
        closed = self.look.closed_with()
        stale = result.whole and closed not in (None, len(result.shots))
        if stale and is_closed_properly(self.path):
            mark_complete(self.path, len(result.shots), self.lock)

    def _rebuild(self, shots: Sequence[int], result: Recovery) -> Path:
        """Write the shots into a new file, have it read, and put it in place of the old."""
        new = self.path.with_name(self.path.name + ".recovering")
        scratch = self.path.with_name(self.path.name + ".scratch")
        try:
            pieces = self._pieces(shots, scratch)
            result.raw_only = sorted(
                p.record["shot"] for p in pieces if p.record.get("set", 0) not in {0, *self.sets}
            )
            header = self.journal.header or {}
            texts = header.get("root") or (self.look.about or {}).get("texts", {})
            rebuild(
                new, texts, self.journal.filters, pieces, self.sets, self.path, self.lock,
                self._count(result),
            )  # fmt: skip
        finally:
            scratch.unlink(missing_ok=True)
        there = look(new)
        if sorted(there.sound) != list(shots) or there.damaged:
            raise RecoveryError(
                f"the rebuilt file {new} cannot be read back: "
                f"{there.why or there.damaged or 'shots are missing'}; nothing was changed"
            )
        kept = _unused(self.path.with_name(self.path.name + ".damaged"))
        copy_file(self.path, kept)
        os.replace(new, self.path)
        return kept

    def _count(self, result: Recovery) -> int:
        """Number of shots that the new file says it should have: what is missing stays known."""
        closed = self.look.closed_with()
        if self.journal.header is None and closed == -1:
            return -1
        return max(closed or 0, len(result.shots) + len(result.lost))

    def _pieces(self, shots: Sequence[int], scratch: Path) -> list[Piece]:
        """Records of all shots to be written, in the order of the journal."""
        pieces = {}
        with PixelSource(self.path, self.journal.filters) as source:
            for record in self.journal.shots:
                form = self.journal.forms.get(record["as"])
                if record["shot"] in shots and form and source.intact(record, form):
                    pieces[record["shot"]] = Piece(record, form, self.path)
        rest = [n for n in shots if n not in pieces]
        scratch.unlink(missing_ok=True)
        extracted = extract(self.path, scratch, rest) if rest else {}
        if set(extracted) != set(rest):
            raise RecoveryError(
                f"{self.path}: shots {sorted(set(rest) - set(extracted))} could be read once, but "
                "not a second time; nothing was changed"
            )
        return [
            *pieces.values(),
            *(Piece(found["record"], found["form"], scratch) for found in extracted.values()),
        ]


def _unused(path: Path) -> Path:
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}{count}")
    return candidate
