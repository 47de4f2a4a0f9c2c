"""Reading back what a calibrated dataset is made of."""

from __future__ import annotations

import json
import struct
from typing import Any

import h5py

from ..binding import algorithms as _algorithms
from ..calibration.base import class_of
from ..contents.descriptor import Descriptor
from ..contents.layout import home_of, read_descriptor, text_of
from ..errors import NotCalibratedError
from .rebuilding import parameters_of

_TEXTS = ("detector", "created_by", "created", "comment", "raw_sha256")
_V0_MAGIC = 0x6290D662


def describe(dataset: h5py.Dataset) -> dict[str, Any]:
    """Tell what a calibrated dataset is made of, as plain Python objects.

    Parameters
    ----------
    dataset : h5py.Dataset
        Any calibrated dataset, of the first h5calib as well.

    Returns
    -------
    dict
        ``format_version``, ``algorithm``, ``algorithm_version``, ``experimental``, ``shape``,
        ``chunks``, ``dtype``; ``raw`` and each of ``constants`` as dicts with the link's ``file``
        (None: this one) and ``path``, constants also with ``axes``, ``shape``, ``dtype`` and
        ``sha256`` as they were at creation; ``cell_ids`` and ``frames`` (None without);
        ``parameters``; ``unwritten`` ("missing" or "fill": what raw data is whose storage was never
        written); ``detector``, ``created_by``, ``created``, ``comment``; ``raw_sha256`` and
        ``cell_ids_sha256`` where they were recorded.

    Raises
    ------
    NotCalibratedError (a ValueError)
        Where the dataset is an ordinary one.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> f = h5py.File("describe.h5", "w", driver="core", backing_store=False)
    >>> f["raw"] = np.arange(8, dtype="u2").reshape(2, 2, 2)
    >>> pedestal = h5calib.Pedestal(np.ones((2, 2), "f4"), masked_value=-1)
    >>> dataset = h5calib.create_calibrated_dataset(f, "calibrated", "raw", pedestal)
    >>> found = h5calib.describe(dataset)
    >>> found["algorithm"], found["raw"], found["parameters"]
    ('pedestal', {'file': None, 'path': '/raw'}, {'masked_value': -1.0})
    """
    descriptor = read_descriptor(dataset)
    base = {"shape": dataset.shape, "chunks": dataset.chunks, "dtype": str(dataset.dtype)}
    if descriptor is None:
        return {**_describe_v0(dataset), **base}
    algorithm = _algorithms.by_id(descriptor.algorithm)
    home = home_of(dataset, descriptor)
    return {
        "format_version": 1,
        "algorithm": algorithm.name,
        "algorithm_version": algorithm.version,
        "experimental": bool(algorithm.flags & _algorithms.EXPERIMENTAL),
        **base,
        "raw": _target(home, "raw"),
        "constants": _constants(dataset, home),
        "cell_ids": _target(home, "cell_ids"),
        "frames": _target(home, "frames"),
        "parameters": _parameters(algorithm, descriptor),
        "unwritten": descriptor.unwritten,
        **{name: text_of(dataset, name) for name in _TEXTS},
        "cell_ids_sha256": json.loads(text_of(dataset, "cell_ids") or "{}").get("sha256"),
        "file_uuid": descriptor.file_uuid.hex(),
        "dataset_uuid": descriptor.dataset_uuid.hex(),
    }


def _target(home: h5py.Group, name: str) -> dict[str, Any] | None:
    link = home.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return {"file": link.filename, "path": link.path}
    if isinstance(link, h5py.SoftLink):
        return {"file": None, "path": link.path}
    return None if link is None else {"file": None, "path": f"{home.name}/{name}"}


def _constants(dataset: h5py.Dataset, home: h5py.Group) -> dict[str, dict[str, Any]]:
    group = home["constants"]
    recorded = json.loads(text_of(dataset, "constants") or "{}")
    result = {}
    for name in group:
        axes = group.attrs.get(f"axes_{name}", b"")
        result[name] = {
            **(_target(group, name) or {}),
            "axes": axes.decode() if isinstance(axes, bytes) else "",
            **{k: recorded.get(name, {}).get(k) for k in ("shape", "dtype", "sha256")},
        }
    return result


def _parameters(algorithm: _algorithms.Algorithm, descriptor: Descriptor) -> dict[str, Any]:
    cls, named = class_of(algorithm.name), parameters_of(algorithm, descriptor)
    return {name: cls.word(name, value) if cls else value for name, value in named.items()}


def _describe_v0(dataset: h5py.Dataset) -> dict[str, Any]:
    """From the header of the first chunk; see "Version 0" in docs/file-format.md."""
    _, chunk = dataset.id.read_direct_chunk((0,) * len(dataset.shape))
    magic, _, number = struct.unpack_from("<3I", chunk)
    if magic != _V0_MAGIC:
        raise NotCalibratedError(f"{dataset.name} has chunks that are not of the first h5calib")
    algorithm = _algorithms.by_id(number)
    start = 4 * (6 if algorithm.name == "pedestal_v1" else 8)
    raw, constants = chunk[start:].split(b"\0")[:2]
    name = next(iter(algorithm.constants))
    return {
        "format_version": 0,
        "algorithm": algorithm.name,
        "algorithm_version": algorithm.version,
        "experimental": False,
        "raw": {"file": None, "path": raw.decode()},
        "constants": {name: {"file": None, "path": constants.decode()}},
        "parameters": {},
    }
