"""Show which libhdf5 a process uses that reads a calibrated dataset: exactly one, the environment's.

    python one_libhdf5.py [FOLDER OF THE PLUGIN]

In one process h5py reads through the plugin and libh5calib is loaded beside it.  The exit code is 1 if any libhdf5 is
mapped but the one of this environment, or if one of the three asks for another.
"""

from __future__ import annotations

import ctypes
import re
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

PREFIX = Path(sys.prefix).resolve()
LIBRARY = re.compile(r"(lib)?hdf5(-[0-9a-f]+)?\.(so|dylib|dll)[.\d]*|libhdf5_serial.*|libhdf5\.\d+\.dylib")


def main(plugin_folder: str | None = None) -> int:
    if plugin_folder:
        h5py.h5pl.replace(plugin_folder.encode(), 0)
    read_calibrated()
    ctypes.CDLL(str(find(PREFIX / "lib", "libh5calib")))
    mapped = {Path(line.split(maxsplit=5)[5].strip()) for line in open("/proc/self/maps") if "/" in line}
    libraries = sorted(path for path in mapped if LIBRARY.fullmatch(path.name))
    plugins = sorted(path for path in mapped if "h5calib_plugin" in path.name)
    print(f"h5py {h5py.__version__}, plugin {plugins[0] if plugins else 'not mapped'}")
    for path in libraries:
        print(path)
    problems = []
    if len(libraries) != 1:
        problems.append(f"{len(libraries)} libhdf5 mapped instead of one")
    problems += [f"{path} is not of this environment" for path in libraries if PREFIX not in path.parents]
    if len(plugins) != 1:
        problems.append(f"{len(plugins)} plugins mapped instead of one")
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


def find(folder: Path, stem: str) -> Path:
    return next(path for path in folder.glob(f"{stem}.*") if path.suffix in (".so", ".dylib", ".dll"))


def read_calibrated() -> None:
    """Read a calibrated dataset which another process has made, so that only HDF5 itself finds the plugin."""
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "calibrated.h5")
        subprocess.run([sys.executable, "-c", MAKE, str(file)], check=True)
        with h5py.File(file) as opened:
            np.testing.assert_array_equal(opened["calibrated"][()], opened["raw"][()] - np.float32(3))


MAKE = """
import sys, h5py, numpy, h5calib
with h5py.File(sys.argv[1], "w") as f:
    f["raw"] = numpy.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)
    h5calib.create_calibrated_dataset(
        f, "calibrated", raw="raw", calibration=h5calib.Pedestal(numpy.full((4, 5), 3, "f4")))
"""

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
