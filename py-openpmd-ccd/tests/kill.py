"""Kill the writer at random moments and count what is lost: ``python kill.py --kills 200``.

A child writes shots at full speed and acknowledges each through a pipe once it is promised to
be safe. It is killed with SIGKILL at a random moment between its start and its close. Then the
scan is recovered and read through openPMD-api. The exit code is 0 only if no acknowledged shot
is lost, every shot in the file has the right pixels, and every file is readable. Calibrated scans
must also have the right values, bit for bit, computed by h5calib's filter.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import h5calib.creating.series  # noqa: F401
import h5py
import numpy as np
import openpmd_ccd
import openpmd_ccd.calibration.mesh
import openpmd_ccd.images.planes

# imported before the children are, so that they are killed while writing, not importing
import openpmd_ccd.writing.adios
import openpmd_ccd.writing.bp4
import openpmd_ccd.writing.swmr

SIZES = (64, 128, 256, 512, 1024, 2048)
#: how often each way of writing is drawn
WAYS = {
    "plain": 6, "calibrated": 2, "gzip": 1, "colour": 1, "metadata": 1, "swmr": 1, "fsync": 1,
    "bp": 1,
}  # fmt: skip
#: the shot from which on a calibrated scan has a new dark
NEW_DARK = 3
LONGEST = 0.6
OPENING = 64


def frame(number, size, way):
    """Pixels that tell which shot they are from."""
    base = np.arange(size * size, dtype=np.uint16).reshape(size, size)
    pixels = base * np.uint16(7) + np.uint16(number % 65536)
    return np.stack([pixels, pixels + 1, pixels + 2], -1) if way == "colour" else pixels


def constants(size, number):
    """Dark and flat of a calibrated shot, float32 with any NumPy."""
    flat = (1 + frame(0, size, "flat") / 65536).astype("f4")
    return (flat * 100 + (7 if number >= NEW_DARK else 0)).astype("f4"), flat


def options(way, size):
    """Options of `CCD` for a way of writing."""
    if way == "calibrated":
        return dict(zip(("dark", "flat"), constants(size, 0), strict=True))
    return {
        "gzip": {"compression": "gzip"}, "swmr": {"swmr": True}, "fsync": {"fsync": True},
    }.get(way, {})  # fmt: skip


def write(path, size, way, blocking, shots, pipe):
    """The child: write `shots` shots, acknowledge the safe ones, close."""
    with openpmd_ccd.CCD(path, blocking=blocking, **options(way, size)) as scan:
        for number in range(shots):
            if way == "calibrated" and number == NEW_DARK:
                scan.recalibrate(dark=constants(size, number)[0])
            metadata = {"delay": number / 2, "note": "x" * 50} if way == "metadata" else None
            scan.add(number, frame(number, size, way), metadata=metadata)
            if not blocking and number % 3 == 2:
                scan.flush()
            if blocking or number % 3 == 2:
                os.write(pipe, number.to_bytes(8, "little"))


def run(path, size, way, blocking, moment):
    """Start a child, kill it after `moment` seconds; numbers of the acknowledged shots."""
    shots = random.choice([3, 30, *[10**9] * 6])
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        try:
            write(path, size, way, blocking, shots, writer)
        finally:
            os._exit(0)
    os.close(writer)
    deadline, data = time.monotonic() + moment, b""
    os.set_blocking(reader, False)
    while time.monotonic() < deadline:
        data += _read(reader)
        time.sleep(min(0.001, max(0.0, deadline - time.monotonic())))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while part := _read(reader):
        data += part
    os.close(reader)
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def _read(fd):
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return b""


def promised(acknowledged, blocking):
    """Numbers that must be in the file: all up to the last acknowledged one."""
    return set(range(acknowledged[-1] + 1)) if acknowledged else set()


def check(path, size, way, expected):
    """(lost numbers, numbers with wrong pixels, shots in the file) by openPMD-api."""
    import openpmd_api

    series = openpmd_api.Series(str(path), openpmd_api.Access.read_only)
    found, wrong = set(series.iterations), []
    for number in found:
        mesh = series.iterations[number].meshes["raw"]
        pixels = frame(number, size, way)
        for index, name in enumerate(("r", "g", "b") if way == "colour" else list(mesh)):
            plane = mesh[name][()]
            series.flush()
            want = pixels[..., index] if way == "colour" else pixels
            if not np.array_equal(plane, want):
                wrong.append(number)
    series.close()
    if way == "calibrated":
        wrong += wrong_values(path, size, found)
    return expected - found, wrong, len(found)


def wrong_values(path, size, numbers):
    """Numbers of the shots whose calibrated values are not (raw - dark) / flat in float32."""
    wrong = []
    with h5py.File(path) as file:
        for number in numbers:
            dark, flat = constants(size, number)
            values = (frame(number, size, "calibrated").astype("f4") - dark) / flat
            shots = file[f"data/{number}/shots"]
            if "calibrated" not in shots or not np.array_equal(shots["calibrated"][()], values):
                wrong.append(number)
    return wrong


def one(folder, seed, count, ways=None, blocking=None):
    """One kill: a drawn scenario, and what became of it."""
    random.seed(seed)
    size = random.choice(SIZES)
    way = random.choices(list(ways or WAYS), list((ways or WAYS).values()))[0]
    drawn = random.random() < 0.5
    blocking = drawn if blocking is None else blocking
    path = folder / f"{seed}{'.bp' if way == 'bp' else '.h5'}"
    acknowledged = run(path, size, way, blocking, random.uniform(0, LONGEST))
    expected = promised(acknowledged, blocking)
    count["kills"] += 1
    count["acknowledged shots"] += len(expected)
    where = f"seed {seed}: {size}x{size} {way} {'blocking' if blocking else 'not blocking'}"
    if not path.exists():
        count["killed before there was a file"] += 1
        return [f"{where}: no file"] if expected else []
    return _verify(path, size, way, expected, count, where)


def _verify(path, size, way, expected, count, where):
    was_closed = not path.with_name(path.name + ".journal").exists()
    count["killed after close" if was_closed else "killed while open"] += 1
    try:
        result = openpmd_ccd.recover(path, keep_damaged=False)
    except openpmd_ccd.RecoveryError as error:
        if not expected and way == "bp":
            count["killed before there was a file"] += 1
            return []
        count["unreadable files"] += 1
        return [f"{where}: {error}"]
    count["files rebuilt" if result.rebuilt else "files complete as they were"] += 1
    if not result.shots:
        count["scans without shots"] += 1
        count["acknowledged shots lost"] += len(expected)
        return [f"{where}: all lost"] if expected else []
    try:
        lost, wrong, found = check(path, size, way, expected)
    except Exception as error:
        count["unreadable files"] += 1
        return [f"{where}: {error}"]
    count["shots in the files"] += found
    count["acknowledged shots lost"] += len(lost)
    count["shots with wrong pixels"] += len(wrong)
    return [f"{where}: lost {sorted(lost)}, wrong {wrong}"] if lost or wrong else []


def kill(kills, seed=0, folder=None, **chosen):
    """(figures, failures) of many kills."""
    count, failures = Counter(), []
    names = ("unreadable files", "acknowledged shots lost", "shots with wrong pixels")
    count.update(dict.fromkeys(names, 0))
    for number in range(kills):
        work = Path(tempfile.mkdtemp(prefix="openpmd-kill-", dir=folder))
        try:
            failures += one(work, seed + number, count, **chosen)
        finally:
            shutil.rmtree(work)
    return count, failures


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where to write; a tmpfs is fastest")
    parser.add_argument("--way", choices=WAYS, help="only this way of writing")
    arguments = parser.parse_args()
    ways = {arguments.way: 1} if arguments.way else None
    started = time.time()
    count, failures = kill(arguments.kills, arguments.seed, arguments.folder, ways=ways)
    for name, value in count.items():
        print(f"{name}: {value}")
    print(f"seconds: {time.time() - started:.0f}")
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
