"""The HDF5 filter plugin: finding it, registering its folder, calling what it exports."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..contents.descriptor import FILTER_ID, encode_stub
from ..errors import NotInstalledError
from . import hdf5 as _hdf5
from .library import HOW_TO_INSTALL, MESSAGE_SIZE

_SUFFIXES = {".so", ".dylib", ".dll"}


def plugin_file() -> Path | None:
    """The plugin's shared object, or None where no folder has it."""
    for folder in _folders():
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if "h5calib_plugin" in path.name and path.suffix in _SUFFIXES:
                    return path
    return None


def register() -> None:
    """Let the libhdf5 of h5py find the plugin. Silent where there is none: use says so."""
    path = plugin_file()
    if path is None:
        return
    folder = os.fsencode(path.parent)
    defaults = search_path()
    if folder not in defaults:
        extend_environment(str(path.parent), defaults)
        h5py.h5pl.prepend(folder)
    # loaded at once: netCDF4 empties the list of folders when it shares this libhdf5
    h5py.h5z.filter_avail(FILTER_ID)


def extend_environment(folder: str, defaults: list[bytes]) -> None:
    """Name the plugin's folder in HDF5_PLUGIN_PATH, for child processes and libraries loaded later.

    It comes last. The variable replaces the folders where a libhdf5 looks by default: where it is
    not set, those of h5py's own come first, so that no other filter is lost. Nothing is changed
    where ``H5CALIB_SET_PLUGIN_PATH=0`` says so.
    """
    if os.environ.get("H5CALIB_SET_PLUGIN_PATH") == "0":
        return
    given = os.environ.get("HDF5_PLUGIN_PATH")
    folders = given.split(os.pathsep) if given else [os.fsdecode(path) for path in defaults]
    if folder not in folders:
        os.environ["HDF5_PLUGIN_PATH"] = os.pathsep.join([*folders, folder])


def search_path() -> list[bytes]:
    """The folders in which the libhdf5 of h5py looks for plugins."""
    return [h5py.h5pl.get(i) for i in range(h5py.h5pl.size())]


def require() -> None:
    """NotInstalledError where the libhdf5 of h5py cannot load the filter."""
    if not h5py.h5z.filter_avail(FILTER_ID):
        raise NotInstalledError(f"HDF5 does not find the h5calib filter plugin: {HOW_TO_INSTALL}")


def write_stubs(dataset: h5py.Dataset, dataset_uuid: bytes) -> None:
    """Write the stub of every chunk of a new dataset."""
    write_chunk = _write_chunk_address()
    if write_chunk is None or plugin_library() is None:
        _write_stubs_one_by_one(dataset, dataset_uuid)
        return
    rank, grid = len(dataset.shape), _grid(dataset)
    extent = ctypes.c_uint64 * rank
    message = ctypes.create_string_buffer(MESSAGE_SIZE)
    with h5py._objects.phil:
        failed = plugin_library().h5calib_plugin_write_stubs(
            *(write_chunk, dataset.id.id, dataset_uuid, rank),
            *(extent(*dataset.shape), extent(*dataset.chunks)),
            *(0, int(np.prod(grid, dtype="u8")), message, MESSAGE_SIZE),
        )
    if failed:
        raise OSError(f"cannot write the chunks' stubs: {message.value.decode()}")


def report() -> dict[str, Any]:
    """What the plugin says of itself: libhdf5 bound, CPU variant, caches."""
    plugin = plugin_library()
    if plugin is None:
        raise NotInstalledError(f"the h5calib filter plugin was not found: {HOW_TO_INSTALL}")
    text = ctypes.create_string_buffer(plugin.h5calib_plugin_report(None, 0) + 1)
    plugin.h5calib_plugin_report(text, len(text))
    return json.loads(text.value)


@functools.cache
def plugin_library() -> ctypes.PyDLL | None:
    """The plugin through ctypes; the GIL stays held, as HDF5 needs it."""
    path = plugin_file()
    if path is None:
        return None
    c = ctypes
    plugin = c.PyDLL(str(path))
    extent = c.POINTER(c.c_uint64)
    plugin.h5calib_plugin_write_stubs.restype = c.c_int
    plugin.h5calib_plugin_write_stubs.argtypes = (
        *(c.c_void_p, c.c_int64, c.c_char_p, c.c_uint, extent, extent),
        *(c.c_uint64, c.c_uint64, c.c_char_p, c.c_size_t),
    )
    plugin.h5calib_plugin_version.restype = c.c_char_p
    plugin.h5calib_plugin_report.restype = c.c_size_t
    plugin.h5calib_plugin_report.argtypes = (c.c_char_p, c.c_size_t)
    return plugin


def _folders() -> list[Path]:
    """Where the plugin may be: of the user's choice, of the wheel, of a conda prefix."""
    folders = [Path(p) for p in os.environ.get("HDF5_PLUGIN_PATH", "").split(os.pathsep) if p]
    try:
        from libh5calib import plugin_dir
    except ImportError:
        pass
    else:
        folders.append(Path(plugin_dir()))
    folders += [Path(sys.prefix) / "lib/hdf5/plugin", Path(sys.prefix) / "Library/lib/hdf5/plugin"]
    return folders + [Path(os.fsdecode(p)) for p in search_path()]


def _write_chunk_address() -> int | None:
    """Address of H5Dwrite_chunk in the libhdf5 of h5py."""
    function = _hdf5.function("H5Dwrite_chunk")
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


def _grid(dataset: h5py.Dataset) -> tuple[int, ...]:
    pairs = zip(dataset.shape, dataset.chunks, strict=True)
    return tuple(-(-length // chunk) for length, chunk in pairs)


def _write_stubs_one_by_one(dataset: h5py.Dataset, dataset_uuid: bytes) -> None:
    chunks = np.array(dataset.chunks)
    for number, place in enumerate(np.ndindex(*_grid(dataset))):
        offset = tuple(int(i) for i in chunks * place)
        dataset.id.write_direct_chunk(offset, encode_stub(dataset_uuid, number), 0)
