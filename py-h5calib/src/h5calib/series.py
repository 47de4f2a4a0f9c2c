"""Many calibrated datasets of one file that share one copy of their constants.

`create_calibrated_dataset` checks and describes everything anew for each dataset. A camera scan
has one dataset per shot, all alike but for the raw data: here the checks are made once for each
shape and dtype, and each dataset costs one group, three links and the dataset itself.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from . import _plugin
from ._format import FILTER_ID, Descriptor, encode_stub
from ._layout import HOME, PREFIX
from ._plan import Plan, make_plan, open_constants
from ._write import (
    algorithm_parameters,
    attribute_texts,
    ensure_file_uuid,
    unfiltered,
    write_constants,
    write_text,
)
from .calibration import Calibration, Constant, class_of
from .chunks import MAX_BYTES

Prepared = tuple[bytes, Any, Any, np.ndarray]


def calibration_from(
    algorithm: str, constants: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Calibration:
    """A `Calibration` from the name of its algorithm, as files and journals have it.

    >>> calibration_from("pedestal", {"pedestal": 5.0}, {"masked_value": -1})
    Pedestal(pedestal, masked_value=-1.0)
    """
    cls = class_of(algorithm)
    if cls is None:
        raise ValueError(f"this h5calib has no algorithm {algorithm!r}: update it")
    calibration = cls.__new__(cls)
    Calibration.__init__(calibration, constants, parameters)
    return calibration


def store_constants(group: h5py.Group, calibration: Calibration, frame: tuple[int, int]) -> None:
    """Store the constants, for frames of that shape (y, x), in an empty group."""
    with ExitStack() as files:
        write_constants(group, open_constants(group, calibration, *frame, files))


class _Mould:
    """What is the same for all calibrated datasets of one shape and dtype."""

    def __init__(self, plan: Plan) -> None:
        self.algorithm = plan.calibration.algorithm.id
        self.parameters = algorithm_parameters(plan)
        self.properties = unfiltered(plan.chunks)
        self.space = h5s.create_simple(plan.shape)
        self.type = h5t.py_create(plan.dtype, logical=True)
        grid = [-(-n // c) for n, c in zip(plan.shape, plan.chunks, strict=True)]
        self.offsets = [
            tuple(i * c for i, c in zip(place, plan.chunks, strict=True))
            for place in np.ndindex(*grid)
        ]


class Series:
    """Makes calibrated datasets that share the constants in one group of their file.

    Parameters
    ----------
    constants : h5py.Group
        Filled by `store_constants`.
    calibration : Calibration
        Its algorithm and parameters count; its constants are those in the group.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> from h5calib.series import Series, store_constants
    >>> f = h5py.File("series.h5", "w", driver="core", backing_store=False)
    >>> pedestal = h5calib.Pedestal(np.ones((2, 2), "f4"))
    >>> store_constants(f.create_group("dark"), pedestal, (2, 2))
    >>> series = Series(f["dark"], pedestal)
    >>> for i in range(2):
    ...     f[f"raw{i}"] = np.full((2, 2), 10 * i, "u2")
    ...     series.create(f, f"calibrated{i}", f[f"raw{i}"])
    >>> f["calibrated1"][0].tolist()
    [9.0, 9.0]
    """

    def __init__(self, constants: h5py.Group, calibration: Calibration) -> None:
        _plugin.require()
        self._constants = constants
        self._calibration = copy.copy(calibration)
        self._calibration.constants = {
            name: Constant(dataset, _axes(constants, name)) for name, dataset in constants.items()
        }
        with ExitStack() as undo:
            self._file_uuid = ensure_file_uuid(constants.file, undo)
            undo.pop_all()
        self._homes = constants.file.require_group(HOME).id
        self._moulds: dict[Any, _Mould] = {}

    def create(
        self,
        group: h5py.Group,
        name: str,
        raw: h5py.Dataset | str,
        attributes: Sequence[Prepared] = (),
        like: Any = None,
    ) -> None:
        """Create one dataset in `group`; `attributes` are made by `prepare`.

        Raw data are a dataset of the file, or its absolute path. With `like`, anything hashable,
        all raw data of the same `like` have one shape, dtype and chunks, and are looked at once.
        The file is left as it was, but for unused space, if this raises an error.
        """
        mould = self._moulds.get(like) or self._mould(group, name, raw, like)
        path = raw if isinstance(raw, str) else raw.name
        key = uuid.uuid4()
        home = h5g.create(self._homes, key.hex.encode())
        try:
            home.links.create_soft(b"raw", path.encode())
            home.links.create_hard(b"constants", self._constants.id, b".")
            dataset = self._dataset(mould, key.bytes)
            for prepared in attributes:
                write_prepared(dataset, prepared)
            h5py.h5o.link(dataset, home, b"dataset")
            h5py.h5o.link(dataset, group.id, name.encode())
        except BaseException:
            self._homes.unlink(key.hex.encode())
            raise

    def _dataset(self, mould: _Mould, key: bytes) -> Any:
        """A dataset without a name, with its stubs; an HDF5 identifier."""
        words = Descriptor(mould.algorithm, self._file_uuid, key, mould.parameters)
        properties = mould.properties.copy()
        properties.set_filter(FILTER_ID, h5py.h5z.FLAG_MANDATORY, words.encode(create=True))
        dataset = h5d.create(self._constants.file.id, None, mould.type, mould.space, properties)
        for number, offset in enumerate(mould.offsets):
            dataset.write_direct_chunk(offset, encode_stub(key, number), 0)
        return dataset

    def _mould(self, group: h5py.Group, name: str, raw: h5py.Dataset | str, like: Any) -> _Mould:
        """What is the same for all datasets like this one."""
        raw = self._constants.file[raw] if isinstance(raw, str) else raw
        form = (raw.shape, raw.dtype, raw.chunks) if like is None else like
        if form not in self._moulds:
            chunks = self._chunks(raw)
            given = (group, name, raw, self._calibration, None, None, chunks, None, False, None)
            with ExitStack() as files:
                plan = make_plan(*given, files=files)
            self._describe(plan)
            self._moulds[form] = _Mould(plan)
        return self._moulds[form]

    def _chunks(self, raw: h5py.Dataset) -> tuple[int, ...] | None:
        """Few chunks, as each costs time when it is created: rows of up to 4 MB; None: as usual."""
        rows = max(1, MAX_BYTES // (4 * raw.shape[-1])) if raw.ndim == 2 else 0
        if self._calibration.whole_frame or not 0 < rows < raw.shape[0]:
            return None
        pieces = -(-raw.shape[0] // rows)
        return -(-raw.shape[0] // pieces), raw.shape[1]

    def _describe(self, plan: Plan) -> None:
        """The attributes for people, once for all datasets, on the constants' group."""
        if f"{PREFIX}created" in self._constants.attrs:
            return
        for key, text in attribute_texts(plan).items():
            if key != f"{PREFIX}raw":
                write_text(self._constants, key, text)


def prepare(name: str, value: Any) -> Prepared:
    """An attribute as HDF5 wants it, to be written many times."""
    value = np.asarray(value)
    space = h5s.create_simple(value.shape) if value.shape else h5s.create(h5s.SCALAR)
    return name.encode(), h5t.py_create(value.dtype, logical=True), space, value


def write_prepared(target: Any, prepared: Prepared) -> None:
    """Write an attribute of an object given by its HDF5 identifier."""
    name, kind, space, value = prepared
    h5a.create(target, name, kind, space).write(value, kind)


def _axes(constants: h5py.Group, name: str) -> str:
    axes = constants.attrs[f"axes_{name}"]
    return axes.decode() if isinstance(axes, bytes) else ""
