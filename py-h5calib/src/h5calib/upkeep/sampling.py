"""Chunks of a calibrated dataset against the NumPy reference."""

from __future__ import annotations

import h5py
import numpy as np

from ..binding import algorithms as _algorithms
from ..calibration.base import Calibration
from ..contents.descriptor import Descriptor
from ..contents.layout import home_of
from ..contents.sources import Source
from ..reading.direct import read


def read_a_chunk(dataset: h5py.Dataset) -> None:
    """Compute the first chunk, past what HDF5 remembers of it; OSError says why it cannot be."""
    if dataset.size:
        read(dataset, tuple(slice(0, length) for length in dataset.chunks or dataset.shape))


def differing_chunk(
    dataset: h5py.Dataset,
    descriptor: Descriptor,
    calibration: Calibration,
    sources: dict[str, Source],
    samples: int,
) -> str | None:
    """What is wrong with the first of the sampled chunks that differs; None: all are the same."""
    grid = [-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    count = int(np.prod(grid))
    home, raw = home_of(dataset, descriptor), sources["raw"].data
    frames = home["frames"][()] if "frames" in home else None
    cells = sources["cell_ids"].read() if "cell_ids" in sources else None
    n_axes = len(_algorithms.by_id(descriptor.algorithm).split_raw_shape(raw.shape)[0])
    if cells is not None:
        cells = cells.reshape(raw.shape[:n_axes])
    for number in np.unique(np.linspace(0, count - 1, min(samples, count)).astype("i8")):
        place = np.unravel_index(number, grid)
        region = tuple(
            slice(int(i) * c, min((int(i) + 1) * c, n))
            for i, c, n in zip(place, dataset.chunks, dataset.shape, strict=True)
        )
        some, ids = _raw_frames(raw, cells, frames, region[:n_axes])  # not the module's axis
        expected = calibration.reference(some, ids, _dtype(dataset))[(..., *region[-2:])]
        found = dataset[region].reshape(expected.shape)
        if message := _difference(found, expected, dataset.dtype):
            start = ", ".join(str(part.start) for part in region)
            return f"the chunk at ({start}) differs from the NumPy reference: {message}"
    return None


def _raw_frames(
    raw: h5py.Dataset, cells: np.ndarray | None, frames: np.ndarray | None, region: tuple
) -> tuple[np.ndarray, np.ndarray | None]:
    """The raw frames and cell ids of a region of frames."""
    if frames is None:
        return raw[region], None if cells is None else cells[region].reshape(-1)
    chosen = [int(i) for i in frames[region[0]]]
    rest = region[1:]
    ids = None if cells is None else np.stack([cells[(i, *rest)] for i in chosen]).reshape(-1)
    return np.stack([raw[(i, *rest)] for i in chosen]), ids


def _dtype(dataset: h5py.Dataset) -> str:
    return "f8" if dataset.dtype == np.dtype("<f8") else "f4"


def _difference(found: np.ndarray, expected: np.ndarray, dtype: np.dtype) -> str | None:
    if dtype.kind in "iu" and expected.dtype.kind == "f":
        limits = np.iinfo(dtype)
        finite = np.isfinite(expected)
        inside = finite & (expected > limits.min) & (expected < limits.max)
        found, expected = found[inside].astype("f8"), expected[inside].astype("f8")
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    if same.all():
        return None
    largest = np.nanmax(np.abs(found[~same].astype("f8") - expected[~same]), initial=0)
    return f"{int((~same).sum())} pixels, by up to {largest:g}"
