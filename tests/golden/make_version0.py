"""Make version0.h5: files of the first h5calib, byte by byte from docs/file-format.md.

The file is kept; this script is its record. It stands in for the first
h5calib's filter with a filter of the same id that does nothing, and writes the
chunks past it. It must run where h5calib's plugin is not found.
"""

import ctypes
import sys

import h5py
import numpy as np

FILTER = 57836
MAGIC, FILE_MAGIC = 0x6290D662, 0x1234ABCD
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
)


class FilterClass(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder", ctypes.c_uint),
        ("decoder", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", CALLBACK),
    ]


def register():
    """The stand-in; returns it, because HDF5 keeps only a pointer."""
    callback = CALLBACK(lambda flags, n, values, nbytes, size, buffer: nbytes)
    stand_in = FilterClass(1, FILTER, 1, 1, b"stand-in", None, None, callback)
    assert ctypes.CDLL(h5py.defs.__file__).H5Zregister(ctypes.byref(stand_in)) == 0
    return stand_in


def dataset(f, name, shape, headers, raw, constants):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, *shape[1:]))
    plist.set_filter(FILTER, 0)
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(f.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)
    for i, words in enumerate(headers):
        text = raw.encode() + b"\0" + constants.encode() + b"\0"
        chunk = np.array([MAGIC, FILE_MAGIC, *words], "<u4").tobytes() + text
        chunk += bytes(4 * shape[1] * shape[2] - len(chunk)) if i % 2 else bytes(-len(chunk) % 4)
        made.write_direct_chunk((i, 0, 0), chunk)


def main(path):
    keep = register()
    rng = np.random.default_rng(0)
    n, y, x, cells = 5, 12, 16, 3
    with h5py.File(path, "w") as f:
        f.attrs["h5calib_file_magic"] = np.uint32(FILE_MAGIC)
        f["dark"] = rng.integers(0, 100, (1, y, x)).astype("i2")
        f.create_dataset(
            "raw", data=rng.integers(0, 4000, (n, y, x)).astype("i2"), chunks=(1, y, x)
        )
        f["darks"] = rng.uniform(0, 100, (cells, y, x)).astype("f4")
        f["pairs"] = rng.integers(0, 8000, (n, y, x, 2)).astype("i2")
        constants = rng.uniform(1, 100, (cells, y, x, 8)).astype("f2")
        constants[..., 0], constants[..., 1] = 2000, 5000
        constants[0, 0, 0, 0] = np.nan
        constants[0, 0, 1, 3::2] = 0
        f["constants"] = constants
        shape = (n, y, x)
        dataset(f, "pedestal_v1", shape, [(0x10001, i, y, x) for i in range(n)], "/raw", "/dark")
        pairs = [(i % cells, i, cells, y, x) for i in range(n)]
        dataset(f, "AGIPD_v1", shape, [(0x20001, *p) for p in pairs], "/raw", "/darks")
        dataset(f, "AGIPD_v2", shape, [(0x20002, *p) for p in pairs], "/pairs", "/constants")
    del keep


if __name__ == "__main__":
    main(sys.argv[1])
