"""Many calibrated datasets of one file that share one copy of their constants.

`create_calibrated_dataset` checks and describes everything anew for each dataset. A camera scan
has one dataset per shot, all alike but for the raw data: here the checks are made once for each
shape and dtype, and each dataset costs one group, three links and the dataset itself.
"""

from __future__ import annotations

import copy
import ctypes
import functools
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from ..binding import hdf5 as _hdf5
from ..binding import plugin as _plugin
from ..calibration.base import Calibration, Constant, class_of
from ..contents.descriptor import FILTER_ID, encode_stub
from ..contents.layout import HOME, PREFIX
from .chunks import MAX_BYTES
from .plan import Plan, make_plan, open_constants
from .write import (
    attribute_texts,
    descriptor_of,
    ensure_file_uuid,
    unfiltered,
    write_constants,
    write_text,
)

Prepared = tuple[bytes, Any, Any, np.ndarray]

_HDF5_FUNCTIONS = (
    "H5Gcreate2", "H5Gclose", "H5Lcreate_soft", "H5Lcreate_hard", "H5Olink", "H5Pmodify_filter",
    "H5Dcreate_anon", "H5Dwrite_chunk", "H5Dclose", "H5Acreate2", "H5Awrite", "H5Aclose",
)  # fmt: skip


class _Attribute(ctypes.Structure):
    """series_attribute of the plugin's series.c, as the two below."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int64),
        ("space", ctypes.c_int64),
        ("value", ctypes.c_void_p),
    )


class _CMould(ctypes.Structure):
    _fields_ = (
        ("homes", ctypes.c_int64),
        ("constants", ctypes.c_int64),
        ("properties", ctypes.c_int64),
        ("type", ctypes.c_int64),
        ("space", ctypes.c_int64),
        ("words", ctypes.c_void_p),
        ("n_words", ctypes.c_size_t),
        ("offsets", ctypes.c_void_p),
        ("n_chunks", ctypes.c_size_t),
        ("rank", ctypes.c_size_t),
    )


class _Functions(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in _HDF5_FUNCTIONS)


@functools.cache
def _functions() -> _Functions | None:
    """The functions of h5py's libhdf5, or None where they or the plugin cannot be called."""
    plugin = _plugin.plugin_library()
    found = [_hdf5.function(name) for name in _HDF5_FUNCTIONS]
    if plugin is None or None in found or not hasattr(plugin, "h5calib_plugin_series_add"):
        return None
    c = ctypes
    plugin.h5calib_plugin_series_add.argtypes = (
        *(c.POINTER(_Functions), c.POINTER(_CMould), c.c_char_p, c.c_char_p),
        *(c.POINTER(_Attribute), c.c_size_t, c.c_int64, c.c_char_p, c.POINTER(c.c_char_p)),
    )
    plugin.h5calib_plugin_series_add.restype = c.c_int
    return _Functions(*(c.cast(one, c.c_void_p) for one in found))


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
    return cls.of_parts(constants, parameters)


def store_constants(group: h5py.Group, calibration: Calibration, frame: tuple[int, int]) -> None:
    """Store the constants, for frames of that shape (y, x), in an empty group."""
    with ExitStack() as files:
        write_constants(group, open_constants(group, calibration, *frame, files))


class Attributes:
    """Attributes made by `prepare`, ready to be written to many datasets."""

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        self.prepared = [
            (n, t, s, np.ascontiguousarray(v).reshape(v.shape)) for n, t, s, v in prepared
        ]
        self.structures = (_Attribute * len(self.prepared))(
            *((n, t.id, s.id, v.ctypes.data) for n, t, s, v in self.prepared)
        )


class _Mould:
    """What is the same for all calibrated datasets of one shape and dtype."""

    def __init__(self, plan: Plan, homes: Any, constants: Any, file_uuid: bytes) -> None:
        self.words = descriptor_of(plan.calibration, file_uuid, bytes(16))
        self.properties = unfiltered(plan.chunks)
        words = self.words.encode(create=True)
        self.properties.set_filter(FILTER_ID, h5py.h5z.FLAG_MANDATORY, words)
        self.space = h5s.create_simple(plan.shape)
        self.type = h5t.py_create(plan.dtype, logical=True)
        grid = [-(-n // c) for n, c in zip(plan.shape, plan.chunks, strict=True)]
        self.offsets = [
            tuple(i * c for i, c in zip(place, plan.chunks, strict=True))
            for place in np.ndindex(*grid)
        ]
        self.arrays = (
            np.array(words, np.uintc), np.array(self.offsets, "u8").reshape(-1, len(plan.shape))
        )  # fmt: skip
        w, offsets = self.arrays
        self.structure = _CMould(
            homes.id, constants.id, self.properties.id, self.type.id, self.space.id,
            w.ctypes.data, len(w), offsets.ctypes.data, *offsets.shape,
        )  # fmt: skip


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
    >>> from h5calib.creating.series import Series, store_constants
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
        self._functions = _functions()
        self._moulds: dict[Any, _Mould] = {}

    def create(
        self,
        group: h5py.Group,
        name: str,
        raw: h5py.Dataset | str,
        attributes: Sequence[Prepared] | Attributes = (),
        like: Any = None,
    ) -> None:
        """Create one dataset in `group`; `attributes` are made by `prepare`, or many
        times the same `Attributes`.

        Raw data are a dataset of the file, or its absolute path. With `like`, anything hashable,
        all raw data of the same `like` have one shape, dtype and chunks, and are looked at once.
        The file is left as it was, but for unused space, if this raises an error.
        """
        mould = self._moulds.get(like) or self._mould(group, name, raw, like)
        path = raw if isinstance(raw, str) else raw.name
        if not isinstance(attributes, Attributes):
            attributes = Attributes(attributes)
        key = uuid.uuid4()
        try:
            if self._functions is None:
                self._create_by_h5py(mould, key, path, attributes, group, name)
            else:
                self._create_in_one_call(mould, key, path, attributes, group, name)
        except BaseException:
            if key.hex.encode() in self._homes:
                self._homes.unlink(key.hex.encode())
            raise

    def _create_in_one_call(
        self, mould: _Mould, key: uuid.UUID, path: str, attributes: Attributes,
        group: h5py.Group, name: str,
    ) -> None:  # fmt: skip
        failed = ctypes.c_char_p()
        with h5py._objects.phil:
            code = _plugin.plugin_library().h5calib_plugin_series_add(
                self._functions, mould.structure, key.bytes, path.encode(),
                attributes.structures, len(attributes.structures),
                group.id.id, name.encode(), failed,
            )  # fmt: skip
        if code:
            why = f"{failed.value.decode()} failed" if failed.value else "impossible arguments"
            raise RuntimeError(f"HDF5 did not create the calibrated dataset {name!r}: {why}")

    def _create_by_h5py(
        self, mould: _Mould, key: uuid.UUID, path: str, attributes: Attributes,
        group: h5py.Group, name: str,
    ) -> None:  # fmt: skip
        """The same where the loader does not tell the functions of h5py's libhdf5."""
        home = h5g.create(self._homes, key.hex.encode())
        home.links.create_soft(b"raw", path.encode())
        home.links.create_hard(b"constants", self._constants.id, b".")
        dataset = self._dataset(mould, key.bytes)
        for prepared in attributes.prepared:
            write_prepared(dataset, prepared)
        h5py.h5o.link(dataset, home, b"dataset")
        h5py.h5o.link(dataset, group.id, name.encode())

    def _dataset(self, mould: _Mould, key: bytes) -> Any:
        """A dataset without a name, with its stubs; an HDF5 identifier."""
        words = replace(mould.words, dataset_uuid=key).encode(create=True)
        properties = mould.properties.copy()
        properties.remove_filter(FILTER_ID)
        properties.set_filter(FILTER_ID, h5py.h5z.FLAG_MANDATORY, words)
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
            self._moulds[form] = _Mould(plan, self._homes, self._constants.id, self._file_uuid)
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
