"""What a calibrated mesh costs: time of `add` and bytes of the file, with and without.

Shots of 2048 x 2048 go to three scans in turn (raw only, with dark and flat, with a factor), so
that a busy machine slows all of them; each round compares medians, the median of the rounds counts.
The bounds: `add` at most 1.15 times that of raw only; less than 6 kB a shot beyond the pixels
and the constants. Exit code 1 if one is missed.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from openpmd_ccd import CCD

RATIO, BYTES = 1.15, 6000


def one_round(folder, ways, image, shots):
    """(median seconds, bytes a shot beyond pixels and constants) for each way."""
    paths = {name: Path(folder) / f"{name}.h5" for name in ways}
    scans = {name: CCD(paths[name], overwrite=True, **options) for name, options in ways.items()}
    times = {name: [] for name in ways}
    for number in range(shots):
        for name, scan in scans.items():
            start = time.perf_counter()
            scan.add(number, image)
            times[name].append(time.perf_counter() - start)
    result = {}
    for name, scan in scans.items():
        scan.close()
        constants = sum(v.nbytes for v in ways[name].values() if isinstance(v, np.ndarray))
        beyond = (paths[name].stat().st_size - constants) / shots - image.nbytes
        # the first shot also stores the constants
        result[name] = float(np.median(times[name][1:])), beyond
        os.unlink(paths[name])
    return result


def main():
    """Print a table; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--shots", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    shape = (arguments.size, arguments.size)
    image = rng.integers(0, 4096, shape).astype("u2")
    dark, flat = rng.uniform(90, 110, shape).astype("f4"), rng.uniform(0.5, 1.5, shape).astype("f4")
    ways = {"raw": {}, "dark-flat": {"dark": dark, "flat": flat}, "factor": {"gain": 2.0}}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rounds = [one_round(folder, ways, image, arguments.shots) for _ in range(arguments.rounds)]
    missed = False
    print(f"{'':10} {'ms an add':>10} {'ratio':>6} {'bytes a shot':>13}")
    for name in ways:
        seconds = min(r[name][0] for r in rounds)
        ratio = float(np.median([r[name][0] / r["raw"][0] for r in rounds]))
        beyond = max(r[name][1] for r in rounds)
        missed |= ratio > RATIO or beyond >= BYTES
        print(f"{name:10} {1e3 * seconds:10.2f} {ratio:6.2f} {beyond:13.0f}")
    print(f"bounds: ratio {RATIO}, {BYTES} bytes: {'missed' if missed else 'kept'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
