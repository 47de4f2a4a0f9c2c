"""What a fresh process sees: time to the first frame, peak memory; and files not in memory.

    python benchmarks/read_fresh.py first|peak|peak-direct FILE DATASET WARM [cold]

prints seconds or bytes. Before it begins, it has read WARM, another file with a small calibrated
dataset, so that HDF5 and the plugin are loaded whichever dataset is asked for.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import h5calib
import h5py
import hdf5plugin  # noqa: F401  (the same modules for every dataset)
import numpy as np

READ_BYTES = 8 * 1024 * 1024
BLOCK_CHUNKS = 8  # that one read call of the memory measurement covers


def resident(path: Path) -> float:
    """The part of a file that is in the page cache."""
    size = os.stat(path).st_size
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    with open(path, "rb") as f:
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, f.fileno(), 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), f"cannot map {path}")
    try:
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), found):
            raise OSError(ctypes.get_errno(), "mincore")
    finally:
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    return float(np.mean(np.frombuffer(found, "u1") & 1))


def drop(*paths: Path) -> bool:
    """Take files out of the page cache; False where the system did not let us."""
    if not sys.platform.startswith("linux"):
        return False
    for path in paths:
        with open(path, "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if max(map(resident, paths)) > 0.01:
        drop_all()
    return max(map(resident, paths)) <= 0.01


def drop_all() -> None:
    """Empty the page cache, where this process may."""
    with contextlib.suppress(OSError):  # only root may
        Path("/proc/sys/vm/drop_caches").write_text("1\n")


def in_huge_pages(path: Path) -> float:
    """The part of a file that the page cache holds in huge pages (Linux; else 0)."""
    maps = Path("/proc/self/smaps")
    if not maps.exists():
        return 0.0
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as memory:
        pages = np.frombuffer(memory, "u1")[:: mmap.PAGESIZE]
        pages.sum()  # touches each
        del pages
        _, _, ours = maps.read_text().partition(f"{path}\n")
        found = re.search(r"^FilePmdMapped: *(\d+) kB$", ours, re.MULTILINE)
    return int(found[1]) * 1024 / path.stat().st_size if found else 0.0


def refill(*paths: Path) -> None:
    """Fill the page cache from the disk, as with data that was not written here just now.

    What was read lies there in larger pages than what was written in pieces, where other files
    leave room for them.
    """
    if not drop(*paths):
        return
    drop_all()
    buffer = bytearray(READ_BYTES)
    for path in paths:
        with open(path, "rb", buffering=0) as f:
            while f.readinto(buffer):
                pass


def let_go(warm: Path) -> None:
    """The plugin keeps what it knows of closed files until it reads another one."""
    with h5py.File(warm) as f:
        f["calibrated"][...]


def make_warm(folder: Path) -> Path:
    """The small file that loads what has to be loaded."""
    path = folder / "warm.h5"
    with h5py.File(path, "w") as f:
        f["raw"] = np.zeros((2, 2, 2), "u2")
        one = h5calib.Pedestal(pedestal=np.zeros((2, 2)))
        h5calib.create_calibrated_dataset(f, "calibrated", raw="raw", calibration=one)
    return path


# NumPy's BLAS makes a thread that keeps a processor busy for some time after the import.
QUIET = {"OPENBLAS_NUM_THREADS": "1"}


def ask(what: str, path: Path, name: str, warm: Path, *more: str, **environment: str) -> float:
    """The number that a fresh process prints."""
    command = [sys.executable, __file__, what, str(path), name, str(warm), *more]
    environment = {**os.environ, **QUIET, **environment}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def first(path: Path, name: str, cold: bool) -> float:
    """Seconds from opening the file to having its first frame in an array that exists already."""
    with h5py.File(path) as f:
        out = np.ones(f[name].shape[1:], "f4")
    if cold and not drop(path):
        raise OSError(f"{path} stays in the page cache")
    start = time.perf_counter()
    with h5py.File(path) as f:
        f[name].read_direct(out, np.s_[0])
        return time.perf_counter() - start


def peak(path: Path, name: str, direct: bool) -> float:
    """Bytes by which the process grew at most while it read all frames into an existing array."""
    with h5py.File(path) as f:
        dataset = f[name]
        n = BLOCK_CHUNKS * dataset.chunks[0]
        out = np.ones((n, *dataset.shape[1:]), "f4")
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5\n")  # the peak begins anew
    before = peak_bytes()
    with h5py.File(path) as f:
        dataset = f[name]
        for i in range(0, len(dataset), n):
            into = out[: len(dataset) - i]
            where = np.s_[i : i + len(into)]
            if direct:
                h5calib.read(dataset, where, out=into, threads=2)
            else:
                dataset.read_direct(into, where)
    return peak_bytes() - before


def peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(what: str, file: str, name: str, warm: str, *more: str) -> None:
    with h5py.File(warm) as f:
        f["calibrated"][...]
        h5calib.read(f["calibrated"], threads=2)
    path = Path(file)
    print(first(path, name, "cold" in more) if what == "first"
          else peak(path, name, what == "peak-direct"))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
