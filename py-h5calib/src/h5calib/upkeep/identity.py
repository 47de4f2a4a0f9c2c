"""Byte copies of files, and configurations of datasets that were deleted."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace

import h5py
import numpy as np

from ..binding import plugin as _plugin
from ..contents.layout import FILE_UUID, hard_links, homes, opened_for_changes, read_descriptor
from ..creating.write import create_filtered

_SCALE_ATTRIBUTES = {"DIMENSION_LIST", "REFERENCE_LIST"}


def new_identity(path: str | os.PathLike[str]) -> None:
    """Give a copy of a file an identity of its own.

    A byte copy has the identity of its original. While both are open, HDF5 cannot tell which of
    them is read; where they differ, reading is refused. This writes all calibrated datasets of
    one of them anew under a new identity: same values, names, attributes and dimension scales.
    References to the datasets (of HDF5's reference type) must be made anew. Datasets of the
    first h5calib stay as they are.

    The file has all of it in the end, or is what it was, also where this is killed.

    Parameters
    ----------
    path : path of a file that is not open
    """
    _plugin.require()
    with opened_for_changes(path) as file:
        _renew(file)


def clean(path: str | os.PathLike[str]) -> list[str]:
    """Remove the configurations of calibrated datasets that were deleted.

    Parameters
    ----------
    path : path of a file that is not open

    Returns
    -------
    list of str
        The UUIDs of what was removed.
    """
    with opened_for_changes(path) as file:
        orphans = [str(home.name) for home in homes(file) if _is_orphan(home)]
        for name in orphans:
            del file[name]
    return [name.rpartition("/")[2] for name in orphans]


def _is_orphan(home: h5py.Group) -> bool:
    dataset = home.get("dataset")
    return dataset is None or h5py.h5o.get_info(dataset.id).rc == 1


def _renew(file: h5py.File) -> None:
    identity, names = uuid.uuid4(), hard_links(file)
    file.attrs[FILE_UUID] = np.bytes_(identity.hex.encode())
    for home in homes(file):
        old = home.get("dataset")
        if old is None:
            continue
        new = _recreate(old, identity.bytes)
        del home["dataset"]
        home["dataset"] = new
        for name in names.get(h5py.h5o.get_info(old.id).addr, []):
            del file[name]
            file[name] = new


def _recreate(old: h5py.Dataset, file_uuid: bytes) -> h5py.Dataset:
    """The same dataset in a file of that identity; its configuration stays where it is."""
    descriptor = replace(read_descriptor(old), file_uuid=file_uuid)
    new = create_filtered(old.file, descriptor, shape=old.shape, chunks=old.chunks, dtype=old.dtype)
    _plugin.write_stubs(new, descriptor.dataset_uuid)
    for name in set(old.attrs) - _SCALE_ATTRIBUTES:
        kind = old.attrs.get_id(name).dtype
        new.attrs.create(name, old.attrs[name], shape=old.attrs.get_id(name).shape, dtype=kind)
    for old_axis, new_axis in zip(old.dims, new.dims, strict=True):
        for scale in old_axis.values():
            old_axis.detach_scale(scale)
            new_axis.attach_scale(scale)
    return new
