"""Writing the values of a calibrated dataset into an ordinary one."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..contents.layout import LIBVER, PREFIX
from ..creating.chunks import default_chunks
from ..lazy.arrays import LazyArray, close_files
from ..lazy.choose import choose
from ..version import __version__
from .parts import NAME, Parts
from .values import Storage

COMPRESSIONS = ("none", "gzip", "bitshuffle", "zstd")
_BLOCK_BYTES = 64 << 20
_BESIDE = ("trainId", "pulseId", "cellId", "module")


def export(
    view: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    frames: slice | None = None,
    roi: tuple[slice, slice] | None = None,
    dtype: Any = "f4",
    fill: float | None = None,
    scale: float = 1.0,
    compression: str = "none",
    chunks: tuple[int, ...] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write the values of a calibrated dataset into a file that needs no plugin.

    The output appears under its name when all of it is written and has been compared with what was
    read. A run that was interrupted is gone on with by the same call.

    Parameters
    ----------
    view : path of the view
    out : path of the file to write
    name : str, optional
        The dataset; needed where the view has several and no whole detector.
    frames : slice, optional
        Along the first axis, without a step.
    roi : (slice, slice), optional
        Along y and x, without steps.
    dtype : dtype of the stored values
        Floats, or integers: then rounded, half to even.
    fill : number, optional
        In place of NaN; integers need it where a pixel has no value.
    scale : float
        Multiplies values that are stored as integers; recorded in the attribute ``h5calib_scale``.
    compression : {"none", "gzip", "bitshuffle", "zstd"}
        The last two need hdf5plugin here, and their filters where the file is read.
    chunks : tuple of int, optional
        0.5 to 4 MB by default.
    overwrite : bool
        Replace `out`.
    progress : called with the frames done and all frames

    Returns
    -------
    str
        The path of the dataset in the output: that in the view.

    Raises
    ------
    FileExistsError
        `out` exists.
    ValueError
        Values do not fit the dtype; the parts of an interrupted run are those of another one.
    OSError
        What is read back differs from what was written.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("exported.h5", "w") as f:
    ...     f["raw"] = np.full((4, 2, 2), 7, "u2")
    ...     pedestal = h5calib.Pedestal(np.ones((2, 2)))
    ...     _ = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    >>> h5calib.export("exported.h5", "stored.h5", dtype="i2", overwrite=True)
    '/v'
    >>> with h5py.File("stored.h5") as f:
    ...     int(f["v"][3, 0, 0])
    6
    """
    out = Path(out)
    finished = out.exists() and out.with_name(out.name + ".parts").exists()
    if out.exists() and not overwrite and not finished:
        raise FileExistsError(f"{out} exists: give overwrite=True (--overwrite), or another name")
    storage = Storage(np.dtype(dtype), fill, scale)
    with h5py.File(view, "r") as file:
        path = "/" + (name or choose(file)).lstrip("/")
    lazy = LazyArray(view, path)
    box = _box(lazy.shape, frames, roi)
    shape = tuple(b - a for a, b in box)
    if 0 in shape:
        raise ValueError(f"nothing is chosen of {path} of shape {lazy.shape}")
    properties, step = _properties(shape, storage, chunks, compression)
    job = {
        "view": lazy.__dask_tokenize__(),
        "box": box,
        "storage": [str(storage.dtype), storage.fill, storage.scale],
        "chunks": properties.get_chunk(),
        "compression": compression,
    }
    parts = Parts(out, job)
    if finished and not overwrite:  # it was stopped after giving the output its name
        parts.remove()
        return path
    try:
        _write_parts(parts, lazy, box, step, storage, properties, progress)
    finally:
        close_files()
    _join(out, parts, path, shape, step, properties, storage, lazy, box)
    parts.remove()
    return path


def _write_parts(
    parts: Parts,
    lazy: LazyArray,
    box: list[tuple[int, int]],
    step: int,
    storage: Storage,
    properties: h5py.h5p.PropDCID,
    progress: Callable[[int, int], None] | None,
) -> None:
    count = box[0][1] - box[0][0]
    for first in range(0, count, step):
        last = min(first + step, count)
        if not parts.done(first):
            rows = slice(box[0][0] + first, box[0][0] + last)
            values = lazy[(rows, *(slice(*bounds) for bounds in box[1:]))]
            parts.write(first, storage.of(values), properties)
        if progress:
            progress(last, count)


def _box(
    shape: tuple[int, ...], frames: slice | None, roi: tuple[slice, slice] | None
) -> list[tuple[int, int]]:
    asked = [
        frames or slice(None),
        *(slice(None) for _ in shape[1:-2]),
        *(roi or (slice(None),) * 2),
    ]
    box = []
    for part, length in zip(asked, shape, strict=True):
        start, stop, step = part.indices(length)
        if step != 1:
            raise ValueError("frames and roi are taken without a step")
        box.append((start, max(start, stop)))
    return box


def _properties(
    shape: tuple[int, ...], storage: Storage, chunks: tuple[int, ...] | None, compression: str
) -> tuple[h5py.h5p.PropDCID, int]:
    """How the dataset is created, and how many frames a part has: whole chunks."""
    if compression not in COMPRESSIONS:
        raise ValueError(f"compression {compression!r}: choose one of {', '.join(COMPRESSIONS)}")
    chunk = chunks or default_chunks(shape, storage.dtype.itemsize)
    if len(chunk) != len(shape) or any(not 0 < c <= n for c, n in zip(chunk, shape, strict=True)):
        raise ValueError(f"chunks {chunk} do not fit the shape {shape}")
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(chunk)
    if compression == "gzip":
        properties.set_shuffle()
        properties.set_deflate(4)
    elif compression != "none":
        import hdf5plugin

        plugin = hdf5plugin.Bitshuffle() if compression == "bitshuffle" else hdf5plugin.Zstd()
        number, words = plugin["compression"], plugin["compression_opts"]
        properties.set_filter(number, h5py.h5z.FLAG_MANDATORY, tuple(words))
    frame = int(np.prod(shape[1:], dtype="u8")) * storage.dtype.itemsize
    step = max(1, _BLOCK_BYTES // max(1, frame) // chunk[0]) * chunk[0]
    return properties, step


def _join(
    out: Path,
    parts: Parts,
    path: str,
    shape: tuple[int, ...],
    step: int,
    properties: h5py.h5p.PropDCID,
    storage: Storage,
    lazy: LazyArray,
    box: list[tuple[int, int]],
) -> None:
    """All parts in one file, chunk by chunk as they are stored, compared, and given its name."""
    unfinished = out.with_name(out.name + ".unfinished")
    with h5py.File(unfinished, "w", libver=LIBVER) as file:
        group = file.require_group(os.path.dirname(path))
        space = h5py.h5s.create_simple(shape)
        file_type = h5py.h5t.py_create(storage.dtype, logical=True)
        name = os.path.basename(path).encode()
        dataset = h5py.Dataset(h5py.h5d.create(group.id, name, file_type, space, properties))
        for first in range(0, shape[0], step):
            with h5py.File(parts.path(first), "r") as part:
                _copy_chunks(part[NAME], dataset, first)
        _describe(dataset, lazy, storage, box)
        file.flush()
        for first in range(0, shape[0], step):
            with h5py.File(parts.path(first), "r") as part:
                _compare(dataset, first, part[NAME], out)
    with open(unfinished, "rb") as written:
        os.fsync(written.fileno())
    os.replace(unfinished, out)


def _copy_chunks(source: h5py.Dataset, target: h5py.Dataset, first: int) -> None:
    for i in range(source.id.get_num_chunks()):
        info = source.id.get_chunk_info(i)
        mask, stored = source.id.read_direct_chunk(info.chunk_offset)
        offset = (info.chunk_offset[0] + first, *info.chunk_offset[1:])
        target.id.write_direct_chunk(offset, stored, mask)


def _compare(dataset: h5py.Dataset, first: int, part: h5py.Dataset, out: Path) -> None:
    values = dataset[first : first + part.shape[0]]
    if zlib.crc32(np.ascontiguousarray(values)) != part.attrs["crc32"]:
        raise OSError(
            f"frames {first} to {first + part.shape[0] - 1} read back from {out} are not those "
            "that were written: is the disk sound? Run it again"
        )


def _describe(
    dataset: h5py.Dataset, lazy: LazyArray, storage: Storage, box: list[tuple[int, int]]
) -> None:
    """What the numbers are, and the ids beside them."""
    with h5py.File(lazy.path, "r") as file:
        source = file[lazy.name]
        for key in source.attrs:
            if key.startswith(PREFIX) or key in ("units", "long_name"):
                kind = source.attrs.get_id(key).dtype
                dataset.attrs.create(key, source.attrs[key], dtype=kind)
        dataset.attrs[f"{PREFIX}exported"] = (
            f"h5calib {__version__} from {lazy.path}:{lazy.name}, box {box}"
        )
        if storage.scale != 1:
            dataset.attrs[f"{PREFIX}scale"] = storage.scale
        if storage.fill is not None:
            dataset.attrs[f"{PREFIX}fill"] = storage.fill
        for key in _BESIDE:
            beside = source.parent.get(key)
            if not isinstance(beside, h5py.Dataset):
                continue
            if key == "module":
                dataset.parent[key] = beside[()]
            elif beside.shape[:1] == source.shape[:1]:
                dataset.parent[key] = beside[slice(*box[0])]
