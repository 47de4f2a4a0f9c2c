"""libh5calib through ctypes: finding it, and the structures of its header."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import sys
from pathlib import Path

from ..errors import NotInstalledError

HOW_TO_INSTALL = (
    "install it with `pip install libh5calib` or `conda install -c conda-forge libh5calib`; "
    "`h5calib doctor` shows what is found"
)

MESSAGE_SIZE = 1024

# index of the first of the missing values among parameters, and how many there can be
MISSING_VALUE, MOST_MISSING_VALUES = 0x10000, 8


class ConstantSpec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("stages", ctypes.c_uint),
        ("max_stages", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("meaning", ctypes.c_char_p),
    )


class ParameterSpec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("default_value", ctypes.c_double),
        ("minimum", ctypes.c_double),
        ("maximum", ctypes.c_double),
        ("meaning", ctypes.c_char_p),
    )


class AlgorithmSpec(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("formula", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("raw_layout", ctypes.c_int),
        ("n_constants", ctypes.c_uint),
        ("constants", ctypes.POINTER(ConstantSpec)),
        ("n_parameters", ctypes.c_uint),
        ("parameters", ctypes.POINTER(ParameterSpec)),
    )


class Array(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int),
        ("cells", ctypes.c_uint32),
        ("stages", ctypes.c_uint32),
        ("strides", ctypes.c_ssize_t * 4),
    )


class Parameter(ctypes.Structure):
    _fields_ = (("index", ctypes.c_uint32), ("value", ctypes.c_double))


class Config(ctypes.Structure):
    _fields_ = (
        ("algorithm", ctypes.c_uint32),
        ("ny", ctypes.c_uint32),
        ("nx", ctypes.c_uint32),
        ("n_parameters", ctypes.c_size_t),
        ("parameters", ctypes.POINTER(Parameter)),
    )


def find_library() -> Path | None:
    """Path of the shared library: of the wheel, of this Python's prefix, or of the system."""
    try:
        from libh5calib import library_path
    except ImportError:
        pass
    else:
        return Path(library_path())
    names = ("lib/libh5calib.so", "lib/libh5calib.dylib", "Library/bin/h5calib.dll")
    for path in (Path(sys.prefix) / name for name in names):
        if path.exists():
            return path
    found = ctypes.util.find_library("h5calib")
    return Path(found) if found else None


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library with the argument types of its header."""
    path = find_library()
    if path is None:
        raise NotInstalledError(f"the library libh5calib was not found: {HOW_TO_INSTALL}")
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise NotInstalledError(f"cannot load {path} ({error}): {HOW_TO_INSTALL}") from error
    _declare(lib)
    return lib


def _declare(lib: ctypes.CDLL) -> None:
    c = ctypes
    algorithm = c.POINTER(AlgorithmSpec)
    for name, result, arguments in (
        ("h5calib_version", c.c_char_p, []),
        ("h5calib_algorithm_at", algorithm, [c.c_size_t]),
        ("h5calib_algorithm_by_id", algorithm, [c.c_uint32]),
        ("h5calib_algorithm_by_name", algorithm, [c.c_char_p]),
        (
            "h5calib_calibration_create",
            c.c_int,
            [
                *(c.POINTER(Config), c.POINTER(Array), c.c_size_t),
                *(c.POINTER(c.c_void_p), c.c_char_p, c.c_size_t),
            ],
        ),
        ("h5calib_calibration_free", None, [c.c_void_p]),
        (
            "h5calib_calibrate",
            c.c_int,
            [
                *(c.c_void_p, c.c_void_p, c.c_int, c.c_size_t, c.c_void_p),
                *(c.c_void_p, c.c_int, c.c_uint, c.c_char_p, c.c_size_t),
            ],
        ),
        ("h5calib_cpu_variant", c.c_char_p, []),
        ("h5calib_cpu_variant_at", c.c_char_p, [c.c_size_t]),
        ("h5calib_last_kernel", c.c_char_p, []),
        ("h5calib_set_cpu_variant", c.c_int, [c.c_char_p]),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
