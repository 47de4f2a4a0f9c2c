"""What HDF5 makes of a scan's file, asked in a child process: a torn file can crash it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..writing.journal import Record
from .inspect_file import DAMAGED, SOUND, UNVERIFIED

_TIMEOUT = 24 * 3600
#: shots on which HDF5 may crash before the file counts as unreadable
_CRASHES = 100


@dataclass
class Look:
    """What is in a file: `about` is None where HDF5 cannot open it, `why` says so.

    sound, unverified, damaged: what `inspect_file` says of each shot, by number; unverified
    are shots of files that were written before there were checksums of all bytes.
    """

    about: Record | None = None
    why: str = ""
    sound: dict[int, Record] = field(default_factory=dict)
    unverified: dict[int, Record] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)

    @property
    def shots(self) -> dict[int, Record]:
        """All shots that can be used."""
        return self.unverified | self.sound

    @property
    def readable(self) -> bool:
        """Whether HDF5 can open the file."""
        return self.about is not None

    def closed_with(self) -> int | None:
        """Number of shots when the file was closed, -1 if it was not; None: an old file."""
        return None if self.about is None else self.about["shots"]


def look(
    path: str | os.PathLike[str], journal: str | os.PathLike[str] | None = None,
    plain: bool = False,
) -> Look:  # fmt: skip
    """Have all shots of a file read, all of their pixels; `plain`: with the superblock it has."""
    found, done = Look(), set[str]()
    for _ in range(_CRASHES):
        begun = None
        lines, code, why = _ask(
            {"path": path, "journal": journal, "skip": sorted(done), "plain": plain}
        )
        for line in lines:
            if "about" in line:
                found.about = line["about"]
            elif "begin" in line:
                begun = line["begin"]
            else:
                done.add(str(begun))
                _take(found, line)
                begun = None
        if code == 0:
            return found
        if begun is None:
            break
        done.add(begun)
        if begun.isdigit():
            found.damaged[int(begun)] = f"HDF5 failed while reading it ({why})"
    return Look(why=why)


def _take(found: Look, line: Record) -> None:
    number, state = line["record"]["shot"], line["state"]
    if state == DAMAGED and number is not None:
        found.damaged[number] = line["why"]
    elif state in (SOUND, UNVERIFIED):
        (found.sound if state == SOUND else found.unverified)[number] = line


def extract(
    path: str | os.PathLike[str], scratch: str | os.PathLike[str], numbers: Sequence[int]
) -> dict[int, Record]:
    """Put the pixels of shots into the file `scratch`; what is known of each, with its places."""
    task = {"path": path, "journal": None, "scratch": scratch, "only": [str(n) for n in numbers]}
    lines = [line for line in _ask(task)[0] if "state" in line and line["state"] != DAMAGED]
    return {line["record"]["shot"]: line for line in lines}


def _ask(task: dict[str, Any]) -> tuple[list[Record], int, str]:
    """(lines, exit code, message) of the child process."""
    task = {"skip": [], "scratch": None, "only": [], "plain": False} | task
    task = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in task.items()}
    command = [sys.executable, "-m", "openpmd_ccd.recovery.inspect_file"]
    try:
        done = subprocess.run(
            command, input=json.dumps(task), capture_output=True, text=True, timeout=_TIMEOUT,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [], 1, f"HDF5 did not come to an end within {_TIMEOUT} s"
    lines = list(_parsed(done.stdout))
    why = done.stderr.strip() if done.returncode > 0 else f"a crash, {done.returncode}"
    return lines, done.returncode, why.splitlines()[-1] if why else ""


def _parsed(text: str) -> Iterator[Record]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last one, cut by a crash
            return
