"""Ways to get calibrated frames, ours and others'. Each fills `out` from a case, block by block."""

from __future__ import annotations

from collections.abc import Callable

import h5calib
import h5py
import numba
import numpy as np
from read_cases import Case

BLOCK_BYTES = 64 * 1024 * 1024


def blocks(case: Case):
    """Places of blocks along the first axis."""
    frames = max(case.chunks[0], BLOCK_BYTES // (4 * int(np.prod(case.shape[1:]))))
    frames -= frames % case.chunks[0]
    return [slice(i, min(i + frames, case.shape[0])) for i in range(0, case.shape[0], frames)]


def through_h5py(case: Case, name: str, no_cache: bool = False) -> Callable:
    """h5py reading one dataset into a reused array; HDF5's default chunk cache, or none."""

    def run(out):
        with h5py.File(case.path, "r", **({"rdcc_nbytes": 0} if no_cache else {})) as f:
            dataset = f[name]
            for where in blocks(case):
                dataset.read_direct(out[: where.stop - where.start], np.s_[where])

    return run


def direct(case: Case, threads: int) -> Callable:
    """h5calib.read into a reused array."""

    def run(out):
        with h5py.File(case.path, "r") as f:
            for where in blocks(case):
                h5calib.read(
                    f["calibrated"], where, out=out[: where.stop - where.start], threads=threads
                )

    return run


def raw_blocks(case: Case):
    with h5py.File(case.path, "r") as f:
        for where in blocks(case):
            yield where, f["raw"][where]


def with_numpy(case: Case) -> Callable:
    """h5py and NumPy, as most scripts do it."""
    a = case.arrays

    def agipd(raw, where, out):
        cells = a["cells"][where]
        for i, cell in enumerate(cells):
            signal, voltage = raw[i].astype("f4")
            stage = (voltage > a["threshold"][cell, 0]).astype("u1")
            stage[voltage > a["threshold"][cell, 1]] = 2
            pedestal = np.choose(stage, a["pedestal"][cell].astype("f4"))
            out[i] = (signal - pedestal) / np.choose(stage, a["gain"][cell].astype("f4"))

    def jungfrau(raw, where, out):
        for i in range(len(raw)):
            stage = np.array([0, 1, 0, 2], "u1")[raw[i] >> 14]
            adc = (raw[i] & 0x3FFF).astype("f4")
            out[i] = (adc - np.choose(stage, a["pedestal"])) / np.choose(stage, a["gain"])

    def ccd(raw, where, out):
        np.subtract(raw, a["pedestal"], out=out[: len(raw)])

    rule = {"agipd": agipd, "jungfrau": jungfrau, "ccd": ccd}[case.kind]

    def run(out):
        for where, raw in raw_blocks(case):
            rule(raw, where, out)

    return run


@numba.njit(parallel=True, fastmath=False, cache=False)
def numba_agipd(raw, cells, threshold, pedestal, gain, out):
    for i in numba.prange(raw.shape[0]):
        c = cells[i]
        for y in range(raw.shape[2]):
            for x in range(raw.shape[3]):
                v = np.float32(raw[i, 1, y, x])
                g = 0
                if v > threshold[c, 0, y, x]:
                    g = 1
                if v > threshold[c, 1, y, x]:
                    g = 2
                out[i, y, x] = (np.float32(raw[i, 0, y, x]) - pedestal[c, g, y, x]) / gain[
                    c, g, y, x
                ]


@numba.njit(parallel=True, fastmath=False, cache=False)
def numba_jungfrau(raw, pedestal, gain, out):
    for i in numba.prange(raw.shape[0]):
        for y in range(raw.shape[1]):
            for x in range(raw.shape[2]):
                r = raw[i, y, x]
                code = r >> 14
                g = 2 if code == 3 else (1 if code == 1 else 0)
                out[i, y, x] = (np.float32(r & 0x3FFF) - pedestal[g, y, x]) / gain[g, y, x]


@numba.njit(parallel=True, fastmath=False, cache=False)
def numba_ccd(raw, pedestal, out):
    for i in numba.prange(raw.shape[0]):
        for y in range(raw.shape[1]):
            for x in range(raw.shape[2]):
                out[i, y, x] = np.float32(raw[i, y, x]) - pedestal[y, x]


def with_numba(case: Case, threads: int) -> Callable:
    """h5py, and a compiled parallel loop with float32 constants, as a competent user writes it."""
    a = {k: v.astype("f4") if v.dtype == "f2" else v for k, v in case.arrays.items()}

    def run(out):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        for where, raw in raw_blocks(case):
            if case.kind == "agipd":
                numba_agipd(raw, a["cells"][where], a["threshold"], a["pedestal"], a["gain"], out)
            elif case.kind == "jungfrau":
                numba_jungfrau(raw, a["pedestal"], a["gain"], out)
            else:
                numba_ccd(raw, a["pedestal"], out)

    return run


def with_aare(case: Case) -> Callable:
    """h5py and PSI's aare."""
    import aare

    pedestal, gain = (case.arrays[k].astype("f8") for k in ("pedestal", "gain"))

    def run(out):
        for _, raw in raw_blocks(case):
            aare.apply_calibration(raw, pd=pedestal, cal=gain, n_threads=1)

    return run


def only_decode(case: Case) -> Callable:
    """What any reader of compressed raw data has to do: h5py reading it, on the thread HDF5 has."""

    def run(out):
        with h5py.File(case.path, "r") as f:
            raw, frames = f["raw"], max(1, BLOCK_BYTES // (2 * int(np.prod(case.shape[1:]))))
            into = np.empty((frames, *case.shape[1:]), "u2")
            for i in range(0, case.shape[0], frames):
                n = min(frames, case.shape[0] - i)
                raw.read_direct(into[:n], np.s_[i : i + n])

    return run


def copy_bytes(case: Case, threads: int) -> Callable:
    """memcpy of as many bytes as the result has, by as many threads."""
    from concurrent.futures import ThreadPoolExecutor

    def run(out):
        source = copy_bytes.source.setdefault(out.shape, np.ones(out.shape, out.dtype))
        for where in blocks(case):
            n = where.stop - where.start
            parts = np.array_split(np.arange(n), threads)
            with ThreadPoolExecutor(threads) as pool:
                jobs = [(out[p[0] : p[-1] + 1], source[p[0] : p[-1] + 1]) for p in parts if len(p)]
                list(pool.map(lambda job: np.copyto(*job), jobs))

    return run


copy_bytes.source = {}
