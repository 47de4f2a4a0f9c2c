"""Show which libhdf5 a process uses that reads a calibrated dataset: one, that of this environment.

    python one_libhdf5.py

In one process h5py reads through the plugin, and libh5calib is loaded beside it.  Every mapped
library that defines H5open counts, whatever its name.  The exit code is 1 if there is not exactly
one, inside this environment, or if not exactly one plugin was mapped.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

PREFIX = Path(sys.prefix).resolve()
MAKE = """
import sys
import h5py, numpy
import h5calib

with h5py.File(sys.argv[1], "w") as file:
    file["raw"] = numpy.arange(60, dtype="u2").reshape(3, 4, 5)
    pedestal = h5calib.Pedestal(pedestal=numpy.full((4, 5), 3, "f4"))
    h5calib.create_calibrated_dataset(file, "calibrated", raw="raw", calibration=pedestal)
"""


class Symbol(ctypes.Structure):
    """Dl_info of dladdr: where an address lies."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def main() -> int:
    read_calibrated()
    ctypes.CDLL(str(next((PREFIX / "lib").glob("libh5calib.[sd]*"))))
    mapped = mapped_files()
    libraries = sorted({owner for owner in map(owner_of_h5open, mapped) if owner})
    plugins = [path for path in mapped if "h5calib_plugin" in path.name]
    print(f"h5py {h5py.__version__} with HDF5 {h5py.version.hdf5_version}")
    print(f"libhdf5 mapped: {len(libraries)}")
    for path in [*libraries, *plugins]:
        print(path)
    problems = [
        f"{path} is not of this environment" for path in libraries if PREFIX not in path.parents
    ]
    for what, found in (("libhdf5", libraries), ("plugin", plugins)):
        if len(found) != 1:
            problems.append(f"{len(found)} files mapped as {what}, not one")
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


def read_calibrated() -> None:
    """Read what another process made: h5calib is not imported here, HDF5 finds the plugin."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "view.h5")
        subprocess.run([sys.executable, "-c", MAKE, str(path)], check=True)
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["calibrated"][()], file["raw"][()] - np.float32(3))
    assert "h5calib" not in sys.modules


def mapped_files() -> list[Path]:
    """The libraries of this process."""
    if sys.platform == "darwin":
        dyld = ctypes.CDLL(None)
        dyld._dyld_get_image_name.restype = ctypes.c_char_p
        names = {
            os.fsdecode(dyld._dyld_get_image_name(index))
            for index in range(dyld._dyld_image_count())
        }
    else:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        names = {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
    return sorted(map(Path, names))


def owner_of_h5open(path: Path) -> Path | None:
    """The file that defines the H5open which `path` would use, if any."""
    try:
        function = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY).H5open
    except (OSError, AttributeError):
        return None
    found = Symbol()
    if not ctypes.CDLL(None).dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(found)):
        return None
    return Path(os.fsdecode(found.file)).resolve()


if __name__ == "__main__":
    sys.exit(main())
