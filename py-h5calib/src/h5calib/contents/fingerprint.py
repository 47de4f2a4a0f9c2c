"""Fingerprints of data in other files: a few samples that the plugin compares when it reads.

`docs/file-format.md` says what is in one.
"""

from __future__ import annotations

import math
import os
import zlib

import h5py
import numpy as np

from .descriptor import FILTER_ID
from .sources import Source

_SAMPLES = 16
_COSTLY_SAMPLES = 2  # where each may be a chunk to decompress, or a look at many files; raw data 1
_BYTES = 512  # of a sample


def fingerprint(source: Source, n_frame_axes: int | None = None) -> str | None:
    """The fingerprint of what a calibrated dataset links to in another file.

    Parameters
    ----------
    source : Source
    n_frame_axes : int, optional
        Of raw data, which may still grow or be filled: samples of the first frame and, if it is
        not compressed, of the last that there is now. A sample that holds one value only is left
        out: it may not be written yet.

    Returns
    -------
    str or None
        None where there is nothing to compare: the data is in the file itself, is itself
        calibrated (and has fingerprints of its own), is empty, or is not written yet.
    """
    data = source.data
    if not _is_elsewhere(source, n_frame_axes is not None) or data.size == 0:
        return None
    if _is_calibrated(data):
        return None
    samples, crc = [], 0
    for first, count, selection in _boxes(data, n_frame_axes):
        values = np.asarray(data[selection])
        if n_frame_axes is None or np.any(values != values.flat[0]):
            crc = zlib.crc32(values.astype(values.dtype.newbyteorder("<")).tobytes(), crc)
            samples.append(f"{first}+{count}")
    kind = _kind(data)
    shape = "x".join(map(str, data.shape)) or "-"
    return f"{kind} {shape} {crc:08x} {' '.join(samples)}{_file(data)}" if samples else None


def contradiction(data: h5py.Dataset, text: str, is_raw: bool) -> str | None:
    """What tells that data is not what a fingerprint was made of; None where nothing does.

    As the plugin compares it, but for the file: raw data may have more frames by now.
    """
    kind, lengths, crc, *samples = text.split()
    shape = tuple(int(n) for n in lengths.split("x")) if lengths != "-" else ()
    if kind != _kind(data):
        return f"its type is {data.dtype}, it was {kind}"
    grown = is_raw and data.shape[1:] == shape[1:] and data.shape[:1] >= shape[:1]
    if data.shape != shape and not grown:
        return f"its shape is {data.shape}, it was {shape}"
    found = 0
    for sample in samples:
        if not sample.startswith("="):
            first, count = (int(n) for n in sample.split("+"))
            values = np.asarray(data[_selection(shape, first, count)])
            found = zlib.crc32(values.astype(values.dtype.newbyteorder("<")).tobytes(), found)
    return None if f"{found:08x}" == crc else "it has other values"


def write_fingerprint(
    group: h5py.Group, name: str, source: Source, n_frame_axes: int | None = None
) -> None:
    """Record the fingerprint of the data that the link `name` in `group` leads to."""
    attribute = f"fingerprint_{name}"
    if attribute in group.attrs:
        del group.attrs[attribute]
    text = fingerprint(source, n_frame_axes)
    if text is not None:
        group.attrs[attribute] = np.bytes_(text.encode())


def _kind(data: h5py.Dataset) -> str:
    return "i1" if data.dtype == bool else f"{data.dtype.kind}{data.dtype.itemsize}"


def _selection(shape: tuple[int, ...], first: int, count: int) -> tuple[int | slice, ...]:
    """So many elements from one on, which are a box."""
    if not shape:
        return ()
    k, inner = len(shape) - 1, 1
    while k > 0 and count > shape[k] * inner:
        inner *= shape[k]
        k -= 1
    index = [int(i) for i in np.unravel_index(first, shape)]
    whole = (slice(None),) * (len(shape) - k - 1)
    return (*index[:k], slice(index[k], index[k] + count // inner), *whole)


def _file(data: h5py.Dataset) -> str:
    """Which file it is in, if all of it is there: in that very file it may be edited."""
    if data.is_virtual or data.external is not None:
        return ""
    found = os.stat(data.file.filename)
    return f" ={found.st_dev}:{found.st_ino}"


def _is_elsewhere(source: Source, is_raw: bool) -> bool:
    if source.link is None:
        return False
    if is_raw and source.data.is_virtual and source.data.file.mode != "r":
        return False  # HDF5 would open the raw files for writing as well
    outside = isinstance(source.link, h5py.ExternalLink)
    return outside or source.data.is_virtual or source.data.external is not None


def _is_calibrated(data: h5py.Dataset) -> bool:
    """Whether it is computed by this filter, be it through a virtual dataset."""
    if not data.is_virtual:
        return any(n == FILTER_ID for n in _filters(data))
    source = data.virtual_sources()[0]  # all are of one kind
    if source.file_name == ".":
        return _is_calibrated(data.file[source.dset_name])
    folder = os.path.dirname(os.path.realpath(data.file.filename))
    path = os.path.join(folder, source.file_name)
    if not os.path.exists(path):
        return False
    with h5py.File(path, "r") as file:
        return source.dset_name in file and _is_calibrated(file[source.dset_name])


def _filters(data: h5py.Dataset) -> list[int]:
    properties = data.id.get_create_plist()
    return [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]


def _boxes(data: h5py.Dataset, n_frame_axes: int | None) -> list[tuple[int, int, tuple]]:
    costly = data.is_virtual or bool(_filters(data))
    if n_frame_axes is not None:
        frame = math.prod(data.shape[n_frame_axes:])
        inside = frame // 4  # signal, where gain is a plane of its own
        places = [inside] if costly else [inside, data.size - frame + inside]
    else:
        n = _COSTLY_SAMPLES if costly else _SAMPLES
        places = [(data.size - 1) * i // (n - 1) for i in range(n)]
    most = max(1, _BYTES // data.dtype.itemsize)
    found = {box[0]: box for box in (_box(data.shape, p, most, n_frame_axes or 0) for p in places)}
    return list(found.values())


def _box(shape: tuple[int, ...], place: int, most: int, axis: int) -> tuple[int, int, tuple]:
    """At most so many elements around a place that are a box and follow one another in C order.

    (index of the first, their number, the selection); all in one item of the axes before `axis`.
    """
    if not shape:
        return 0, 1, ()
    k, inner = len(shape) - 1, 1
    while k > axis and inner * shape[k] <= most:
        inner *= shape[k]
        k -= 1
    length = min(shape[k], most // inner)
    outer, inside = divmod(place // inner, shape[k])
    start = min(inside, shape[k] - length)
    first = (outer * shape[k] + start) * inner
    index = np.unravel_index(first, shape)
    whole = (slice(None),) * (len(shape) - k - 1)
    selection = (*map(int, index[:k]), slice(start, start + length), *whole)
    return first, length * inner, selection
