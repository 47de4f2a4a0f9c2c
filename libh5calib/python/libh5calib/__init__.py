"""Where the files of libh5calib are: the C library, its header, the HDF5 plugin."""

from importlib.metadata import version
from pathlib import Path

__all__ = ["cmake_dir", "include_dir", "library_path", "plugin_dir"]
__version__ = version("libh5calib")

_prefix = Path(__file__).resolve().parent


def plugin_dir() -> str:
    """Folder of the HDF5 filter plugin, for HDF5_PLUGIN_PATH."""
    return str(_prefix / "lib" / "hdf5" / "plugin")


def library_path() -> str:
    """The shared library, for ctypes."""
    for name in ("lib/libh5calib.so", "lib/libh5calib.dylib", "bin/h5calib.dll"):
        if (_prefix / name).exists():
            return str(_prefix / name)
    raise FileNotFoundError(f"no libh5calib below {_prefix}")


def include_dir() -> str:
    """Folder of h5calib/h5calib.h."""
    return str(_prefix / "include")


def cmake_dir() -> str:
    """Folder of h5calibConfig.cmake, for h5calib_DIR or CMAKE_PREFIX_PATH."""
    return str(_prefix / "lib" / "cmake" / "h5calib")
