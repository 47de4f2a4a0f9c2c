"""A calibrated dataset once more, with an axis for its module, as a whole detector needs it.

HDF5 maps virtual datasets over sources of their own rank 13 to 43 times as fast as over others.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import replace

import h5py

from ..binding import plugin as _plugin
from ..contents.descriptor import Descriptor
from ..contents.layout import HOME, filter_words, home_of
from .write import create_filtered, put_in_place, remove_home_of, remove_path

_OWN = ("dataset", "constants")  # of a configuration; everything else is a link or a selection


def with_module_axis(dataset: h5py.Dataset, name: str) -> h5py.Dataset:
    """Create `name`, of shape (frames..., 1, y, x), with the values of a dataset (frames..., y, x).

    Raw data and constants are those of the dataset, and are in the file once. Chunks, dtype and
    attributes are the same. A dataset of that name is replaced. Where something fails, the file is
    left as it was.

    >>> import h5py, h5calib, numpy as np
    >>> f = h5py.File("module.h5", "w", driver="core", backing_store=False)
    >>> f["raw"] = np.full((3, 2, 2), 5, "u2")
    >>> pedestal = h5calib.Pedestal(np.ones((2, 2), "f4"))
    >>> one = h5calib.create_calibrated_dataset(f, "calibrated", "raw", pedestal)
    >>> with_module_axis(one, "modules/0").shape
    (3, 1, 2, 2)
    """
    file, new_uuid = dataset.file, uuid.uuid4()
    words = filter_words(dataset)
    if not words:
        raise ValueError(f"{dataset.name} is not a calibrated dataset of format version 1 or newer")
    descriptor = Descriptor.decode(words)
    old_home = home_of(dataset, descriptor)
    with ExitStack() as undo:
        path = f"{HOME}/{new_uuid.hex}"
        undo.callback(remove_path, file, path)
        home = file.create_group(path)
        for link in set(old_home) - {*_OWN}:
            home[link] = _link_of(old_home, link)
        home["constants"] = old_home["constants"]
        for attribute, value in old_home.attrs.items():
            home.attrs.create(attribute, value, dtype=old_home.attrs.get_id(attribute).dtype)
        made = create_filtered(
            file,
            replace(descriptor, dataset_uuid=new_uuid.bytes),
            shape=_with_axis(dataset.shape),
            chunks=_with_axis(dataset.chunks),
            dtype=dataset.dtype,
        )
        home["dataset"] = made
        _plugin.write_stubs(made, new_uuid.bytes)
        for attribute, value in dataset.attrs.items():
            if attribute.startswith("h5calib_"):
                kind = dataset.attrs.get_id(attribute).dtype
                made.attrs.create(attribute, value, dtype=kind)
        del made  # HDF5 asks the filter whether it may write only when a dataset is opened anew
        replaced = put_in_place(file, name, home["dataset"], undo)
        undo.pop_all()
    if replaced is not None:
        remove_home_of(replaced)
    return file[name]


def _with_axis(lengths: tuple[int, ...]) -> tuple[int, ...]:
    return (*lengths[:-2], 1, *lengths[-2:])


def _link_of(group: h5py.Group, name: str) -> h5py.ExternalLink | h5py.SoftLink | h5py.Dataset:
    link = group.get(name, getlink=True)
    return group[name] if isinstance(link, h5py.HardLink) else link
