"""What it costs to create calibrated datasets, in time and in bytes.

    python benchmarks/create.py [--frames 100000] [--repeat 5]

Beside it, in the same run, the way of the first h5calib. Times are from opening the new file to
having closed it, the best of several; bytes are those of the file without the constants, which are
an array stored in it. Fails where a frame takes 5 us or more, or a chunk 80 bytes or more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5calib
import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

SHAPE = (512, 128)
MOST_MICROSECONDS, MOST_BYTES = 5, 80
FIRST_WAY = Path(__file__).with_name("first_way.py")


@dataclass
class Cost:
    name: str
    frames: int
    chunks: int
    seconds: float
    bytes: int

    @property
    def microseconds_a_frame(self) -> float:
        return 1e6 * self.seconds / self.frames

    @property
    def bytes_a_chunk(self) -> float:
        return self.bytes / self.chunks


def create_once(folder: Path, raw: str, pedestal: np.ndarray, chunks, libver):
    """(seconds, bytes without constants, number of chunks)"""
    path = folder / "view.h5"
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    with h5py.File(path, "w", libver=libver) as f:
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw, h5calib.Pedestal(pedestal), chunks=chunks
        )
        n_chunks = -(-dataset.shape[0] // dataset.chunks[0])
    seconds = time.perf_counter() - start
    return seconds, path.stat().st_size - pedestal.nbytes, n_chunks


def ours(folder: Path, frames: int, repeat: int, name: str, chunks, libver) -> Cost:
    raw = folder / "raw.h5"
    with h5py.File(raw, "w") as f:  # no frame is written, none is read
        f.create_dataset("raw", (frames, *SHAPE), "u2", chunks=(1, *SHAPE))
    pedestal = np.random.default_rng(0).normal(size=SHAPE).astype("f4")
    runs = [create_once(folder, f"{raw}:/raw", pedestal, chunks, libver) for _ in range(repeat)]
    seconds = min(run[0] for run in runs)
    return Cost(name, frames, runs[0][2], seconds, runs[0][1])


def first_way(folder: Path, frames: int, repeat: int) -> Cost:
    (folder / "no-plugins").mkdir(exist_ok=True)
    command = [sys.executable, FIRST_WAY, folder / "first.h5", frames, *SHAPE]
    environment = {**os.environ, "HDF5_PLUGIN_PATH": str(folder / "no-plugins")}
    runs = []
    for _ in range(repeat):
        done = subprocess.run(
            list(map(str, command)), env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        runs.append(json.loads(done.stdout))
    seconds = min(run["seconds"] for run in runs)
    return Cost("first h5calib's way, 1 frame a chunk", frames, frames, seconds, runs[0]["bytes"])


def show(first: Cost, costs: list[Cost]) -> None:
    table = Table("", "frames", "chunks", "us a frame", "faster", "bytes a chunk", "a frame")
    for column in table.columns[1:]:
        column.justify = "right"
    for cost in (first, *costs):
        ratio = first.microseconds_a_frame / cost.microseconds_a_frame
        table.add_row(
            *(cost.name, f"{cost.frames:,}", f"{cost.chunks:,}"),
            *(f"{cost.microseconds_a_frame:.2f}", f"{ratio:.0f} x"),
            *(f"{cost.bytes_a_chunk:.1f}", f"{cost.bytes / cost.frames:.1f}"),
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000, help="[%(default)s]")
    parser.add_argument("--repeat", type=int, default=5, help="best of so many [%(default)s]")
    options = parser.parse_args()
    single = (1, *SHAPE)
    cases = [
        ("1 frame a chunk, libver latest", single, "latest"),
        ("default chunks, libver latest", None, "latest"),
        ("1 frame a chunk, libver v110", single, ("v110", "v110")),
        ("1 frame a chunk, oldest format", single, None),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = first_way(folder, min(options.frames, 10_000), options.repeat)
        costs = [ours(folder, options.frames, options.repeat, *case) for case in cases]
    show(first, costs)
    good = all(
        cost.microseconds_a_frame < MOST_MICROSECONDS and cost.bytes_a_chunk < MOST_BYTES
        for cost in costs[:2]
    )
    print(
        f"bound: {MOST_MICROSECONDS} us a frame, {MOST_BYTES} bytes a chunk, libver latest: ",
        end="",
    )
    print("kept" if good else "NOT kept")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
