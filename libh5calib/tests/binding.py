"""The public interface of libh5calib through ctypes, as h5calib.h declares it."""

import ctypes as c
import os
from pathlib import Path

import numpy as np

DTYPES = {
    name: i + 1
    for i, name in enumerate(
        [
            "int8",
            "uint8",
            "int16",
            "uint16",
            "int32",
            "uint32",
            "int64",
            "uint64",
            "float16",
            "float32",
            "float64",
        ]
    )
}
MISSING_VALUE = 0x10000
OPTIONAL, PER_CELL, DIVISOR, MASK, COMPARED = 1, 2, 4, 8, 16


class ConstantSpec(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("stages", c.c_uint),
        ("max_stages", c.c_uint),
        ("flags", c.c_uint),
        ("meaning", c.c_char_p),
    ]


class ParameterSpec(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("default_value", c.c_double),
        ("minimum", c.c_double),
        ("maximum", c.c_double),
        ("meaning", c.c_char_p),
    ]


class Algorithm(c.Structure):
    _fields_ = [
        ("id", c.c_uint32),
        ("name", c.c_char_p),
        ("formula", c.c_char_p),
        ("flags", c.c_uint),
        ("raw_layout", c.c_int),
        ("n_constants", c.c_uint),
        ("constants", c.POINTER(ConstantSpec)),
        ("n_parameters", c.c_uint),
        ("parameters", c.POINTER(ParameterSpec)),
    ]


class Array(c.Structure):
    _fields_ = [
        ("data", c.c_void_p),
        ("dtype", c.c_int),
        ("cells", c.c_uint32),
        ("stages", c.c_uint32),
        ("strides", c.c_ssize_t * 4),
    ]


class Parameter(c.Structure):
    _fields_ = [("index", c.c_uint32), ("value", c.c_double)]


class Config(c.Structure):
    _fields_ = [
        ("algorithm", c.c_uint32),
        ("ny", c.c_uint32),
        ("nx", c.c_uint32),
        ("n_parameters", c.c_size_t),
        ("parameters", c.POINTER(Parameter)),
    ]


def library_path():
    if path := os.environ.get("H5CALIB_LIBRARY"):
        return path
    import libh5calib

    return libh5calib.library_path()


lib = c.CDLL(str(Path(library_path())))
lib.h5calib_algorithm_by_name.restype = c.POINTER(Algorithm)
lib.h5calib_algorithm_at.argtypes = [c.c_size_t]
lib.h5calib_algorithm_at.restype = c.POINTER(Algorithm)
lib.h5calib_version.restype = lib.h5calib_cpu_variant.restype = c.c_char_p
lib.h5calib_last_kernel.restype = lib.h5calib_cpu_variant_at.restype = c.c_char_p
lib.h5calib_cpu_variant_at.argtypes = [c.c_size_t]
lib.h5calib_calibration_create.argtypes = [
    c.POINTER(Config),
    c.POINTER(Array),
    c.c_size_t,
    c.POINTER(c.c_void_p),
    c.c_char_p,
    c.c_size_t,
]
lib.h5calib_calibration_free.argtypes = [c.c_void_p]
lib.h5calib_calibrate.argtypes = [
    c.c_void_p,
    c.c_void_p,
    c.c_int,
    c.c_size_t,
    c.c_void_p,
    c.c_void_p,
    c.c_int,
    c.c_uint,
    c.c_char_p,
    c.c_size_t,
]


class Error(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def variants():
    names = []
    while name := lib.h5calib_cpu_variant_at(len(names)):
        names.append(name.decode())
    return names


def algorithms():
    found = []
    while a := lib.h5calib_algorithm_at(len(found)):
        found.append(a.contents)
    return found


def describe(array, axes, keep):
    """An h5calib_array of a NumPy array with these axes, a subset of "csyx" in any order."""
    if array is None:
        return Array()
    keep.append(array)
    lengths = dict(zip(axes, array.shape, strict=True))
    strides = dict(zip(axes, array.strides, strict=True))
    return Array(
        array.ctypes.data,
        DTYPES[array.dtype.name],
        lengths.get("c", 1),
        lengths.get("s", 1),
        (c.c_ssize_t * 4)(*(strides.get(a, 0) for a in "csyx")),
    )


class Calibration:
    """constants: name -> (array, axes); parameters: name -> value."""

    def __init__(self, name, shape, constants, **parameters):
        self.handle = c.c_void_p()
        self.shape = shape
        found = lib.h5calib_algorithm_by_name(name.encode())
        self.algorithm = a = found.contents
        index = {a.parameters[i].name.decode(): i for i in range(a.n_parameters)}
        names = [a.constants[i].name.decode() for i in range(a.n_constants)]
        assert set(constants) <= set(names), (constants, names)
        missing = parameters.pop("missing", [])
        numbered = [(index[k], v) for k, v in parameters.items()]
        numbered += [(MISSING_VALUE + i, v) for i, v in enumerate(missing)]
        given = (Parameter * len(numbered))(*numbered)
        config = Config(a.id, *shape, len(given), given)
        keep = []
        arrays = (Array * len(names))(
            *(describe(*constants.get(n, (None, "")), keep) for n in names)
        )
        message = c.create_string_buffer(400)
        status = lib.h5calib_calibration_create(
            config, arrays, len(names), self.handle, message, len(message)
        )
        if status:
            raise Error(status, message.value.decode())

    def __del__(self):
        lib.h5calib_calibration_free(self.handle)

    def __call__(self, raw, cell_ids=None, dtype="f4", threads=1):
        raw = np.ascontiguousarray(raw)
        out = np.empty((len(raw), *self.shape), dtype)
        if cell_ids is not None:
            cell_ids = np.ascontiguousarray(cell_ids, "i8")
        message = c.create_string_buffer(400)
        status = lib.h5calib_calibrate(
            self.handle,
            raw.ctypes.data,
            DTYPES[raw.dtype.name],
            len(raw),
            None if cell_ids is None else cell_ids.ctypes.data,
            out.ctypes.data,
            DTYPES[out.dtype.name],
            threads,
            message,
            len(message),
        )
        if status:
            raise Error(status, message.value.decode())
        return out
