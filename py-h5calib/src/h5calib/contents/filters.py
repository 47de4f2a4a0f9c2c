"""Filters that data is compressed with, and that this HDF5 does not find."""

from __future__ import annotations

import contextlib
import importlib

import h5py


def find_filters(dataset: h5py.Dataset, what: str) -> None:
    """Have hdf5plugin bring what is missing; OSError names what even that does not bring."""
    properties = dataset.id.get_create_plist()
    used = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    missing = [one for one in used if not h5py.h5z.filter_avail(one[0])]
    if not missing:
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")
    for number, _, _, name in missing:
        if not h5py.h5z.filter_avail(number):
            known = name.decode(errors="replace").partition(";")[0] or "no name"
            raise OSError(
                f"{what}: {dataset.name} in {dataset.file.filename} is compressed by the filter "
                f"{number} ({known}), which HDF5 does not find: pip install hdf5plugin"
            )
