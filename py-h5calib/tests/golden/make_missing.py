"""Write the golden file of missing values and unwritten storage, byte by byte.

What is said of flags in docs/file-format.md. The file beside this script is kept for ever.

    HDF5_PLUGIN_PATH=... python make_missing.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
from make_v1 import FILE, write

VALUES = bytes.fromhex("0da7a5e70000000000000000000000cc")
UNWRITTEN = bytes.fromhex("0da7a5e70000000000000000000000dd")
UNWRITTEN_FLAG, MISSING_FLAG = 2, 4

RAW = np.array([[[0, 7, 65535, 9]], [[1, 0, 3, 4]], [[5, 6, 7, 8]]], "u2")
NEVER_WRITTEN = 1  # the frame whose chunk has no storage
DARK = np.array([[0.5, 1.5, 2.5, 3.5]], "f4")


def main(folder):
    with h5py.File(folder / "missing.h5", "w") as file:
        file.attrs["h5calib_file_uuid"] = np.bytes_(FILE.hex().encode())
        raw = file.create_dataset("raw", RAW.shape, "u2", chunks=(1, 1, 4), fillvalue=2)
        for frame in set(range(len(RAW))) - {NEVER_WRITTEN}:
            raw[frame] = RAW[frame]
        masked, first, second = (0, -1.0), (0x10000, 0.0), (0x10001, 65535.0)
        for name, identity, parameters, flags in (
            (b"values", VALUES, [masked, first, second], MISSING_FLAG),
            (b"unwritten", UNWRITTEN, [masked], UNWRITTEN_FLAG),
        ):
            home, constants = write(
                *(file, name, identity, RAW.shape, (1, 1, 4), "<f4", 0x00040001, parameters, flags)
            )
            home["raw"] = h5py.SoftLink("/raw")
            constants["pedestal"] = DARK
            constants.attrs["axes_pedestal"] = np.bytes_(b"yx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
