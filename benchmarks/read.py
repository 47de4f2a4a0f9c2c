"""Reading calibrated datasets, beside peers, in one run.

    python benchmarks/read.py [--quick] [--rounds 9] [--json FILE] [--plot FILE] [--folder DIR]

All ways of reading take turns, `rounds` times, with a hot page cache; the figure is the median of
the ratios of one round, with their range. Ratios of throughput: more than 1, we are faster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5calib
import h5py
import numpy as np
import read_peers as peers
from read_cases import Case, make_all
from rich.console import Console
from rich.progress import track
from rich.table import Table

THREADS = 2


def readers(case: Case) -> dict:
    """Everything that takes a turn for this case."""
    found = {
        "filter": peers.through_h5py(case, "calibrated"),
        "stored": peers.through_h5py(case, "stored"),
        "filter_nocache": peers.through_h5py(case, "calibrated", no_cache=True),
        "stored_nocache": peers.through_h5py(case, "stored", no_cache=True),
        "contiguous": peers.through_h5py(case, "contiguous"),
        "stored_bitshuffle": peers.through_h5py(case, "stored_bitshuffle"),
        "direct1": peers.direct(case, 1),
        "direct2": peers.direct(case, THREADS),
        "numba1": peers.with_numba(case, 1),
        "numba2": peers.with_numba(case, THREADS),
        "memcpy1": peers.copy_bytes(case, 1),
        "memcpy2": peers.copy_bytes(case, THREADS),
        "numpy": peers.with_numpy(case),
    }
    if case.kind == "jungfrau":
        found["aare"] = peers.with_aare(case)
    if case.name == "jungfrau-bitshuffle":
        found["decode"] = peers.only_decode(case)
    return found


RATIOS = {  # metric: ours, theirs
    "filter_vs_stored": ("filter", "stored"),
    "filter_vs_stored_nocache": ("filter_nocache", "stored_nocache"),
    "filter_vs_contiguous": ("filter", "contiguous"),
    "filter_vs_stored_bitshuffle": ("filter", "stored_bitshuffle"),
    "filter_vs_numpy": ("filter", "numpy"),
    "direct_vs_stored": ("direct2", "stored"),
    "direct_vs_stored_bitshuffle": ("direct2", "stored_bitshuffle"),
    "direct_vs_memcpy_1": ("direct1", "memcpy1"),
    "direct_vs_memcpy_2": ("direct2", "memcpy2"),
    "direct_vs_numba_1": ("direct1", "numba1"),
    "direct_vs_numba_2": ("direct2", "numba2"),
    "direct_vs_aare": ("direct1", "aare"),
    "direct_vs_decode": ("direct1", "decode"),
}


def take_turns(case: Case, rounds: int) -> dict[str, list[float]]:
    """Seconds of every reader in every round."""
    out = np.empty((peers.blocks(case)[0].stop, *case.shape[1:]), "f4")
    ways = readers(case)
    seconds = {name: [] for name in ways}
    for run in ways.values():  # compile, fill caches
        run(out)
    for _ in track(range(rounds), description=case.name, console=Console(stderr=True)):
        for name, run in ways.items():
            start = time.perf_counter()
            run(out)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def row(case: str, metric: str, values: list[float], unit: str = "ratio") -> dict:
    return {"case": case, "metric": metric, "value": statistics.median(values), "unit": unit,
            "least": min(values), "most": max(values)}  # fmt: skip


def ratios(case: Case, seconds: dict[str, list[float]]) -> list[dict]:
    rows = []
    for metric, (ours, theirs) in RATIOS.items():
        if ours in seconds and theirs in seconds:
            pairs = zip(seconds[ours], seconds[theirs], strict=True)
            rows.append(row(case.name, metric, [b / a for a, b in pairs]))
    gigabytes = 4 * np.prod(case.shape) / 1e9
    for name, values in seconds.items():
        rows.append(row(case.name, f"speed_{name}", [gigabytes / s for s in values], "GB/s"))
    return rows + roofline(case, seconds)


def roofline(case: Case, seconds: dict[str, list[float]]) -> list[dict]:
    """Bytes that must move (raw, result, constants no cache holds) at the speed of memcpy."""
    pixels = int(np.prod(case.shape))
    raw = pixels * (4 if case.kind == "agipd" else 2)
    groups = -(-case.shape[0] // (16 * case.cells)) * case.cells
    constants = case.constant_bytes * groups
    rows = []
    for n in (1, 2):
        bandwidth = [2 * 4 * pixels / s for s in seconds[f"memcpy{n}"]]
        bound = [(raw + 4 * pixels + constants) / rate for rate in bandwidth]
        pairs = zip(bound, seconds[f"direct{n}"], strict=True)
        rows.append(row(case.name, f"direct_vs_roofline_{n}", [b / s for b, s in pairs]))
    return rows


FIRST = """
import sys, time, h5py, numpy as np, h5calib
path, name = sys.argv[1:]
with h5py.File(path) as f:
    f["first"][...]
    start = time.perf_counter()
    f[name][0]
    print(time.perf_counter() - start)
"""


def first_frame(case: Case, rounds: int) -> list[dict]:
    """The first frame a fresh process reads, after HDF5 and the plugin are loaded."""
    with h5py.File(case.path, "r+") as f:
        if "first" not in f:
            f["first_raw"] = np.zeros((1, 1, 1), "u2")
            one = h5calib.Pedestal(pedestal=np.zeros((1, 1)))
            h5calib.create_calibrated_dataset(f, "first", raw="first_raw", calibration=one)
    found = []
    for _ in range(rounds):
        seconds = [float(subprocess.run([sys.executable, "-c", FIRST, case.path, name], check=True,
                                        capture_output=True, text=True).stdout)
                   for name in ("calibrated", "stored")]  # fmt: skip
        found.append(seconds[0] / seconds[1])
    return [row(case.name, "first_frame_vs_stored", found, "time ratio")]


def peak_memory(case: Case) -> list[dict]:
    """What a process that reads everything needs beyond the result and one that reads `stored`."""
    script = (
        "import sys, resource, h5py, hdf5plugin, numpy as np, h5calib\n"
        "with h5py.File(sys.argv[1]) as f:\n"
        "    d = f[sys.argv[2]]; k = 8 * d.chunks[0]; out = np.empty((k, *d.shape[1:]), 'f4')\n"
        "    for i in range(0, len(d), k):\n"
        "        n = min(k, len(d) - i); d.read_direct(out[:n], np.s_[i:i + n])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    kilobytes = [int(subprocess.run([sys.executable, "-c", script, case.path, name], check=True,
                                    capture_output=True, text=True).stdout)
                 for name in ("calibrated", "stored")]  # fmt: skip
    return [row(case.name, "peak_extra_bytes", [1024 * (kilobytes[0] - kilobytes[1])], "bytes")]


def can_drop_caches() -> bool:
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
    except OSError:
        return False
    return True


def cold(case: Case, rounds: int) -> list[dict]:
    """With the page cache dropped before each; only where this machine lets us."""
    if not can_drop_caches() or str(case.path).startswith("/dev/shm"):
        return []
    out = np.empty((peers.blocks(case)[0].stop, *case.shape[1:]), "f4")
    found = []
    for _ in range(rounds):
        seconds = []
        for name in ("calibrated", "stored"):
            os.sync()
            can_drop_caches()
            start = time.perf_counter()
            peers.through_h5py(case, name)(out)
            seconds.append(time.perf_counter() - start)
        found.append(seconds[1] / seconds[0])
    return [row(case.name, "cold_vs_stored", found)]


def show(rows: list[dict]) -> None:
    table = Table("case", "metric", "median", "range", "unit")
    for r in rows:
        table.add_row(
            r["case"],
            r["metric"],
            f"{r['value']:.2f}",
            f"{r['least']:.2f} - {r['most']:.2f}",
            r["unit"],
        )
    Console(width=120).print(table)


def plot(rows: list[dict], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cases = list(dict.fromkeys(r["case"] for r in rows))
    figure, axes = plt.subplots(1, len(cases), figsize=(4 * len(cases), 4), layout="constrained")
    for axis, case in zip(np.atleast_1d(axes), cases, strict=True):
        speeds = {
            r["metric"][6:]: r["value"] for r in rows if r["case"] == case and r["unit"] == "GB/s"
        }
        colours = [
            "tab:orange" if n.startswith(("filter", "direct")) else "tab:gray" for n in speeds
        ]
        axis.barh(list(speeds), list(speeds.values()), color=colours)
        axis.invert_yaxis()
        axis.set(title=case, xlabel="GB/s of float32")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the frames")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument(
        "--folder", help="where the files go (they are removed); default: temporary"
    )
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for case in make_all(Path(folder), options.quick):
            rows += ratios(case, take_turns(case, options.rounds))
            rows += peak_memory(case) + cold(case, 3)
            if case.kind == "agipd":
                rows += first_frame(case, options.rounds)
    show(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"HDF5 {h5py.version.hdf5_version}, default chunk cache of that release")
    print(f"{os.cpu_count()} processors, peak {peak} MB")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
