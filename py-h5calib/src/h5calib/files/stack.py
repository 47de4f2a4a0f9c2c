"""One virtual dataset over the calibrated datasets of several modules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import h5py
import numpy as np

from ..contents.file_names import name_in

STACKED = ("data", "trainId", "pulseId", "module")  # what stack_modules makes


@dataclass(frozen=True, eq=False)
class Piece:
    """A calibrated dataset of one module: its entries and their keys (train, pulse).

    `with_axis` is where the same values are in the rank of the whole, if they are anywhere.
    """

    module: int
    file: str
    path: str
    entries: np.ndarray
    keys: np.ndarray
    with_axis: str | None = None


def stack_modules(
    file: h5py.File, name: str, pieces: Sequence[Piece], links: str = "auto"
) -> h5py.Dataset:
    """Create the virtual dataset (entry, ..., module, y, x) and its trainId, pulseId, module.

    Entries are all that any module has, in order of train and pulse. Where a module has none,
    the dataset reads `nothing_of` its dtype.
    """
    modules = sorted({piece.module for piece in pieces})
    with_keys = [piece.keys for piece in pieces if len(piece.keys)]
    keys = np.unique(np.concatenate(with_keys), axis=0) if with_keys else np.zeros((0, 2), "u8")
    shape, dtype = _shape_of(file, pieces[0])
    between = tuple(length for length in shape[1:-2] if length != 1)
    layout = h5py.VirtualLayout((len(keys), *between, len(modules), *shape[-2:]), dtype)
    for piece in pieces:
        path, shape = _source_of(file, piece, len(layout.shape))
        source = h5py.VirtualSource(_source_name(file, piece, links), path, shape, dtype)
        column = modules.index(piece.module)
        same_rank = len(shape) == len(layout.shape)
        where = slice(column, column + 1) if same_rank else column
        taken = [slice(None) if same_rank or n != 1 else 0 for n in shape[1:-2]]
        for first, start, count in spans(piece, keys):
            place = (slice(first, first + count), *(slice(None) for _ in between), where)
            layout[place] = source[(slice(start, start + count), *taken)]
    group, _, last = name.rpartition("/")
    home = file.require_group(group or "/")
    dataset = home.create_virtual_dataset(last, layout, fillvalue=nothing_of(dtype))
    home["trainId"], home["pulseId"], home["module"] = keys[:, 0], keys[:, 1], modules
    return dataset


def join_files(
    file: h5py.File, name: str, parts: Sequence[tuple[str, h5py.Dataset]]
) -> h5py.Dataset:
    """One virtual dataset over datasets, one after the other; with each the name of its file."""
    shapes, dtype = [data.shape for _, data in parts], parts[0][1].dtype
    layout = h5py.VirtualLayout((sum(shape[0] for shape in shapes), *shapes[0][1:]), dtype)
    start = 0
    for (other, data), shape in zip(parts, shapes, strict=True):
        if shape[0]:
            source = h5py.VirtualSource(other, data.name, shape, dtype)
            layout[start : start + shape[0]] = source
        start += shape[0]
    return file.create_virtual_dataset(name, layout, fillvalue=nothing_of(dtype))


def nothing_of(dtype: np.dtype) -> float | int:
    """What stands for no value: NaN, the least signed or the greatest unsigned integer.

    So a missing frame is not all of usable pixels in a mask, nor in high gain, nor 0 photons.
    """
    if dtype.kind == "f":
        return np.nan
    return int(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


def spans(piece: Piece, keys: np.ndarray) -> list[tuple[int, int, int]]:
    """(place in the whole, entry of the module, how many), as few as possible."""
    if not len(piece.entries):
        return []
    place = np.searchsorted(key_numbers(keys), key_numbers(piece.keys))
    steps = (np.diff(place) != 1) | (np.diff(piece.entries) != 1)
    starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
    ends = np.append(starts[1:], len(place))
    return [
        (int(place[a]), int(piece.entries[a]), int(b - a))
        for a, b in zip(starts, ends, strict=True)
    ]


def key_numbers(keys: np.ndarray) -> np.ndarray:
    """Train and pulse as one number; pulse ids stay below 2**20."""
    return keys[:, 0] << np.uint64(20) | keys[:, 1]


def _source_of(file: h5py.File, piece: Piece, rank: int) -> tuple[str, tuple[int, ...]]:
    """The dataset of a piece that has the rank of the whole, or, without one, the piece itself."""
    with _opened(file, piece) as there:
        shape = there[piece.path].shape
        if len(shape) != rank and piece.with_axis in there:
            return piece.with_axis, there[piece.with_axis].shape
        return piece.path, shape


def _shape_of(file: h5py.File, piece: Piece) -> tuple[tuple[int, ...], np.dtype]:
    with _opened(file, piece) as there:
        return there[piece.path].shape, there[piece.path].dtype


def _opened(file: h5py.File, piece: Piece) -> AbstractContextManager[h5py.File]:
    return nullcontext(file) if piece.file == file.filename else h5py.File(piece.file, "r")


def _source_name(file: h5py.File, piece: Piece, links: str) -> str:
    return "." if piece.file == file.filename else name_in(file.filename, piece.file, links)
