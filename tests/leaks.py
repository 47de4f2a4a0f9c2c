"""Ten thousand reads: memory, descriptors and HDF5 ids must not grow.

    python tests/leaks.py [READS]

Reads keep opening and closing files, and meet errors, because that is where
things are forgotten. With valgrind installed, a C client's reads are checked too.
"""

import gc
import os
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import h5calib

WARM_UP = 500
MOST_BYTES_A_READ = 20  # below any forgotten id, name or structure


def make(folder: Path) -> list[Path]:
    """A view that reads, one whose raw data is gone, one of a chain, and one that is written."""
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 0x4000, (8, 32, 32), dtype="u2")
    calibration = h5calib.Jungfrau(
        pedestal=rng.uniform(1, 9, (3, 32, 32)), gain=rng.uniform(1, 9, (3, 32, 32))
    )
    paths = [folder / name for name in ("good.h5", "broken.h5", "chain.h5")]
    with h5py.File(folder / "raw.h5", "w") as f:
        f["raw"] = raw
    for path in paths[:2]:
        with h5py.File(path, "w") as f:
            h5calib.create_calibrated_dataset(
                f, "v", raw=f"{folder / 'raw.h5'}:/raw", calibration=calibration, chunks=(1, 32, 32)
            )
    with h5py.File(paths[2], "w") as f:
        shift = h5calib.Pedestal(pedestal=np.ones((32, 32)))
        h5calib.create_calibrated_dataset(
            f, "v", raw=f"{paths[0]}:/v", calibration=shift, chunks=(1, 32, 32)
        )
    with h5py.File(paths[1], "r+") as f:
        group = next(iter(f["h5calib"].values()))
        del group["raw"]
        group["raw"] = h5py.ExternalLink("nowhere.h5", "/raw")
    return paths


def read(paths: list[Path], i: int) -> None:
    path = paths[i % 3]
    mode = "r+" if i % 7 == 0 else "r"
    with h5py.File(path, mode) as f:
        try:
            f["v"][i % 8]
        except OSError:
            if path != paths[1]:
                raise


def memory() -> int:
    """Bytes the process has of its own, from the kernel."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("the kernel does not tell")


def ids() -> int:
    return h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_ALL)


def main(reads: int = 10_000) -> int:
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder))
        for i in range(WARM_UP):
            read(paths, i)
        gc.collect()
        before = memory(), len(os.listdir("/proc/self/fd")), ids()
        for i in range(reads):
            read(paths, i)
        gc.collect()
        after = memory(), len(os.listdir("/proc/self/fd")), ids()
    growth = after[0] - before[0]
    print(f"{reads} reads: memory {growth:+d} bytes ({growth / reads:+.2f} a read), "
          f"descriptors {before[1]} -> {after[1]}, HDF5 ids {before[2]} -> {after[2]}")
    good = growth <= MOST_BYTES_A_READ * reads and after[1] <= before[1] and after[2] <= before[2]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
