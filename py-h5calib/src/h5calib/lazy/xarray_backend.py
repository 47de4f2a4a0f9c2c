"""``xarray.open_dataset("view.h5", engine="h5calib")``.

Loaded by xarray alone, through the entry point ``xarray.backends``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from xarray import Dataset, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from ..contents.layout import filter_words
from .arrays import LazyArray
from .choose import choose

COORDINATES = ("trainId", "pulseId", "cellId")  # of frames, beside the data
COMPANIONS = ("mask", "gain", "gain_stage")  # of the same shape, beside the data


class H5calibBackend(BackendEntrypoint):  # type: ignore[misc]  # xarray's class has type Any
    """Calibrated datasets with the ids and companions beside them."""

    description = "Calibrated datasets of h5calib views, computed when they are read"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        name: str | None = None,
        threads: int | None = None,
    ) -> Dataset:
        """Open one calibrated dataset as `data`.

        `name` is its path in the file; without it, the only one in the file, or the only virtual
        dataset over modules. Dimensions are frame, module (of a whole detector), y and x.
        """
        path = os.fspath(filename_or_obj)
        with h5py.File(path, "r") as file:
            chosen = name or choose(file)
            dataset = file[chosen]
            dims = dims_of(dataset)
            group = dataset.parent
            variables = {"data": _variable(path, dataset, dims, threads)}
            for other in COMPANIONS:
                beside = group.get(other)
                if isinstance(beside, h5py.Dataset) and beside.shape == dataset.shape:
                    variables[other] = _variable(path, beside, dims, threads)
            coordinates = {
                key: Variable(dims[0], group[key][()].reshape(-1))
                for key in COORDINATES
                if key in group and group[key].size == dataset.shape[0]
            }
            if "module" in dims and "module" in group:
                coordinates["module"] = Variable("module", group["module"][()])
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        kept = {key: v for key, v in variables.items() if key not in dropped}
        return Dataset(kept, {k: v for k, v in coordinates.items() if k not in dropped})

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Only where it is asked for by name: other engines open views, too."""
        return False


def dims_of(dataset: h5py.Dataset) -> tuple[str, ...]:
    """frame, ..., y, x; with a module axis where the numbers of modules are beside the data."""
    between = [f"axis{i}" for i in range(1, dataset.ndim - 2)]
    beside = dataset.parent.get("module")
    if (
        between
        and isinstance(beside, h5py.Dataset)
        and beside.shape == (dataset.shape[dataset.ndim - 3],)
    ):
        between[-1] = "module"
    frames = ["frame"] if dataset.ndim > 2 else []
    return (*frames, *between, "y", "x")


def _variable(
    path: str, dataset: h5py.Dataset, dims: tuple[str, ...], threads: int | None
) -> Variable:
    calibrated = dataset.is_virtual or filter_words(dataset) is not None
    if not calibrated:
        return Variable(dims, dataset[()])
    lazy = LazyArray(path, dataset.name, threads)
    attributes = {
        key: dataset.attrs[key].decode() if isinstance(dataset.attrs[key], bytes) else value
        for key, value in dataset.attrs.items()
        if key in ("units", "long_name", "h5calib_algorithm", "h5calib_detector")
    }
    encoding = {"preferred_chunks": {dims[0]: lazy.chunks[0]}} if lazy.chunks else {}
    return Variable(dims, indexing.LazilyIndexedArray(_Array(lazy)), attributes, encoding)


class _Array(BackendArray):  # type: ignore[misc]  # xarray's class has type Any
    def __init__(self, lazy: LazyArray) -> None:
        self._lazy = lazy
        self.shape, self.dtype = lazy.shape, lazy.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._lazy.__getitem__
        )
