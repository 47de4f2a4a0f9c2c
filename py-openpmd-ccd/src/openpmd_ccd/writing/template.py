"""An iteration made once and copied for every shot.

Twenty attributes are most of the cost of a small image when each is written through HDF5.
So an iteration without pixels is built once per `Form` in a file that lives in memory, and
`H5Ocopy` puts a copy into the scan; only time, checksums and metadata differ.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5o, h5p, h5s, h5t

from . import attributes, checksum, compression
from .shot import SCALAR, Form, Storage

#: (name, type, space, array) of an attribute
Prepared = tuple[bytes, Any, Any, "np.ndarray[Any, Any]"]

#: chunks of compressed images: whole rows, about this many bytes
CHUNK_BYTES = 4 * 2**20
#: attributes stay in the object header, which is what makes copying fast
COMPACT = (64, 32)
_KEEP = 16


_names = itertools.count()


def memory_file() -> Any:
    """A file in memory for the templates, in the compact format of HDF5 1.8."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_fapl_core(64 * 1024, False)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    return h5f.create(b"openpmd-ccd-templates-%d" % next(_names), h5f.ACC_TRUNC, fapl=fapl)


def prepare(name: str, value: Any) -> Prepared:
    """(name, type, space, array) of an attribute that is written many times."""
    value = np.asarray(value)
    space = h5s.create_simple(value.shape) if value.shape else h5s.create(h5s.SCALAR)
    value = np.ascontiguousarray(value).reshape(value.shape)
    return name.encode(), h5t.py_create(value.dtype, logical=True), space, value


def write_prepared(obj: Any, prepared: Prepared) -> None:
    """Create an attribute that `prepare` made."""
    name, kind, space, value = prepared
    h5a.create(obj, name, kind, space).write(value, kind)


def write_attributes(obj: Any, values: Mapping[str, Any]) -> None:
    """Create attributes from a dict of NumPy values."""
    for name, value in values.items():
        write_prepared(obj, prepare(name, value))


def chunk_shape(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunk of one page and as many rows as fit into about 4 MiB."""
    rows = max(1, min(shape[-2], CHUNK_BYTES // max(1, shape[-1] * itemsize)))
    return (1,) * (len(shape) - 2) + (rows, shape[-1])


def _dataset_properties(form: Form, storage: Storage) -> Any:
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_attr_phase_change(*COMPACT)
    dcpl.set_fill_time(h5d.FILL_TIME_NEVER)
    if storage.filters:
        dcpl.set_chunk(chunk_shape(form.shape, np.dtype(form.dtype).itemsize))
        compression.apply(storage, dcpl)
    return dcpl


class Template:
    """The iteration of one `Form`, without pixels."""

    def __init__(self, store: Any, name: bytes, form: Form, storage: Storage) -> None:
        self.form = form
        self._store, self._name = store, name
        group = self._group(store, name)
        write_attributes(group, attributes.iteration(0.0))
        meshes = self._group(group, attributes.MESHES.encode())
        dcpl = _dataset_properties(form, storage)
        self._sums: list[Any] = []
        if form.components == (SCALAR,):
            record = self._dataset(meshes, attributes.RECORD, dcpl)
        else:
            record = self._group(meshes, attributes.RECORD.encode())
            for component in form.components:
                self._dataset(record, component, dcpl)
        write_attributes(record, attributes.mesh(form))
        self._time = h5a.open(group, b"time")
        self._buffer: np.ndarray[Any, Any] = np.zeros(())
        self._text = np.zeros((), f"S{checksum.LENGTH}")
        self.paths = [
            f"/{attributes.MESHES}/{attributes.component_path(c)}".encode() for c in form.components
        ]

    @staticmethod
    def _group(parent: Any, name: bytes) -> Any:
        gcpl = h5p.create(h5p.GROUP_CREATE)
        gcpl.set_attr_phase_change(*COMPACT)
        return h5g.create(parent, name, gcpl=gcpl)

    def _dataset(self, parent: Any, name: str, dcpl: Any) -> Any:
        space = h5s.create_simple(self.form.shape)
        kind = h5t.py_create(np.dtype(self.form.dtype), logical=True)
        dataset = h5d.create(parent, name.encode(), kind, space, dcpl)
        empty = np.zeros((), f"S{checksum.LENGTH}")
        write_attributes(dataset, attributes.component(self.form) | {attributes.CHECKSUM: empty})
        self._sums.append(h5a.open(dataset, attributes.CHECKSUM.encode()))
        return dataset

    def copy(self, target: Any, name: bytes, time: float, checksums: Sequence[str]) -> list[Any]:
        """Copy the iteration to `target` as `name` and return its datasets, in order."""
        self._buffer[()] = time
        self._time.write(self._buffer)
        for attribute, value in zip(self._sums, checksums, strict=True):
            self._text[()] = value
            attribute.write(self._text)
        h5o.copy(self._store, self._name, target, name)
        return [h5d.open(target, name + path) for path in self.paths]


class Templates:
    """The templates used lately, by form."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._count = 0
        self._found: dict[Form, Template] = {}
        self._store: Any = memory_file()

    def get(self, form: Form) -> Template:
        """The template for `form`, built on first use."""
        found = self._found.get(form)
        if found is not None:
            return found
        if len(self._found) >= _KEEP:
            self._found.clear()
            self._store = memory_file()
        self._count += 1
        found = Template(self._store, b"%d" % self._count, form, self._storage)
        self._found[form] = found
        return found

    def close(self) -> None:
        """Forget all templates."""
        self._found.clear()
        self._store = None
