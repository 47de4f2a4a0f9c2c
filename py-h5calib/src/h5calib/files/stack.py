"""One virtual dataset over the calibrated datasets of several modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from ..contents.file_names import name_in

STACKED = ("data", "trainId", "pulseId", "module")  # what stack_modules makes


@dataclass(frozen=True, eq=False)
class Piece:
    """A calibrated dataset of one module: its entries and their keys (train, pulse)."""

    module: int
    file: str
    path: str
    entries: np.ndarray
    keys: np.ndarray


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
        shape, _ = _shape_of(file, piece)
        source = h5py.VirtualSource(_source_name(file, piece, links), piece.path, shape, dtype)
        column = modules.index(piece.module)
        for first, start, count in spans(piece, keys):
            taken = (
                slice(start, start + count),
                *(slice(None) if n != 1 else 0 for n in shape[1:-2]),
            )
            place = (slice(first, first + count), *(slice(None) for _ in between), column)
            layout[place] = source[taken]
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


def _shape_of(file: h5py.File, piece: Piece) -> tuple[tuple[int, ...], np.dtype]:
    if piece.file == file.filename:
        return file[piece.path].shape, file[piece.path].dtype
    with h5py.File(piece.file, "r") as other:
        return other[piece.path].shape, other[piece.path].dtype


def _source_name(file: h5py.File, piece: Piece, links: str) -> str:
    return "." if piece.file == file.filename else name_in(file.filename, piece.file, links)
