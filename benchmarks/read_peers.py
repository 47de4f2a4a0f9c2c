"""Ways to get calibrated frames, ours and others'.

A way is a function `run(out, places, roi)`. It opens the file, reads each of `places` (slices along
the first axis, one read call each) within `roi` (slices along the others) into the beginning of
`out`, closes the file, and returns the last values. Buffers are allocated once, by the first call.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # numba's threads do not spin in others' turns

import h5calib
import h5py
import hdf5plugin
import numba
import numpy as np
from read_cases import Case

Way = Callable[..., np.ndarray]
PREAD_BYTES = 256 * 1024  # a buffer that stays in the L2 cache
RAW_BYTES = 8 * 1024 * 1024  # of raw data that numba and aare get at once: stays in the L3 cache


@functools.cache
def pool() -> ThreadPoolExecutor:
    """One persistent thread beside the calling one."""
    return ThreadPoolExecutor(1)


def share(work: Callable[[int, int], None], n: int, threads: int) -> None:
    """work(begin, end) over n items, in equal parts on one or two threads."""
    if threads == 1:
        work(0, n)
        return
    other = pool().submit(work, n // 2, n)
    work(0, n // 2)
    other.result()


def through_h5py(case: Case, name: str, no_cache: bool = False) -> Way:
    """h5py reading one dataset; HDF5's default chunk cache, or none."""
    path = case.path if name in ("calibrated", "raw") else case.copies
    options = {"rdcc_nbytes": 0} if no_cache else {}

    def run(out, places, roi=()):
        with h5py.File(path, "r", **options) as f:
            dataset = f[name]
            for where in places:
                into = out[: where.stop - where.start]
                dataset.read_direct(into, (where, *roi))
        return into

    return run


def direct(case: Case, threads: int) -> Way:
    """h5calib.read."""

    def run(out, places, roi=()):
        with h5py.File(case.path, "r") as f:
            dataset = f["calibrated"]
            for where in places:
                into = out[: where.stop - where.start]
                h5calib.read(dataset, (where, *roi), out=into, threads=threads)
        return into

    return run


class RawReader:
    """h5py reading raw data into a buffer that is used again."""

    def __init__(self, case: Case, most_bytes: int | None = None) -> None:
        self.case, self.buffer = case, np.empty(0, "u2")
        self.step = max(1, most_bytes // case.raw_bytes) if most_bytes else None

    def pieces(self, places):
        """(where, where in its place, raw data), as much at once as was asked for."""
        with h5py.File(self.case.path, "r") as f:
            raw = f["raw"]
            for place in places:
                step = self.step or place.stop - place.start
                if len(self.buffer) < step:
                    self.buffer = np.empty((step, *raw.shape[1:]), "u2")
                for i in range(place.start, place.stop, step):
                    where = slice(i, min(i + step, place.stop))
                    block = self.buffer[: where.stop - i]
                    raw.read_direct(block, np.s_[where])
                    yield where, slice(i - place.start, where.stop - place.start), block


def with_numpy(case: Case) -> Way:
    """h5py and NumPy, as most scripts do it."""
    a, reader = case.arrays, RawReader(case)

    def agipd(raw, where, out):
        for i, cell in enumerate(a["cells"][where]):
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
        np.subtract(raw, a["pedestal"], out=out)

    rule = {"agipd": agipd, "jungfrau": jungfrau, "ccd": ccd}[case.kind]

    def run(out, places, roi=()):
        for where, inside, raw in reader.pieces(places):
            rule(raw, where, out[inside])
        return out[: inside.stop]

    return run


# ---- numba: raw data and constants as (frames or cells, ..., pixels), constants in float32 -----


compiled = numba.njit(parallel=True, error_model="numpy")


@compiled
def numba_agipd(raw, cells, threshold, pedestal, gain, out):
    for i in numba.prange(raw.shape[0]):
        c = cells[i]
        for k in range(raw.shape[2]):
            v = np.float32(raw[i, 1, k])
            g = 2 if v > threshold[c, 1, k] else (1 if v > threshold[c, 0, k] else 0)
            out[i, k] = (np.float32(raw[i, 0, k]) - pedestal[c, g, k]) / gain[c, g, k]


@compiled
def numba_jungfrau(raw, pedestal, gain, out):
    for i in numba.prange(raw.shape[0]):
        for k in range(raw.shape[1]):
            code = raw[i, k] >> 14
            g = 2 if code == 3 else (1 if code == 1 else 0)
            out[i, k] = (np.float32(raw[i, k] & 0x3FFF) - pedestal[g, k]) / gain[g, k]


@compiled
def numba_ccd(raw, pedestal, out):
    for i in numba.prange(raw.shape[0]):
        for k in range(raw.shape[1]):
            out[i, k] = np.float32(raw[i, k]) - pedestal[k]


# The same by somebody who knows what our kernels do: 64 pixels as if all were in high gain, then
# once more, one by one, where they were not.


@compiled
def tuned_agipd(raw, cells, threshold, pedestal, gain, out):
    for i in numba.prange(raw.shape[0]):
        c = cells[i]
        for start in range(0, raw.shape[2], 64):
            n = min(64, raw.shape[2] - start)
            signal, voltage = raw[i, 0, start : start + n], raw[i, 1, start : start + n]
            first, second = threshold[c, 0, start : start + n], threshold[c, 1, start : start + n]
            zero, unit = pedestal[c, 0, start : start + n], gain[c, 0, start : start + n]
            o = out[i, start : start + n]
            other = 0
            for k in range(n):
                v = np.float32(voltage[k])
                o[k] = (np.float32(signal[k]) - zero[k]) / unit[k]
                other |= (v > first[k]) | (v > second[k])
            if other:
                for k in range(n):
                    v = np.float32(voltage[k])
                    g = 2 if v > second[k] else (1 if v > first[k] else 0)
                    o[k] = (np.float32(signal[k]) - pedestal[c, g, start + k]) / gain[
                        c, g, start + k
                    ]


@compiled
def tuned_jungfrau(raw, pedestal, gain, out):
    pixels, block = raw.shape[1], 8192
    for b in numba.prange((pixels + block - 1) // block):  # its constants stay in the L2 cache
        for i in range(raw.shape[0]):
            for start in range(b * block, min(pixels, (b + 1) * block), 64):
                n = min(64, pixels - start)
                r, o = raw[i, start : start + n], out[i, start : start + n]
                zero, unit = pedestal[0, start : start + n], gain[0, start : start + n]
                codes = np.uint16(0)
                for k in range(n):
                    o[k] = (np.float32(r[k] & 0x3FFF) - zero[k]) / unit[k]
                    codes |= r[k]
                if codes >> 14:
                    for k in range(n):
                        code = r[k] >> 14
                        g = 2 if code == 3 else (1 if code == 1 else 0)
                        adc = np.float32(r[k] & 0x3FFF)
                        o[k] = (adc - pedestal[g, start + k]) / gain[g, start + k]


PLAIN = {"agipd": numba_agipd, "jungfrau": numba_jungfrau, "ccd": numba_ccd}
TUNED = {"agipd": tuned_agipd, "jungfrau": tuned_jungfrau}  # a camera has no gain stages


def flat(array: np.ndarray) -> np.ndarray:
    """The pixels as one axis."""
    return array.reshape(*array.shape[:-2], -1)


def with_numba(case: Case, threads: int, a: dict[str, np.ndarray], tuned: bool = False) -> Way:
    """h5py and a compiled parallel loop; `a`: constants in float32, prepared beforehand."""
    reader, rule = RawReader(case, RAW_BYTES), (TUNED if tuned else PLAIN)[case.kind]

    def run(out, places, roi=()):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        for where, inside, raw in reader.pieces(places):
            some = (a["cells"][where], a["threshold"]) if case.kind == "agipd" else ()
            gain = (a["gain"],) if "gain" in a else ()
            rule(flat(raw), *some, a["pedestal"], *gain, flat(out[inside]))
        return out[: inside.stop]

    return run


def numba_constants(case: Case) -> dict[str, np.ndarray]:
    return {
        name: array if name == "cells" else np.ascontiguousarray(flat(array), "f4")
        for name, array in case.arrays.items()
    }


def with_aare(case: Case, threads: int) -> Way:
    """h5py and PSI's aare in float32; it allocates its results, of a size that malloc reuses."""
    import aare

    pedestal, gain = (case.arrays[name].astype("f4") for name in ("pedestal", "gain"))
    reader = RawReader(case, RAW_BYTES)

    def run(out, places, roi=()):
        for _, _, raw in reader.pieces(places):
            found = aare.apply_calibration(raw, pd=pedestal, cal=gain, n_threads=threads)
        return found

    return run


# ---- what bounds all ways ----------------------------------------------------------------------


def copy_bytes(case: Case, threads: int, source: np.ndarray) -> Way:
    """memcpy of as many bytes as the result has, from an array of that size."""

    def run(out, places, roi=()):
        to, of = out.ctypes.data, source.ctypes.data
        for where in places:
            size = (where.stop - where.start) * case.frame_bytes
            share(lambda a, b: ctypes.memmove(to + a, of + a, b - a), size, threads)
        return out[: where.stop - where.start]

    return run


def pread_raw(case: Case, threads: int) -> Way:
    """pread of as many bytes as raw has, from its file into a buffer that stays in the L2 cache."""
    local = threading.local()

    def run(out, places, roi=()):
        fd = os.open(case.path, os.O_RDONLY)
        size = os.fstat(fd).st_size

        def work(begin, end):
            if not hasattr(local, "buffer"):
                local.buffer = memoryview(bytearray(PREAD_BYTES))
            for at in range(begin, end, PREAD_BYTES):
                if os.preadv(fd, [local.buffer[: min(PREAD_BYTES, end - at)]], at % size) <= 0:
                    raise OSError(f"{case.path} ends at {at}")

        try:
            for where in places:
                begin, n = where.start * case.raw_bytes, where.stop - where.start
                share(lambda a, b: work(begin + a, begin + b), n * case.raw_bytes, threads)  # noqa: B023
        finally:
            os.close(fd)
        return out

    return run


@functools.cache
def bitshuffle() -> Callable:
    """bshuf_decompress_lz4(from, to, n elements, bytes of one, elements a block) of hdf5plugin."""
    name = next(Path(hdf5plugin.PLUGINS_PATH).glob("libh5bshuf.*"))
    function = ctypes.CDLL(str(name)).bshuf_decompress_lz4
    function.restype = ctypes.c_int64
    function.argtypes = (*[ctypes.c_void_p] * 2, *[ctypes.c_size_t] * 3)
    return function


def decode_h5py(case: Case) -> Way:
    """What a reader of compressed raw data through HDF5 has to do, without calibrating it."""
    reader = RawReader(case, case.raw_bytes)

    def run(out, places, roi=()):
        *_, (_, _, raw) = reader.pieces(places)
        return raw

    return run


def decode_threads(case: Case, threads: int) -> Way:
    """The compressed chunks by h5py, decoded by hdf5plugin's codec on threads, one chunk each."""
    decompress, local = bitshuffle(), threading.local()

    def run(out, places, roi=()):
        with h5py.File(case.path, "r") as f:
            raw = f["raw"]

            def work(begin, end):
                if not hasattr(local, "frame"):
                    local.frame = np.empty(raw.shape[1:], "u2")
                for i in range(begin, end):
                    _, packed = raw.id.read_direct_chunk((i, 0, 0))
                    block = int.from_bytes(packed[8:12], "big") // 2
                    source = np.frombuffer(packed, "u1").ctypes.data + 12
                    to = local.frame.ctypes.data
                    if decompress(source, to, local.frame.size, 2, block) < 0:
                        raise OSError(f"chunk {i} of {case.path} cannot be decoded")

            work(0, 0)  # this thread's buffer
            for where in places:
                begin = where.start
                share(lambda a, b: work(begin + a, begin + b), where.stop - begin, threads)  # noqa: B023
            return local.frame[None]

    return run
