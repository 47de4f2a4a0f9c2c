"""Read a calibrated dataset with h5py alone: HDF5 finds the plugin in its default folder."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

MAKE = """
import sys
import h5py, numpy
import h5calib

with h5py.File(sys.argv[1], "w") as file:
    file["raw"] = numpy.arange(60, dtype="u2").reshape(3, 4, 5)
    pedestal = h5calib.Pedestal(pedestal=numpy.full((4, 5), 3, "f4"))
    h5calib.create_calibrated_dataset(file, "calibrated", raw="raw", calibration=pedestal)
"""

os.environ.pop("HDF5_PLUGIN_PATH", None)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "view.h5")
    subprocess.run([sys.executable, "-c", MAKE, str(path)], check=True)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["calibrated"][()], file["raw"][()] - np.float32(3))
assert "h5calib" not in sys.modules
print("calibrated read without HDF5_PLUGIN_PATH: right")
