"""How the first h5calib made its datasets: a header written through the filter, frame by frame.

    python benchmarks/first_way.py FILE FRAMES Y X      prints {"seconds": ..., "bytes": ...}

Its filter kept the header of each frame and dropped the rest. A stand-in does the same here, and
must be the only filter of that number: run by create.py in a process of its own.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path

import h5py
import numpy as np

FILTER, HEADER_BYTES = 57836, 64
CALLBACK = ctypes.CFUNCTYPE(
    *(ctypes.c_size_t, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p),
    *(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p),
)


class FilterClass(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder", ctypes.c_uint),
        ("decoder", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", CALLBACK),
    )


def register() -> FilterClass:
    """The stand-in; returned, because HDF5 keeps only a pointer."""
    callback = CALLBACK(lambda flags, n, values, n_bytes, size, buffer: HEADER_BYTES)
    stand_in = FilterClass(1, FILTER, 1, 1, b"stand-in", None, None, callback)
    if ctypes.CDLL(h5py.h5z.__file__).H5Zregister(ctypes.byref(stand_in)) < 0:
        raise OSError("HDF5 did not take the filter")
    return stand_in


def create(path: Path, n_frames: int, shape: tuple[int, int]) -> None:
    with h5py.File(path, "w", libver="latest") as f:
        dataset = f.create_dataset(
            "calibrated", (n_frames, *shape), "f4", chunks=(1, *shape), compression=FILTER
        )
        for i in range(n_frames):
            buffer = np.zeros(shape, "f4")
            buffer.view("u4").ravel()[:6] = 0x6290D662, 1, 0x10001, i, *shape
            dataset[i] = buffer


def main(file: str, *numbers: str) -> None:
    n_frames, ny, nx = map(int, numbers)
    keep = register()
    start = time.perf_counter()
    create(Path(file), n_frames, (ny, nx))
    seconds = time.perf_counter() - start
    del keep
    print(json.dumps({"seconds": seconds, "bytes": Path(file).stat().st_size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
