"""What one `add` costs, crash safety included: ``python benchmarks/openpmd_add.py``.

All contenders are timed in turn within one run, on a tmpfs, so trust the ratios. The floor is
h5py's `create_dataset` of the same array, without attributes, at the path where openPMD has it.
Exit code 1 if a bound is missed.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from openpmd_ccd import CCD
from openpmd_ccd.images.lists import to_array

BOUNDS = {2250: 1.1, 512: 1.6, 64: 2.5}
ROUNDS = {2250: (6, 25), 512: (6, 150), 64: (6, 600)}
IMPORT_BOUND_MS = 150


def timed(call, *arguments):
    """Seconds that a call takes."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def median_ms(seconds):
    """Median in ms."""
    return statistics.median(seconds) * 1e3


def camera_frame(size):
    """A frame of 12-bit noise."""
    return np.random.default_rng(0).integers(0, 4096, (size, size)).astype(np.uint16)


def add_against_floor(folder, size):
    """(ms of the floor, ms of `add`): the two take turns, image by image."""
    image = camera_frame(size)
    floor, ours = [], []
    rounds, images = ROUNDS[size]
    for _ in range(rounds):
        with (
            h5py.File(folder / "floor.h5", "w") as file,
            CCD(folder / "ours.h5", overwrite=True) as scan,
        ):
            for number in range(images):
                path = f"data/{number}/shots/raw"
                pair = [
                    (floor, lambda p=path: file.create_dataset(p, data=image)),
                    (ours, lambda n=number: scan.add(n, image)),
                ]
                for times, call in pair if number % 2 else reversed(pair):
                    times.append(timed(call))
    return median_ms(floor), median_ms(ours)


def other_ways(folder, size, images=40):
    """{option: ms of `add`}."""
    image, found = camera_frame(size), {}
    ways = {"gzip": {"compression": "gzip"}, "swmr": {"swmr": True}, "fsync": {"fsync": True}}
    for name in ("bitshuffle", "blosc2"):
        ways[name] = {"compression": name}
    for name, options in ways.items():
        try:
            with CCD(folder / "ways.h5", overwrite=True, **options) as scan:
                found[name] = median_ms([timed(scan.add, n, image) for n in range(images)])
        except ImportError:
            continue
    return found


def queue_against_memcpy(folder, images=120):
    """(ms of a memcpy of 10 MB, ms until a non-blocking `add` of it returns), in turn."""
    image = camera_frame(2250)
    target = np.empty_like(image)
    copies, adds = [], []
    with CCD(folder / "queue.h5", overwrite=True, blocking=False) as scan:
        for number in range(images):
            adds.append(timed(scan.add, number, image))
            scan.flush()
            copies.append(timed(np.copyto, target, image))
    return median_ms(copies), median_ms(adds)


def lists(size=512, rounds=15):
    """(ms of np.array of a list of lists, ms of ours), in turn."""
    rows = camera_frame(size).tolist()
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(timed(np.array, rows))
        ours.append(timed(to_array, rows))
    return median_ms(theirs), median_ms(ours)


def import_times(rounds=7):
    """{module: ms} of what importing the LabVIEW module adds to h5py and numpy; median total."""
    code = (
        "import time, sys, h5py, numpy\n"
        "start = time.perf_counter(); import openpmd_ccd_labview\n"
        "print((time.perf_counter() - start) * 1e3)\n"
    )
    totals, modules = [], {}
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )
        totals.append(float(done.stdout))
        lines = [line.split("|") for line in done.stderr.splitlines() if "|" in line][1:]
        names = [line[2].strip() for line in lines]
        for own, _, name in lines[names.index("h5py") + 1 :]:
            modules.setdefault(name.strip(), []).append(int(own.split(":")[-1]) / 1e3)
    return statistics.median(totals), {n: statistics.median(t) for n, t in modules.items()}


def first_call_ms(folder):
    """ms of the first open_write, add and close in a new process, with all lazy imports."""
    code = (
        "import time, sys, h5py, numpy, openpmd_ccd_labview as m\n"
        "start = time.perf_counter()\n"
        "assert m.open_write(sys.argv[1], 'c')[1] == 0\n"
        "assert m.add('c', 0, [[1, 2], [3, 4]])[1] == 0\n"
        "assert m.close('c')[1] == 0\n"
        "print((time.perf_counter() - start) * 1e3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def tmpfs():
    """A folder on a tmpfs, or the default for temporary files."""
    shm = "/dev/shm"
    return Path(tempfile.mkdtemp(prefix="openpmd-bench-", dir=shm if os.path.isdir(shm) else None))


def main():
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", action="store_true", help="also compression, swmr and fsync")
    arguments = parser.parse_args()
    folder, missed = tmpfs(), []

    def row(name, base, ours, bound):
        ratio = ours / base
        print(f"{name:34} {base:9.3f} {ours:9.3f} {ratio:6.2f}  <= {bound}")
        if ratio > bound:
            missed.append(name)

    try:
        print(f"{'ms, median':34} {'floor':>9} {'ours':>9} {'ratio':>6}")
        for size, bound in BOUNDS.items():
            row(f"add {size}x{size} u2", *add_against_floor(folder, size), bound)
        row("non-blocking add of 10 MB, memcpy", *queue_against_memcpy(folder), 1.5)
        row("list of lists 512x512, np.array", *lists(), 0.5)
        total, modules = import_times()
        for name, own in sorted(modules.items(), key=lambda item: -item[1]):
            print(f"import {name:27} {own:19.3f}")
        print(f"{'import of the LabVIEW module':34} {total:19.3f}         <= {IMPORT_BOUND_MS}")
        if total > IMPORT_BOUND_MS:
            missed.append("import")
        print(f"{'first open_write, add, close':34} {first_call_ms(folder):19.3f}")
        for size in BOUNDS if arguments.ways else ():
            for name, value in other_ways(folder, size).items():
                print(f"add {size}x{size} {name:24} {value:19.3f}")
    finally:
        shutil.rmtree(folder)
    print("missed: " + ", ".join(missed) if missed else "all bounds are held")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
