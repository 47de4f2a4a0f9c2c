"""Reading calibrated datasets straight into arrays, faster than any filter can."""

from __future__ import annotations

import concurrent.futures
import ctypes
import functools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np

from ..binding import algorithms as _algorithms
from ..binding import plugin as _plugin
from ..binding.library import MESSAGE_SIZE
from ..contents.descriptor import Descriptor
from ..contents.layout import filter_words
from ..errors import NotCalibratedError, NotInstalledError
from .selection import Box, bounds_of, normalise
from .virtual import Sources, mappings_of

through_hdf5 = h5py.Dataset.__getitem__  # also where `accelerate` took its place
_BLOCK_BYTES = 256 * 1024 * 1024


def read(
    dataset: h5py.Dataset,
    selection: Any = np.s_[...],
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Read a calibrated dataset, or a virtual dataset over several, into an array.

    The numbers are those of ``dataset[selection]``, bit for bit. HDF5's chunk cache and its copies
    are left out, frames are shared among threads, and other Python threads run meanwhile.

    Parameters
    ----------
    dataset : h5py.Dataset
        (frames..., y, x), calibrated or virtual.
    selection : as for h5py
        Slices, integers, an ellipsis, and a rising list or a boolean mask along one axis (along
        the first it is read frame by frame, along others by HDF5). What h5py refuses is refused:
        fractions, text, negative steps, frames twice or in another order. So are True and False
        in place of a number.
    out : array, optional
        C-contiguous, of the selection's shape and the dataset's dtype; returned.
    threads : int, optional
        By default ``H5CALIB_NUM_THREADS``, or the processors of this process, at most 4.

    Raises
    ------
    NotCalibratedError
        The dataset is neither calibrated nor a virtual one.
    OSError
        What h5py would raise as well: raw data moved, a file damaged, ...

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("read.h5", "w") as f:
    ...     f["raw"] = np.full((4, 2, 2), 7, "u2")
    ...     pedestal = h5calib.Pedestal(np.ones((2, 2)))
    ...     d = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    ...     h5calib.read(d, np.s_[1:3, 0])
    array([[6., 6.],
           [6., 6.]], dtype=float32)
    """
    selected = normalise(selection, dataset.shape)
    if selected is None:
        return _by_h5py(dataset, selection, out)
    boxes, steps = selected.boxes, selected.steps
    out = _check_out(out, selected.shape, dataset.dtype)
    if out.size == 0:
        _require_calibrated(dataset)
        return out
    plain = all(step is None for step in steps) and len(boxes) == 1
    target = out if plain else np.empty([b - a for a, b in bounds_of(boxes)], dataset.dtype)
    target = target.reshape([b - a for a, b in bounds_of(boxes)]) if plain else target
    at = 0
    for box in boxes:
        n = box[0][1] - box[0][0]
        _read_box(dataset, box, target[at : at + n], threads or 0)
        at += n
    if not plain:
        out[...] = target[tuple(slice(None, None, s) for s in steps)].reshape(out.shape)
    return out


def iterate(
    dataset: h5py.Dataset, frames: int | None = None, threads: int | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Go through a dataset that is larger than memory, the next block being read ahead.

    Parameters
    ----------
    frames : int, optional
        Frames a block, by default as many as fit into 256 MiB.

    Yields
    ------
    (slice, array)
        Where along the first axis, and the frames there. An array is not used again.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("iterate.h5", "w") as f:
    ...     f["raw"] = np.arange(5, dtype="u2").reshape(5, 1, 1)
    ...     pedestal = h5calib.Pedestal(np.ones((1, 1)))
    ...     d = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    ...     [float(block.sum()) for where, block in h5calib.iterate(d, frames=2)]
    [-1.0, 3.0, 3.0]
    """
    if frames is None:
        frame_bytes = int(np.prod(dataset.shape[1:], dtype="u8")) * dataset.dtype.itemsize
        frames = max(1, _BLOCK_BYTES // max(1, frame_bytes))
    places = [slice(i, min(i + frames, len(dataset))) for i in range(0, len(dataset), frames)]
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(read, dataset, place, None, threads) for place in places[:1]]
        for i, place in enumerate(places):
            block = coming.pop().result()
            if i + 1 < len(places):
                coming.append(reader.submit(read, dataset, places[i + 1], None, threads))
            yield place, block


def _check_out(out: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}, the selection {shape} and {dtype}"
        )
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out must be C-contiguous and writeable")
    return out


def _by_h5py(dataset: h5py.Dataset, selection: Any, out: np.ndarray | None) -> np.ndarray:
    """What is no box, or is refused, by h5py."""
    _require_calibrated(dataset)
    values = np.asarray(through_hdf5(dataset, selection))
    if out is None:
        return values
    out = _check_out(out, values.shape, dataset.dtype)
    out[...] = values
    return out


def _require_calibrated(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Its filter parameters: none of one of the first h5calib, or of a virtual dataset."""
    words = () if dataset.is_virtual else filter_words(dataset)
    if words is None:
        raise NotCalibratedError(f"{dataset.name} is not a calibrated dataset")
    return words


def _read_box(dataset: h5py.Dataset, box: Box, out: np.ndarray, threads: int) -> None:
    if dataset.is_virtual:
        _read_virtual(dataset, box, out, threads)
        return
    words = _require_calibrated(dataset)
    function = _read_function()
    direct = out.flags.c_contiguous or _frames_apart(out)
    if function is None or not direct or not words or _cuts_frames(words, dataset.shape, box):
        out[...] = through_hdf5(dataset, tuple(slice(*bounds) for bounds in box))
        return
    rank = len(box)
    extent = ctypes.c_uint64 * rank
    message = ctypes.create_string_buffer(MESSAGE_SIZE)
    step = 0 if out.flags.c_contiguous else out.strides[0]
    with h5py._objects.phil:
        failed = function(
            *(_any_hdf5_function(), dataset.id.id, rank),
            *(extent(*(a for a, _ in box)), extent(*(b - a for a, b in box))),
            *(out.ctypes.data, step, threads),
            ctypes.cast(ctypes.pythonapi.PyEval_SaveThread, ctypes.c_void_p),
            ctypes.cast(ctypes.pythonapi.PyEval_RestoreThread, ctypes.c_void_p),
            *(message, MESSAGE_SIZE),
        )
    if failed:
        raise OSError(f"cannot read {dataset.name}: {message.value.decode(errors='replace')}")


def _cuts_frames(words: tuple[int, ...], shape: tuple[int, ...], box: Box) -> bool:
    """Whether only parts of frames are asked for where pixels depend on others of their frame."""
    whole = all(b - a == n for (a, b), n in zip(box[-2:], shape[-2:], strict=True))
    if whole:
        return False
    descriptor = Descriptor.decode(words)
    common_mode = _algorithms.by_id(descriptor.algorithm).parameters.get("common_mode")
    return common_mode is not None and dict(descriptor.parameters).get(common_mode.index, 0) != 0


def _frames_apart(out: np.ndarray) -> bool:
    """Whole frames with gaps between them, as a module has in an array of modules."""
    frame = (
        out.reshape(out.shape[0], *out.shape[2:]) if out.ndim == 4 and out.shape[1] == 1 else out
    )
    return frame.ndim == 3 and frame.strides[0] > 0 and frame[0].flags.c_contiguous


def _read_virtual(dataset: h5py.Dataset, box: Box, out: np.ndarray, threads: int) -> None:
    """Each source goes straight into its place, where none is there is the fill value."""
    mappings = mappings_of(dataset)
    covered = np.zeros([b - a for a, b in box[:-2]], bool)
    with ExitStack() as files:
        sources = Sources(dataset, files)
        if mappings is None:
            sources.check()
            out[...] = through_hdf5(dataset, tuple(slice(*bounds) for bounds in box))
            return
        for mapping in mappings:
            part = mapping.common(box)
            if part is None:
                continue
            into = tuple(slice(a - o[0], b - o[0]) for (a, b), o in zip(part, box, strict=True))
            inner = mapping.source_of(part)
            there = out[into].view()
            there.shape = tuple(b - a for a, b in inner)  # axes of length 1 come and go
            _read_box(sources.open(mapping.file, mapping.path), inner, there, threads)
            covered[into[:-2]] = True
    if not covered.all():
        out[~covered] = dataset.fillvalue


@functools.cache
def _read_function() -> Any:
    """h5calib_plugin_read, or None where the libhdf5 of h5py cannot be named to it."""
    plugin = _plugin.plugin_library()
    if plugin is None:
        raise NotInstalledError("the h5calib filter plugin was not found: see `h5calib doctor`")
    if _any_hdf5_function() is None:
        return None
    c = ctypes
    function = plugin.h5calib_plugin_read
    extent = c.POINTER(c.c_uint64)
    function.restype = c.c_int
    function.argtypes = (
        *(c.c_void_p, c.c_int64, c.c_uint, extent, extent, c.c_void_p, c.c_uint64, c.c_uint),
        *(c.c_void_p, c.c_void_p, c.c_char_p, c.c_size_t),
    )
    return function


_any_hdf5_function = _plugin._write_chunk_address
