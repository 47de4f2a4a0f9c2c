"""What a frame costs in datasets of 1e3 to 1e6 frames: creating, opening, reading at random.

"Flat" is said of growth: the cost with the most frames over that with fewer.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import h5calib
import h5py
import numpy as np
from read_cases import LIBVER


@dataclass(frozen=True)
class Layout:
    """How raw data and chunks lie."""

    name: str
    frame: tuple[int, int]
    chunks: tuple[int, ...] | None  # of the calibrated dataset; None: the default
    raw_chunks: tuple[int, ...] | None  # None: contiguous


# A file that was written a moment ago is looked at anew for each chunk.
SETTLE = 0.1  # seconds
TURNS = 5  # of random reading in a round, all numbers of frames in each

# Contiguous raw data is a file with a hole: 1e6 frames of 512x128 need no 131 GB of disk.
LAYOUTS = (
    Layout("scaling", (512, 128), None, None),
    Layout("scaling-single", (32, 32), (1, 32, 32), (1, 32, 32)),
)


def write_raw(path: Path, layout: Layout, frames: int) -> None:
    """Chunked raw data is written; contiguous raw data is a hole in the file and reads as zeros."""
    with h5py.File(path, "w", libver=LIBVER) as f:
        shape = (frames, *layout.frame)
        if layout.raw_chunks is None:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.CONTIGUOUS)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(f.id, b"raw", h5py.h5t.NATIVE_UINT16, space, plist)
            return
        raw = f.create_dataset("raw", shape, "u2", chunks=layout.raw_chunks)
        frame = np.full(layout.frame, 7, "u2").tobytes()
        for i in range(frames):
            raw.id.write_direct_chunk((i, 0, 0), frame)


def create(path: Path, raw: Path, layout: Layout) -> tuple[float, int, int, int]:
    """(seconds from opening the new file to having closed it, bytes but for constants, chunks,
    frames of a chunk)"""
    path.unlink(missing_ok=True)
    pedestal = np.ones(layout.frame, "f4")
    start = time.perf_counter()
    with h5py.File(path, "w", libver=LIBVER) as f:
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", f"{raw}:/raw", h5calib.Pedestal(pedestal), chunks=layout.chunks
        )
        chunk_frames = dataset.chunks[0]
        chunks = -(-dataset.shape[0] // chunk_frames)
    seconds = time.perf_counter() - start
    return seconds, path.stat().st_size - pedestal.nbytes, chunks, chunk_frames


def open_and_read(path: Path) -> float:
    """Seconds to open a file and to read one frame of it, the median of a few times."""
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        with h5py.File(path, "r") as f:
            f["calibrated"][0]
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def at_random(rng: np.random.Generator, chunks: int, chunk_frames: int, n: int) -> np.ndarray:
    """The first frames of n chunks, in any order, none twice."""
    return rng.choice(chunks, n, replace=False) * chunk_frames


def read_at_random(path: Path, name: str, places: np.ndarray, out: np.ndarray) -> float:
    """Seconds a frame, the chunk cache off: in a small dataset it would hold every chunk."""
    with h5py.File(path, "r", rdcc_nbytes=0) as f:
        dataset = f[name]
        dataset.read_direct(out, np.s_[0])
        start = time.perf_counter()
        for place in places:
            dataset.read_direct(out, np.s_[place])
        return (time.perf_counter() - start) / len(places)


def in_turns(
    paths: dict[int, Path], places: dict[int, np.ndarray], out: np.ndarray, name: str = "calibrated"
) -> dict[int, float]:
    """Microseconds a frame of each file, the median of some turns."""
    turns = [
        {n: read_at_random(path, name, places[n], out) for n, path in paths.items()}
        for _ in range(TURNS)
    ]
    return {n: 1e6 * statistics.median(turn[n] for turn in turns) for n in paths}


def measure(folder: Path, numbers: tuple[int, ...], accesses: int, rounds: int) -> list[dict]:
    rows = []
    for layout in LAYOUTS:
        rows += measure_layout(folder, layout, numbers, accesses, rounds)
    return rows


def measure_layout(folder, layout: Layout, numbers, accesses: int, rounds: int) -> list[dict]:
    rng = np.random.default_rng(0)
    paths = {n: (folder / f"{layout.name}-{n}.h5", folder / f"raw-{n}.h5") for n in numbers}
    units = {
        "create": "create_us_per_frame",
        "open": "open_us",
        "random": "random_us_per_frame",
        "random_distinct": "random_distinct_us_per_frame",
    }
    if layout.raw_chunks:  # what HDF5 takes to find one of so many chunks
        units["random_raw"] = "random_raw_us_per_frame"
    costs = {what: {n: [] for n in numbers} for what in units}
    created, out, raw_out = {}, np.empty(layout.frame, "f4"), np.empty(layout.frame, "u2")
    for n, (path, raw) in paths.items():
        write_raw(raw, layout, n)
        created[n] = create(path, raw, layout)
        check(path, layout)
    places = {n: rng.integers(0, n, accesses) for n in numbers}
    # As many bytes of every file: few frames are read again and again, which is faster.
    distinct = min(accesses, *(chunks for _, _, chunks, _ in created.values()))
    chunk_places = {n: at_random(rng, *created[n][2:], distinct) for n in numbers}
    for n, (path, _) in paths.items():
        read_at_random(path, "calibrated", places[n], out)
    for _ in range(rounds):
        for n, (path, raw) in paths.items():
            created[n] = create(path, raw, layout)
            costs["create"][n].append(1e6 * created[n][0] / n)
            costs["open"][n].append(1e6 * open_and_read(path))
        time.sleep(SETTLE)
        views = {n: view for n, (view, _) in paths.items()}
        for what, where in (("random", places), ("random_distinct", chunk_places)):
            for n, us in in_turns(views, where, out).items():
                costs[what][n].append(us)
        if "random_raw" in costs:
            raws = {n: raw for n, (_, raw) in paths.items()}
            for n, us in in_turns(raws, places, raw_out, "raw").items():
                costs["random_raw"][n].append(us)
    for pair in paths.values():
        for path in pair:
            path.unlink()
    rows = []
    for what, by_number in costs.items():
        for n, values in by_number.items():
            rows.append(row(layout.name, f"{units[what]}_{n}", values, "us", frames=n))
        rows.append(growth(layout.name, what, by_number))
    _, size, chunks, _ = created[numbers[-1]]
    rows.append(row(layout.name, "create_us_per_frame", costs["create"][steady(numbers)], "us"))
    rows.append(row(layout.name, "stub_bytes_per_chunk", [size / chunks], "bytes"))
    return rows


def steady(numbers: tuple[int, ...]) -> int:
    """The number of frames `create_us_per_frame` is given for."""
    return min(numbers, key=lambda n: abs(n - 100_000))


def check(path: Path, layout: Layout) -> None:
    with h5py.File(path, "r") as f:
        found, value = f["calibrated"][-1], 6 if layout.raw_chunks else -1
        if not (found == value).all():
            raise SystemExit(f"{path.name}: the last frame is {found.ravel()[:3]}, not {value}")


def growth(case: str, what: str, costs: dict[int, list[float]]) -> dict:
    """The cost with the most frames over that with the fewest or with the next fewer."""
    by_number = list(costs.values())
    fewest, fewer, most = by_number[0], by_number[-2], by_number[-1]
    ratios = [c / min(a, b) for a, b, c in zip(fewest, fewer, most, strict=True)]
    return row(case, f"{what}_growth", ratios, "ratio")


def row(case: str, metric: str, values: list[float], unit: str, **more) -> dict:
    """A line of the result: the median, with its range."""
    return {"case": case, "metric": metric, "value": float(statistics.median(values)),
            "unit": unit, "least": float(min(values)), "most": float(max(values)),
            "rounds": len(values), **more}  # fmt: skip
