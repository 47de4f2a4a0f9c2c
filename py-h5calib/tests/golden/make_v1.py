"""Write the golden files of format version 1, byte by byte from docs/file-format.md.

Nothing of h5calib is used but the plugin, which HDF5 needs for creating a dataset with its
filter. The files beside this script are kept for ever; a changed format gets its own.

    HDF5_PLUGIN_PATH=... python make_v1.py FOLDER
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np

FILE = bytes.fromhex("f11e0000f11e1111f11e2222f11e3333")
PEDESTAL = bytes.fromhex("0da7a5e70000000000000000000000aa")
JUNGFRAU = bytes.fromhex("0da7a5e70000000000000000000000bb")

# Small whole numbers: every value below is exact in float32.
RAW = (np.arange(5 * 3 * 4).reshape(5, 3, 4) % 7 + 100).astype("u2")
DARK = np.array([[1.5, 2.5, 3.5, 4.5]] * 3, "f4")
RAW_JF = RAW | np.array([0, 1, 3, 2, 0], "u2").reshape(5, 1, 1) << 14
DARK_JF = (np.arange(2 * 3) * 4.0).reshape(2, 3).astype("f8")  # (cell, stage)
GAIN_JF = np.array([4.0, -2.0, -0.5], "f4")  # (stage)
MASK_JF = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], "i8")
CELLS = np.array([0, 1, 1, 0, 1], "u1")
FRAMES = np.array([4, 2, 1, 3], "u8")


def words(algorithm, identity, parameters, create, flags=0):
    data = struct.pack("<III", 1, flags, algorithm) + FILE + identity
    data += struct.pack("<I", len(parameters))
    for index, value in parameters:
        data += struct.pack("<Id", index, value)
    data += struct.pack("<I", zlib.crc32(data))
    found = list(struct.unpack(f"<{len(data) // 4}I", data))
    found[1] = flags | create
    return found


def write(file, name, identity, shape, chunks, dtype, algorithm, parameters, flags=0):
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk(chunks)
    dcpl.set_filter(57836, 0, tuple(words(algorithm, identity, parameters, 1, flags)))
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(file.id, name, h5py.h5t.py_create(np.dtype(dtype)), space, dcpl)
    grid = [-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)]
    for number, place in enumerate(np.ndindex(*grid)):
        tail = struct.pack("<Q", number)
        stub = b"H5CS" + struct.pack("<I", zlib.crc32(identity + tail)) + tail
        dataset.write_direct_chunk(tuple(np.multiply(place, chunks).tolist()), stub, 0)
    home = file.create_group(f"h5calib/{identity.hex()}")
    home["dataset"] = file[name]
    return home, home.create_group("constants")


def main(folder):
    with h5py.File(folder / "v1-raw.h5", "w") as file:
        file["entry/raw"] = RAW_JF
    with h5py.File(folder / "v1.h5", "w") as file:
        file.attrs["h5calib_file_uuid"] = np.bytes_(FILE.hex().encode())
        file["raw"] = RAW
        home, constants = write(
            file, b"pedestal", PEDESTAL, (5, 3, 4), (2, 2, 4), "<f4", 0x00040001, []
        )
        home["raw"] = h5py.SoftLink("/raw")
        constants["pedestal"] = DARK
        constants.attrs["axes_pedestal"] = np.bytes_(b"yx")
        parameters = [(0, -1.0), (2, 1.0), (3, 2.0), (4, 3.0)]  # masked -1, bit 0, energy, zero
        home, constants = write(
            file, b"jungfrau", JUNGFRAU, (4, 3, 4), (1, 3, 4), "<f8", 0x00030001, parameters
        )
        home["raw"] = h5py.ExternalLink("v1-raw.h5", "/entry/raw")
        home["cell_ids"], home["frames"] = CELLS, FRAMES
        file["dark"] = DARK_JF
        constants["pedestal"] = h5py.SoftLink("/dark")
        constants["gain"], constants["pixel_mask"] = GAIN_JF, MASK_JF
        for name, axes in {"pedestal": b"cs", "gain": b"s", "pixel_mask": b"yx"}.items():
            constants.attrs[f"axes_{name}"] = np.bytes_(axes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
