"""Files that no program of ours writes: made to harm whoever reads them."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import h5calib
import h5py
import numpy as np

FILTER = 57836


def make(path: Path, shape=(4, 6, 8), *, libver="latest", chunks=None, **raw_options) -> Path:
    """One file: /raw of uint16 sevens, /calibrated of it with a pedestal of ones."""
    with h5py.File(path, "w", libver=libver) as f:
        f.create_dataset("raw", data=np.full(shape, 7, "u2"), **raw_options)
        h5calib.create_calibrated_dataset(
            *(f, "calibrated"),
            raw="raw",
            calibration=h5calib.Pedestal(pedestal=np.ones(shape[1:], "f4")),
            chunks=chunks or (1, *shape[1:]),
        )
    return path


def home_of(f: h5py.File) -> h5py.Group:
    (home,) = f["h5calib"].values()
    return home


def stub(uuid: bytes, chunk: int) -> bytes:
    number = struct.pack("<Q", chunk)
    return b"H5CS" + struct.pack("<I", zlib.crc32(uuid + number)) + number


def dataset(f, name, shape, chunk, dtype="f4", filters=(), unlimited=False):
    """A dataset of which nothing is written, with any chunks. `filters`: (id, values) of each."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunk:
        plist.set_chunk(chunk)
    for number, values in filters:
        plist.set_filter(number, 0, tuple(values))
    most = (h5py.h5s.UNLIMITED,) * len(shape) if unlimited else None
    space = h5py.h5s.create_simple(shape, most)
    return h5py.h5d.create(f.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plist)


def with_words_of(f, name, shape, chunk, dtype="f4", like="calibrated", unlimited=False, number=0):
    """Another dataset with the filter parameters of `like`, and the stub of one chunk at 0."""
    words = list(f[like].id.get_create_plist().get_filter(0)[2])
    words[1] |= 1  # or it could not be made
    made = dataset(f, name, shape, chunk, dtype, [(FILTER, words)], unlimited)
    uuid = bytes.fromhex(home_of(f).name.rsplit("/")[-1])
    made.write_direct_chunk((0,) * len(shape), stub(uuid, number))
    return made


def settle() -> None:
    """Wait until a change of a file would show in its time stamp."""
    time.sleep(0.05)
