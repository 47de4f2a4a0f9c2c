"""Commands that are killed at random moments: no dataset is lost, and every one can be repeated.

`python tests/kills.py 1000` kills as many times and prints what it saw. Each command runs in a
child made by `os.fork`, which takes a hundredth of the time of a new Python.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from h5calib.cli import main
from h5calib.contents.whole import recover

FRAMES, SIDE = 40, 32
RAW = np.arange(FRAMES * SIDE * SIDE, dtype="u2").reshape(FRAMES, SIDE, SIDE) % 5000
DARK = np.full((SIDE, SIDE), 7.0, "f4")
VALUES = RAW.astype("f4") - DARK


def prepare(folder: Path) -> None:
    """raw.h5, dark.h5 and view.h5 with the dataset `first`; the same raw file elsewhere."""
    (folder / "elsewhere").mkdir(parents=True)
    with h5py.File(folder / "raw.h5", "w") as file:
        file["d"] = RAW
    shutil.copy(folder / "raw.h5", folder / "elsewhere")
    with h5py.File(folder / "dark.h5", "w") as file:
        file["p"] = DARK
    assert run_in_child(folder, create("view.h5", "first")) == 0


def renew(folder: Path, start: Path, in_place: bool) -> None:
    """Make the folder what it was. A file with two names is not replaced by a copy."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder)
    if in_place:
        os.link(folder / "view.h5", folder / "other.h5")


def create(view: str, name: str, *options: str) -> list[str]:
    places = ["--raw", "raw.h5:/d", "--constant", "pedestal=dark.h5:/p", "--chunks", "1,8,8"]
    return ["create", view, "--name", name, "--algorithm", "pedestal", *places, *options]


COMMANDS = {
    "create in a view": create("view.h5", "second"),
    "create a view": create("new.h5", "second", "--digest-raw"),
    "replace a dataset": create("view.h5", "first", "--overwrite"),
    "relink": ["relink", "view.h5:/first", "--raw", "elsewhere/raw.h5:/d"],
    "clean": ["clean", "view.h5"],
    "new-identity": ["new-identity", "view.h5"],
    "constants": ["constants", "made.h5", "--dark", "raw.h5:/d", "--overwrite"],
}


def run(folder: Path, *arguments: str) -> int:
    os.chdir(folder)
    try:
        main(list(arguments), standalone_mode=True)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run_in_child(folder: Path, arguments: list[str], kill_after: float | None = None) -> int:
    """Its exit status; negative where it was killed."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(run(folder, *arguments))
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(folder: Path) -> None:
    """AssertionError where a dataset is lost, half there, or has other values."""
    for name in ("view.h5", "new.h5"):
        if not (folder / name).exists():
            assert name == "new.h5"
            continue
        recover(folder / name)  # as every command does; nothing to do for copies
        with h5py.File(folder / name) as file:
            names = [key for key in file if key != "h5calib"]
            assert "first" in names or name == "new.h5"
            for key in names:
                assert np.array_equal(file[key][()], VALUES), f"{name}:/{key}"
    if (folder / "made.h5").exists():
        with h5py.File(folder / "made.h5") as file:
            assert file["pedestal"].shape[-2:] == DARK.shape


def kill(count: int, folder: Path, seed: int = 0) -> dict[str, list[int]]:
    """Kill so many commands in all, in turn; how many were killed, and how many had ended."""
    chance, start, work = random.Random(seed), folder / "start", folder / "work"
    prepare(start)
    seen = {what: [0, 0] for what in COMMANDS}
    length: dict[tuple[str, bool], float] = {}
    for number in range(count):
        what, in_place = list(COMMANDS)[number % len(COMMANDS)], number // len(COMMANDS) % 2 == 1
        if (what, in_place) not in length:
            renew(work, start, in_place)
            begin = time.perf_counter()
            assert run_in_child(work, COMMANDS[what]) == 0, what
            length[what, in_place] = time.perf_counter() - begin
        renew(work, start, in_place)
        until = chance.uniform(0, 1.2 * length[what, in_place])
        killed = run_in_child(work, COMMANDS[what], until) < 0
        seen[what][not killed] += 1
        look(work)
        if killed:
            repeat(work, what)
    return seen


def repeat(folder: Path, what: str) -> None:
    """What was killed can be done once more, unless it had been done."""
    arguments = COMMANDS[what]
    if arguments[0] == "create" and "--overwrite" not in arguments and is_there(folder, arguments):
        return
    assert run_in_child(folder, arguments) == 0, f"{what} cannot be repeated"
    look(folder)
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not left, f"{what} leaves {left}"


def is_there(folder: Path, arguments: list[str]) -> bool:
    if not (folder / arguments[1]).exists():
        return False
    with h5py.File(folder / arguments[1]) as file:
        return "second" in file


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for command, (before, after) in kill(int(sys.argv[1]), Path(place)).items():
            print(f"{command}: killed {before} times, had ended {after} times, nothing was lost")
