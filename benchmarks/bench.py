"""Reading calibrated datasets, beside stored copies and other ways to calibrate, in one run.

    python benchmarks/bench.py [--quick] [--case NAME] [--only TEXT] [--json FILE] ...

All ways of a group take turns, in another order every round, with a hot page cache. A figure is the
median of the ratios of one round, with their range. Ratios are of throughput: more than 1, ours is
faster. `first_frame_*` are ratios of time: less is better. docs/speed.md says what each one is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5calib
import h5py
import numpy as np
import read_cases
import read_fresh as fresh
import read_peers as peers
import read_scaling as scaling
from h5calib.binding import plugin as _plugin
from read_cases import Case
from read_report import plot_ratios, plot_scaling, show
from read_scaling import row
from rich.console import Console

SMALL_CACHE = 64 * 1024 * 1024
LOG = Console(stderr=True)


@dataclass
class Group:
    """Ways that take turns reading the same frames."""

    case: str
    places: list[slice]
    ways: dict[str, peers.Way]
    ratios: dict[str, tuple[str, str]]  # metric: ours, theirs
    roi: tuple[slice, ...] = ()
    suffix: str = ""  # of speeds: which frames

    def needed(self, only: str) -> set[str]:
        """The ways whose figures are asked for."""
        names = {name for m, pair in self.ratios.items() if m.startswith(only) for name in pair}
        if "direct_vs_roofline".startswith(only) or only.startswith("direct_vs_roofline"):
            names |= {"direct1", "direct2", "memcpy1", "memcpy2"} & set(self.ways)
        if "speed_".startswith(only) or only.startswith("speed_"):
            names |= {n for n in self.ways if f"speed_{n}".startswith(only)}
        return names & set(self.ways)


# ---- which ways read what ----------------------------------------------------------------------


def whole(case: Case) -> Group:
    """All frames: the fast ways."""
    places = case.blocks()
    source = np.ones((places[0].stop, *case.shape[1:]), "f4")
    constants = peers.numba_constants(case)
    ways = {
        "filter": peers.through_h5py(case, "calibrated"),
        "stored": peers.through_h5py(case, "stored"),
    }
    ratios = {"filter_vs_stored": ("filter", "stored"),
              "direct_vs_stored_1": ("direct1", "stored"),
              "direct_vs_stored": ("direct2", "stored")}  # fmt: skip
    peer_names = ["memcpy", "numba"]
    peer_names += ["numba_tuned"] if case.kind in peers.TUNED else []
    peer_names += ["aare"] if case.kind == "jungfrau" else []
    peer_names += ["decode"] if case.name == "jungfrau-bitshuffle" else []
    for n in (1, 2):
        ways[f"direct{n}"] = peers.direct(case, n)
        ways[f"numba{n}"] = peers.with_numba(case, n, constants)
        if "numba_tuned" in peer_names:
            ways[f"numba_tuned{n}"] = peers.with_numba(case, n, constants, tuned=True)
        if "aare" in peer_names:
            ways[f"aare{n}"] = peers.with_aare(case, n)
        if "decode" in peer_names:
            ways[f"decode{n}"] = peers.decode_threads(case, n)
        ways[f"memcpy{n}"] = peers.copy_bytes(case, n, source)
        ways[f"pread{n}"] = peers.pread_raw(case, n)
    for n, end in ((2, ""), (1, "_1")):
        ratios |= {f"direct_vs_{peer}{end}": (f"direct{n}", f"{peer}{n}") for peer in peer_names}
    if case.name == "jungfrau-bitshuffle":
        ways["decode_h5py"] = peers.decode_h5py(case)
        ratios["direct_vs_decode_h5py_1"] = ("direct1", "decode_h5py")
    return Group(case.name, places, ways, ratios)


def part(case: Case) -> Group:
    """Some of the frames: ways that are slow, or need another copy; ours read the same frames."""
    ways = {
        "filter": peers.through_h5py(case, "calibrated"),
        "filter_nocache": peers.through_h5py(case, "calibrated", no_cache=True),
        "stored_nocache": peers.through_h5py(case, "stored", no_cache=True),
        "contiguous": peers.through_h5py(case, "contiguous"),
        "stored_bitshuffle": peers.through_h5py(case, "stored_bitshuffle"),
        "stored_gzip": peers.through_h5py(case, "stored_gzip"),
        "numpy": peers.with_numpy(case),
        "direct2": peers.direct(case, 2),
    }
    ratios = {
        "filter_vs_stored_nocache": ("filter_nocache", "stored_nocache"),
        "filter_vs_contiguous": ("filter", "contiguous"),
        "filter_vs_stored_bitshuffle": ("filter", "stored_bitshuffle"),
        "filter_vs_stored_gzip": ("filter", "stored_gzip"),
        "filter_vs_numpy": ("filter", "numpy"),
        "direct_vs_contiguous": ("direct2", "contiguous"),
        "direct_vs_stored_bitshuffle": ("direct2", "stored_bitshuffle"),
        "direct_vs_stored_gzip": ("direct2", "stored_gzip"),
    }
    return Group(case.name, case.blocks(case.part), ways, ratios, suffix="_part")


def short_calls(case: Case) -> Group:
    """Less than a train a call, so that the constants of a cell serve one frame only."""
    places = case.blocks(block_bytes=read_cases.BLOCK_BYTES)
    ways = {
        "filter": peers.through_h5py(case, "calibrated"),
        "direct2": peers.direct(case, 2),
        "stored": peers.through_h5py(case, "stored"),
        "memcpy2": peers.copy_bytes(case, 2, np.ones((places[0].stop, *case.shape[1:]), "f4")),
    }
    ratios = {"filter_vs_stored_short": ("filter", "stored"),
              "direct_vs_stored_short": ("direct2", "stored"),
              "direct_vs_memcpy_short": ("direct2", "memcpy2")}  # fmt: skip
    return Group(case.name, places, ways, ratios, suffix="_short")


def three(case: Case, name: str, places: list[slice], roi: tuple[slice, ...] = ()) -> Group:
    """Through the filter, direct, and stored."""
    ways = {
        "filter": peers.through_h5py(case, "calibrated"),
        "stored": peers.through_h5py(case, "stored"),
        "direct1": peers.direct(case, 1),
        "direct2": peers.direct(case, 2),
    }
    ratios = {"filter_vs_stored": ("filter", "stored"),
              "direct_vs_stored_1": ("direct1", "stored"),
              "direct_vs_stored": ("direct2", "stored")}  # fmt: skip
    return Group(name, places, ways, ratios, roi)


def at_random(case: Case, accesses: int) -> Group:
    """Single frames here and there, one a call."""
    where = np.random.default_rng(4).integers(0, case.shape[0], accesses)
    return three(case, f"{case.name}-random", [slice(int(i), int(i) + 1) for i in where])


def region(case: Case) -> Group:
    """A quarter of the rows and of the columns, of all frames, in as many calls as whole frames."""
    roi = tuple(slice(n // 4 + 1, n // 2 + 1) for n in case.shape[1:])
    return three(case, f"{case.name}-roi", case.blocks(), roi)


# ---- hot --------------------------------------------------------------------------------------


def output_of(group: Group, shape: tuple[int, ...]) -> np.ndarray:
    """Where all ways of a group write; its pages exist."""
    longest = max(where.stop - where.start for where in group.places)
    axes = [s.stop - s.start for s in group.roi] or list(shape[1:])
    return np.ones((longest, *axes), "f4")


def verify(case: Case, group: Group, names: set[str], out: np.ndarray) -> None:
    """Each way's values of a few frames, by the rule in float64; who is wrong ends the run."""
    last = group.places[-1]
    n = min(3, len(out), last.stop - last.start)
    for where in (slice(0, n), slice(last.stop - n, last.stop)):
        want = case.expected(where)[(slice(None), *group.roi)]
        for name in names:
            if name.startswith(("memcpy", "pread")):
                continue
            out[...] = -1
            got = group.ways[name](out, [where], group.roi)
            if name.startswith("decode"):
                with h5py.File(case.path) as f:
                    index = (
                        where.stop - 1
                        if n == 1 or not name.endswith("2")
                        else where.start + n // 2 - 1
                    )
                    good = np.array_equal(got[-1], f["raw"][index])
            else:
                good = np.allclose(got, want, rtol=1e-5, atol=2e-3, equal_nan=True)
            if not good:
                sys.exit(f"{group.case}: {name} gives wrong values of frames {where}")


def take_turns(
    group: Group, names: list[str], out: np.ndarray, rounds: int
) -> tuple[dict[str, list[float]], int]:
    """Seconds of every way in every round, and the bytes that came from the disk."""
    seconds, before = {name: [] for name in names}, 0
    for i in range(rounds + 1):
        before = disk_bytes() if i == 1 else before
        order = names[i % len(names) :] + names[: i % len(names)]
        for name in order if i % 2 else reversed(order):
            start = time.perf_counter()
            group.ways[name](out, group.places, group.roi)
            if i:  # the first round fills caches
                seconds[name].append(time.perf_counter() - start)
    return seconds, disk_bytes() - before


def hot(case: Case, group: Group, rounds: int, only: str) -> list[dict]:
    """Ratios and speeds of a group."""
    names = sorted(group.needed(only))
    if not names:
        return []
    begin, out = time.perf_counter(), output_of(group, case.shape)
    verify(case, group, set(names), out)
    seconds, from_disk = take_turns(group, names, out, rounds)
    rows = []
    for metric, (ours, theirs) in group.ratios.items():
        if metric.startswith(only) and {ours, theirs} <= set(names):
            pairs = zip(seconds[ours], seconds[theirs], strict=True)
            rows.append(row(group.case, metric, [b / a for a, b in pairs], "ratio"))
    if not group.roi:
        rows += [r for r in roofline(case, group, seconds) if r["metric"].startswith(only)]
    count = sum(where.stop - where.start for where in group.places)
    gigabytes = count * out[0].nbytes / 1e9
    for name, values in seconds.items():
        size = count * case.raw_bytes / 1e9 if name.startswith("pread") else gigabytes
        rows.append(
            row(group.case, f"speed_{name}{group.suffix}", [size / s for s in values], "GB/s")
        )
    rows.append(row(group.case, f"disk_bytes_while_hot{group.suffix}", [from_disk], "bytes"))
    if from_disk > max(0.01 * gigabytes * 1e9, 16e6):
        LOG.print(f"[red]{group.case}: {from_disk / 1e6:.0f} MB came from the disk: not hot")
    LOG.print(f"{group.case}{group.suffix}: {time.perf_counter() - begin:.0f} s")
    return rows


def roofline(case: Case, group: Group, seconds: dict) -> list[dict]:
    """Bytes that must move (raw, result, constants no cache holds) at the speed of memcpy."""
    pixels = case.frame_bytes * sum(where.stop - where.start for where in group.places)
    raw = pixels * case.raw_bytes // case.frame_bytes
    if case.name == "jungfrau-bitshuffle":
        with h5py.File(case.path) as f:
            raw = f["raw"].id.get_storage_size()
    constants = constant_bytes(case, group.places)
    moved = (raw + pixels + constants) / (2 * pixels)  # memcpy reads and writes `pixels`
    rows = []
    for n, end in ((2, ""), (1, "_1")):
        if {f"memcpy{n}", f"direct{n}"} <= set(seconds):
            pairs = zip(seconds[f"memcpy{n}"], seconds[f"direct{n}"], strict=True)
            values = [moved * copy / ours for copy, ours in pairs]
            rows.append(row(case.name, f"direct_vs_roofline{end}{group.suffix}", values, "ratio",
                            constant_bytes=constants))  # fmt: skip
        if {f"memcpy{n}", "stored"} <= set(seconds):
            pairs = zip(seconds[f"memcpy{n}"], seconds["stored"], strict=True)
            values = [theirs / (moved * copy) for copy, theirs in pairs]
            rows.append(row(case.name, f"roofline_vs_stored{end}{group.suffix}", values, "ratio"))
    return rows


def constant_bytes(case: Case, places: list[slice]) -> int:
    """Constants that come from memory: each cell's once a call, where L3 cannot hold all cells."""
    if case.kind != "agipd" or len(case.arrays["threshold"]) * case.cell_bytes <= l3_bytes():
        return case.cell_bytes
    cells = case.arrays["cells"]
    return case.cell_bytes * sum(len(np.unique(cells[where])) for where in places)


def disk_bytes() -> int:
    """What this process caused the disk to read, where the system counts it."""
    path = Path("/proc/self/io")
    if not path.exists():
        return 0
    return int(dict(s.split(": ") for s in path.read_text().splitlines())["read_bytes"])


# ---- cold, fresh processes -----------------------------------------------------------------------


def cold(case: Case, warm: Path, rounds: int, only: str) -> list[dict]:
    """Whole passes with files that are not in the page cache, where this machine lets us."""
    if not ("cold_vs_stored".startswith(only) or only.startswith("cold")):
        return []
    fresh.let_go(warm)
    if not fresh.drop(case.path, case.copies):
        LOG.print(f"{case.name}: the page cache cannot be dropped, nothing cold measured")
        return []
    ways = {"filter": peers.through_h5py(case, "calibrated"),
            "stored": peers.through_h5py(case, "stored"),
            "direct2": peers.direct(case, 2)}  # fmt: skip
    group = Group(case.name, case.blocks(), ways, {})
    out, seconds = output_of(group, case.shape), {name: [] for name in ways}
    for i in range(rounds + 1):
        for name in list(ways)[:: 1 if i % 2 else -1]:
            fresh.let_go(warm)
            if not fresh.drop(case.path, case.copies):
                raise OSError(f"{case.path} stays in the page cache")
            start = time.perf_counter()
            ways[name](out, group.places)
            if i:  # the first round: what a hypervisor keeps of the disk is then there for all
                seconds[name].append(time.perf_counter() - start)
    rows = []
    for metric, ours in (("cold_vs_stored", "filter"), ("cold_direct_vs_stored", "direct2")):
        pairs = zip(seconds[ours], seconds["stored"], strict=True)
        rows.append(row(case.name, metric, [b / a for a, b in pairs], "ratio"))
    gigabytes = case.frame_bytes * case.shape[0] / 1e9
    for name, values in seconds.items():
        rows.append(row(case.name, f"speed_cold_{name}", [gigabytes / s for s in values], "GB/s"))
    return rows


def first_frame(case: Case, warm: Path, rounds: int, only: str) -> list[dict]:
    """Time from opening a file to its first frame, in processes that have just begun."""
    rows = []
    fresh.let_go(warm)
    for end, more in (("", ()), ("_cold", ("cold",))):
        metric = f"first_frame_vs_stored{end}"
        if not metric.startswith(only) or (more and not fresh.drop(case.path, case.copies)):
            continue
        seconds = {"calibrated": [], "stored": []}
        for i in range(rounds):
            for name in list(seconds)[:: 1 if i % 2 else -1]:
                path = case.path if name == "calibrated" else case.copies
                seconds[name].append(fresh.ask("first", path, name, warm, *more))
        pairs = zip(*seconds.values(), strict=True)
        rows.append(row(case.name, metric, [a / b for a, b in pairs], "time ratio"))
        for name, values in seconds.items():
            values = [1e3 * s for s in values]
            rows.append(row(case.name, f"first_frame_{name}{end}", values, "ms"))
    return rows


def peak_memory(case: Case, warm: Path, only: str) -> list[dict]:
    """By how much a process that reads all frames grows beyond its output."""
    if not ("peak_extra_bytes".startswith(only) or only.startswith("peak_extra_bytes")):
        return []
    limit = int(os.environ.get("H5CALIB_CACHE_BYTES", 1 << 30))
    chunk = 4 * int(np.prod(case.chunks))
    stored = fresh.ask("peak", case.copies, "stored", warm)
    rows = []
    for end, what, cache in (("", "peak", limit), ("_direct", "peak-direct", limit),
                             ("_small_cache", "peak", SMALL_CACHE)):  # fmt: skip
        found = fresh.ask(what, case.path, "calibrated", warm, H5CALIB_CACHE_BYTES=str(cache))
        rows.append(row(case.name, f"peak_extra_bytes{end}", [found], "bytes",
                        bound=cache + 4 * chunk, stored=stored))  # fmt: skip
    return rows


# ---- the machine, the run --------------------------------------------------------------------


def l3_bytes() -> int:
    """The largest cache of the processor; 32 MiB where the system does not tell."""
    sizes = [
        path.read_text().strip()
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    ]
    units = {"K": 1 << 10, "M": 1 << 20}
    return max((int(s[:-1]) * units[s[-1]] for s in sizes), default=32 << 20)


def machine(folder: Path) -> list[dict]:
    """What the figures depend on, as rows with a text."""
    cpuinfo, mounts = Path("/proc/cpuinfo"), Path("/proc/mounts")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), "")
    file_system = "unknown"
    if mounts.exists():
        found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
        over = [(len(at), kind) for at, kind in found if folder.resolve().is_relative_to(at)]
        file_system = max(over)[1]
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cache = h5py.h5p.create(h5py.h5p.FILE_ACCESS).get_cache()[2]
    variant = _plugin.report()["cpu_variant"]
    info = {
        "processors": (cpus, "count", f"{model or platform.machine()}, kernels: {variant}"),
        "l3_bytes": (l3_bytes(), "bytes", f"{l3_bytes() >> 20} MiB of L3 cache"),
        "hdf5": (
            float(".".join(h5py.version.hdf5_version.split(".")[:2])), "version",
            f"HDF5 {h5py.version.hdf5_version}, h5py {h5py.__version__}, "
            f"NumPy {np.__version__}, Python {platform.python_version()}",
        ),
        "chunk_cache_bytes": (cache, "bytes", f"default chunk cache: {cache / 2**20:.0f} MiB"),
        "block_bytes": (
            read_cases.BLOCK_BYTES, "bytes",
            f"{read_cases.BLOCK_BYTES >> 20} MiB a read call, 16 trains of AGIPD",
        ),
        "folder": (1.0, "folder", f"file system: {file_system}"),
        "library": (1.0, "version", f"h5calib {h5calib.__version__}"),
    }  # fmt: skip
    return [{"case": "machine", "metric": metric, "value": float(value), "unit": unit,
             "text": text} for metric, (value, unit, text) in info.items()]  # fmt: skip


def run_case(name: str, folder: Path, size: read_cases.Size, rounds: int, only: str) -> list[dict]:
    begin = time.perf_counter()
    warm, case = fresh.make_warm(folder), read_cases.make(name, folder, size)
    fresh.let_go(warm)
    fresh.refill(*read_cases.files(case))
    LOG.print(f"{name}: files made in {time.perf_counter() - begin:.0f} s")
    rows = [row(name, "frames", [case.shape[0]], "count", chunks=list(case.chunks))]
    rows.append(row(name, "in_huge_pages", [fresh.in_huge_pages(case.path)], "part"))
    makers = [whole, part, lambda c: at_random(c, size.accesses)]
    if case.kind == "agipd":
        makers.insert(1, short_calls)
    if name in ("jungfrau", "ccd"):
        makers.append(region)
    for make in makers:
        rows += hot(case, make(case), rounds, only)
    rows += peak_memory(case, warm, only)
    if case.kind == "agipd":
        rows += first_frame(case, warm, rounds, only)
    begin = time.perf_counter()
    rows += cold(case, warm, max(2, rounds // 2 + 1), only)
    LOG.print(f"{name} cold: {time.perf_counter() - begin:.0f} s")
    for path in (*read_cases.files(case), warm):
        path.unlink()
    return rows


def default_folder() -> str:
    """A temporary folder on a disk, not in memory as /tmp may be."""
    var = Path("/var/tmp")
    return os.environ.get("TMPDIR") or (str(var) if var.is_dir() else tempfile.gettempdir())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    cases = [*read_cases.MAKERS, "scaling"]
    parser.add_argument("--quick", action="store_true", help="fewer frames")
    parser.add_argument("--tiny", action="store_true", help="no figures, only: does it run")
    parser.add_argument("--rounds", type=int, default=9, help="[%(default)s]")
    parser.add_argument("--case", action="append", choices=cases, help="one case; may be repeated")
    parser.add_argument("--only", default="", help="only metrics whose names begin so")
    parser.add_argument("--json", help="write the rows here")
    parser.add_argument("--plot", help="write a picture of the ratios here")
    parser.add_argument("--plot-scaling", help="and of cost over number of frames here")
    parser.add_argument("--folder", default=default_folder(), help="for files [%(default)s]")
    options = parser.parse_args()
    options.case = options.case or cases
    return options


def main() -> None:
    options, begin = parse(), time.perf_counter()
    size = (
        read_cases.TINY if options.tiny else read_cases.QUICK if options.quick else read_cases.FULL
    )
    rounds = 2 if options.tiny else options.rounds
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="h5calib-bench-") as name:
        folder = Path(name)
        rows = machine(folder)
        sizes = "tiny" if options.tiny else "--quick" if options.quick else "full"
        rows.append(
            row("machine", "rounds", [rounds], "count", text=f"{sizes} sizes, {rounds} rounds")
        )
        for case in options.case:
            if case == "scaling":
                found = scaling.measure(folder, size.scaling, size.accesses, rounds)
                rows += [r for r in found if r["metric"].startswith(options.only)]
            else:
                rows += run_case(case, folder, size, rounds, options.only)
    minutes = (time.perf_counter() - begin) / 60
    rows.append(row("machine", "minutes", [minutes], "min", text=f"{minutes:.1f} minutes"))
    show(rows)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=0) + "\n")
    if options.plot:
        plot_ratios(rows, options.plot)
    if options.plot_scaling:
        plot_scaling(rows, options.plot_scaling)


if __name__ == "__main__":
    main()
