"""Opening long scans with every reader: ``python benchmarks/openpmd_open.py``.

Prints how long openPMD-api (iterations deferred), openPMD-viewer and `open_scan` take to open
and list scans of 500 to 1e4 shots; with ``--large`` of 1e5 shots of 64x64.
Exit code 1 if listing grows faster than 1.5 times its linear share up to 4000 shots.
"""

import argparse
import shutil
import subprocess
import sys
import time

import numpy as np
from openpmd_add import tmpfs
from openpmd_ccd import CCD

READERS = {
    "openPMD-api": (
        "import openpmd_api as io\n"
        "def read(path):\n"
        "    series = io.Series(path, io.Access.read_only, OPTIONS)\n"
        "    return len(series.iterations)\n"
    ),
    "openPMD-viewer": (
        "import os\n"
        "from openpmd_viewer import OpenPMDTimeSeries\n"
        "def read(path):\n"
        "    return len(OpenPMDTimeSeries(os.path.dirname(path), backend='h5py').iterations)\n"
    ),
    "openPMD-viewer (its openPMD-api)": (
        "import os\n"
        "from openpmd_viewer import OpenPMDTimeSeries\n"
        "def read(path):\n"
        "    series = OpenPMDTimeSeries(os.path.dirname(path), backend='openpmd-api')\n"
        "    return len(series.iterations)\n"
    ),
    "open_scan": (
        "from openpmd_ccd import open_scan\n"
        "def read(path):\n"
        "    with open_scan(path) as scan:\n"
        "        return len(scan)\n"
    ),
}
SIZES = (500, 1000, 2000, 4000, 10_000)
LINEAR = 1.5


def write(path, shots):
    """Seconds to write a scan of 64x64 shots."""
    image = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    start = time.perf_counter()
    with CCD(path) as scan:
        for number in range(shots):
            scan.add(number, image)
    return time.perf_counter() - start


def opening(reader, path, shots, rounds=3):
    """Best seconds of opening in a new process, imports not counted."""
    code = (
        "OPTIONS = '{\"defer_iteration_parsing\": true}'\n"
        + READERS[reader]
        + (
            "import sys, time\n"
            "start = time.perf_counter(); count = read(sys.argv[1])\n"
            "print(count, time.perf_counter() - start)\n"
        )
    )
    best = float("inf")
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        )
        count, seconds = done.stdout.split()[-2:]
        assert int(count) == shots
        best = min(best, float(seconds))
    return best


def measure(sizes, readers, rounds):
    """{reader: [seconds per size]}, printed while it is measured."""
    found = {name: [] for name in readers}
    print(f"{'shots':>8} {'write':>8} {'bytes/shot':>10} " + " ".join(f"{n:>32}" for n in readers))
    for shots in sizes:
        folder = tmpfs()
        try:
            path = folder / "cam.h5"
            written = write(path, shots)
            extra = path.stat().st_size / shots - 2 * 64 * 64
            for name in readers:
                found[name].append(opening(name, str(path), shots, rounds))
            times = " ".join(f"{found[n][-1] * 1e3:29.1f} ms" for n in readers)
            print(f"{shots:8} {written:6.2f} s {extra:10.0f} {times}", flush=True)
        finally:
            shutil.rmtree(folder)
    return found


def main():
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="1e5 shots, and nothing else")
    if parser.parse_args().large:
        measure([100_000], ["openPMD-api", "openPMD-viewer", "open_scan"], 1)
        return 0
    found, missed = measure(SIZES, list(READERS), 3), []
    for name, seconds in found.items():
        growth = seconds[SIZES.index(4000)] / seconds[SIZES.index(1000)]
        print(f"{name}: 4000 shots take {growth:.1f} times as long as 1000")
        if growth > 4 * LINEAR:
            missed.append(name)
    print("grows too fast: " + ", ".join(missed) if missed else "no listing grows quadratically")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
