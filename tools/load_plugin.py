"""Check an installed libh5calib wheel: the library loads, and h5py's HDF5 takes the plugin.

    python tools/load_plugin.py

Both must be installed, and nothing else.
"""

import ctypes

import h5py

import libh5calib

FILTER = 57836

library = ctypes.CDLL(str(libh5calib.library_path()))
library.h5calib_version.restype = ctypes.c_char_p
print("libh5calib", library.h5calib_version().decode(), "at", libh5calib.library_path())
h5py.h5pl.prepend(str(libh5calib.plugin_dir()).encode())
if not h5py.h5z.filter_avail(FILTER):
    raise SystemExit(
        f"HDF5 {h5py.version.hdf5_version} found no filter {FILTER} in {libh5calib.plugin_dir()}"
    )
print("filter", FILTER, "found by HDF5", h5py.version.hdf5_version, "in", libh5calib.plugin_dir())
