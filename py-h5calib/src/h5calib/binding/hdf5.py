"""Functions of h5py's own libhdf5 that h5py does not offer, or offers with limits."""

from __future__ import annotations

import ctypes
import functools
import sys
from pathlib import Path

import h5py

_MAX_WORDS = 256


def filter_words(properties: h5py.h5p.PropDCID, number: int) -> tuple[int, ...] | None:
    """All parameters of a filter, None where it is not in the pipeline.

    Older versions of h5py return no more than 16 of them right.
    """
    get_filter = function("H5Pget_filter2")
    for i in range(properties.get_nfilters()):
        if get_filter is None:
            found, _, words, _ = properties.get_filter(i)
        else:
            found, words = _get_filter(get_filter, properties, i)
        if found == number:
            return tuple(words)
    return None


@functools.cache
def function(name: str) -> ctypes._CFuncPtr | None:
    """A function of the libhdf5 that h5py uses, where the loader can tell it."""
    module = h5py.defs.__file__  # the one module that is linked to libhdf5 in every kind of build
    if sys.platform == "win32":
        module = str(Path(module).with_name("hdf5.dll"))
    try:
        return getattr(ctypes.PyDLL(module), name)
    except (OSError, AttributeError):
        return None


def _get_filter(
    get_filter: ctypes._CFuncPtr, properties: h5py.h5p.PropDCID, i: int
) -> tuple[int, list[int]]:
    c = ctypes
    get_filter.restype = c.c_int
    get_filter.argtypes = (
        *(c.c_int64, c.c_uint, c.POINTER(c.c_uint), c.POINTER(c.c_size_t)),
        *(c.POINTER(c.c_uint), c.c_size_t, c.c_char_p, c.POINTER(c.c_uint)),
    )
    flags, config, count = c.c_uint(), c.c_uint(), c.c_size_t(_MAX_WORDS)
    words = (c.c_uint * _MAX_WORDS)()
    with h5py._objects.phil:
        found = get_filter(properties.id, i, flags, count, words, 0, None, config)
    return found, words[: min(count.value, _MAX_WORDS)]
