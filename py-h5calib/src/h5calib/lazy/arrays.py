"""A calibrated dataset as an array that is read piece by piece."""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any

import h5py
import numpy as np

from ..contents.layout import home_of, read_descriptor
from ..contents.place import place_of
from ..errors import NotCalibratedError
from ..reading.direct import read
from .files import OpenFiles

_FILES = OpenFiles()
_BLOCK_BYTES = 128 << 20


class LazyArray:
    """A calibrated dataset, or a virtual one over several, by file and name.

    It has what dask, xarray and others ask of an array: `shape`, `dtype`, `ndim`, `chunks` and
    indices, each of which is read by `h5calib.read`. It holds no open file, so it can be pickled:
    whoever indexes it opens the file and keeps it open, with at most 16 in a process, until
    `close_files` is called.

    Parameters
    ----------
    path : path of the view
    name : str
        The dataset in it.
    threads : int, optional
        Of each read. 1 where something else runs many reads side by side.

    Raises
    ------
    FileNotFoundError, KeyError
        There is no such file or dataset.
    NotCalibratedError
        The dataset is neither calibrated nor virtual.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("lazy.h5", "w") as f:
    ...     f["raw"] = np.full((4, 2, 3), 7, "u2")
    ...     pedestal = h5calib.Pedestal(np.ones((2, 3)))
    ...     _ = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    >>> lazy = h5calib.LazyArray("lazy.h5", "v")
    >>> lazy.shape, float(lazy[2:, 0].mean())
    ((4, 2, 3), 6.0)
    """

    def __init__(self, path: str | os.PathLike[str], name: str, threads: int | None = None) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.name = name
        self.threads = threads
        with h5py.File(self.path, "r") as file:
            dataset = file[name]
            if not isinstance(dataset, h5py.Dataset):
                raise NotCalibratedError(f"{name} in {self.path} is a group: name a dataset in it")
            if not dataset.is_virtual:
                read_descriptor(dataset)
            self.shape: tuple[int, ...] = dataset.shape
            self.dtype: np.dtype[Any] = dataset.dtype
            self.chunks: tuple[int, ...] | None = dataset.chunks
            self._token = _token(dataset)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, selection: Any) -> np.ndarray:
        with _FILES.use(self.path) as file:
            return read(file[self.name], selection, threads=self.threads)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a calibrated dataset is computed: it cannot be had without a copy")
        return np.asarray(self[...], dtype)

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        return (self.path, self.name, self._token)

    def __repr__(self) -> str:
        return f"LazyArray({self.path!r}, {self.name!r}, shape={self.shape}, dtype={self.dtype})"


def dask_array(place: Any, chunks: Any = None, threads: int | None = 1) -> Any:
    """A dask array over a calibrated dataset, or a virtual one over several.

    Parameters
    ----------
    place : h5py.Dataset, ``"file:/path"``, pathlib.Path or (file, path)
    chunks : as for `dask.array.from_array`, optional
        By default blocks of whole frames of about 128 MiB, in step with the dataset's chunks.
    threads : int, optional
        Of each read: 1, as dask runs several blocks at a time.

    Returns
    -------
    dask.array.Array
        Its blocks can be computed in threads, processes and on other machines that see the files.

    Raises
    ------
    ImportError
        Dask is not installed: ``pip install 'h5calib[dask]'``.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("dask.h5", "w") as f:
    ...     f["raw"] = np.arange(12, dtype="u2").reshape(6, 1, 2)
    ...     pedestal = h5calib.Pedestal(np.ones((1, 2)))
    ...     _ = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    >>> float(h5calib.dask_array("dask.h5:/v", chunks=(2, 1, 2)).sum().compute())
    54.0
    """
    try:
        import dask.array
        from dask.base import tokenize
    except ImportError:
        raise ImportError("dask_array needs dask: pip install 'h5calib[dask]'") from None
    lazy = LazyArray(*_file_and_name(place), threads=threads)
    return dask.array.from_array(
        lazy,
        chunks=default_blocks(lazy) if chunks is None else chunks,
        name=f"h5calib-{tokenize(lazy, chunks)}",
        asarray=False,
        fancy=False,
        inline_array=True,
        meta=np.empty((0,) * lazy.ndim, lazy.dtype),
    )


def close_files() -> None:
    """Close the files that lazy arrays of this process keep open, to open one for writing."""
    _FILES.close()


def default_blocks(lazy: LazyArray) -> tuple[int, ...]:
    """Whole frames, all modules of each, of about 128 MiB, in step with the chunks.

    >>> class Big:
    ...     shape, chunks, dtype = (10000, 512, 128), (8, 512, 128), np.dtype("f4")
    >>> default_blocks(Big())
    (512, 512, 128)
    """
    rest = max(1, math.prod(lazy.shape[1:]) * lazy.dtype.itemsize)
    step = lazy.chunks[0] if lazy.chunks else 1
    frames = max(1, _BLOCK_BYTES // rest // step) * step
    return (max(1, min(frames, lazy.shape[0])), *lazy.shape[1:])


def _file_and_name(place: Any) -> tuple[str, str]:
    if isinstance(place, h5py.Dataset):
        return place.file.filename, place.name
    found = place_of(place)
    if found is None or found.file is None:
        raise ValueError(f"{place!r} names no file and dataset: write 'file:/path'")
    return found.file, found.path


def _token(dataset: h5py.Dataset) -> str:
    """What the values rest on: identity and fingerprints; of a virtual dataset, its sources."""
    hashed = hashlib.sha256()
    status = os.stat(dataset.file.filename)
    hashed.update(repr((status.st_size, status.st_mtime_ns)).encode())
    descriptor = None if dataset.is_virtual else read_descriptor(dataset)
    if descriptor is not None:
        home = home_of(dataset, descriptor)
        hashed.update(descriptor.dataset_uuid + repr(sorted(home.attrs.items())).encode())
    elif dataset.is_virtual:
        for one in dataset.virtual_sources():
            hashed.update(repr((one.file_name, one.dset_name)).encode())
    return hashed.hexdigest()
