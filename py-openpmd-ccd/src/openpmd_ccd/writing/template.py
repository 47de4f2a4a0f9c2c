"""An iteration made once and copied for every shot.

Twenty attributes are most of the cost of a small image when each is written through HDF5.
So an iteration without pixels is built once per `Form` in a file that lives in memory, and
`H5Ocopy` puts a copy into the scan; only time and metadata differ.
"""

import itertools

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5o, h5p, h5s, h5t

from . import attributes, compression
from .shot import SCALAR

#: chunks of compressed images: whole rows, about this many bytes
CHUNK_BYTES = 4 * 2**20
#: attributes stay in the object header, which is what makes copying fast
COMPACT = (64, 32)
_KEEP = 16


_names = itertools.count()


def memory_file():
    """A file in memory for the templates, in the compact format of HDF5 1.8."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_fapl_core(64 * 1024, False)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    return h5f.create(b"openpmd-ccd-templates-%d" % next(_names), h5f.ACC_TRUNC, fapl=fapl)


def prepare(name, value):
    """(name, type, space, array) of an attribute that is written many times."""
    value = np.asarray(value)
    space = h5s.create_simple(value.shape) if value.shape else h5s.create(h5s.SCALAR)
    value = np.ascontiguousarray(value).reshape(value.shape)
    return name.encode(), h5t.py_create(value.dtype, logical=True), space, value


def write_prepared(obj, prepared):
    """Create an attribute that `prepare` made."""
    name, kind, space, value = prepared
    h5a.create(obj, name, kind, space).write(value, kind)


def write_attributes(obj, values):
    """Create attributes from a dict of NumPy values."""
    for name, value in values.items():
        write_prepared(obj, prepare(name, value))


def chunk_shape(shape, itemsize):
    """Chunk of one page and as many rows as fit into about 4 MiB."""
    rows = max(1, min(shape[-2], CHUNK_BYTES // max(1, shape[-1] * itemsize)))
    return (1,) * (len(shape) - 2) + (rows, shape[-1])


def _dataset_properties(form, storage):
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_attr_phase_change(*COMPACT)
    dcpl.set_fill_time(h5d.FILL_TIME_NEVER)
    if storage.filters:
        dcpl.set_chunk(chunk_shape(form.shape, np.dtype(form.dtype).itemsize))
        compression.apply(storage, dcpl)
    return dcpl


class Template:
    """The iteration of one `Form`, without pixels."""

    def __init__(self, store, name, form, storage):
        self.form = form
        self._store, self._name = store, name
        group = self._group(store, name)
        write_attributes(group, attributes.iteration(0.0))
        meshes = self._group(group, attributes.MESHES.encode())
        dcpl = _dataset_properties(form, storage)
        if form.components == (SCALAR,):
            record = self._dataset(meshes, attributes.RECORD, dcpl)
        else:
            record = self._group(meshes, attributes.RECORD.encode())
            for component in form.components:
                self._dataset(record, component, dcpl)
        write_attributes(record, attributes.mesh(form))
        self._time = h5a.open(group, b"time")
        self._buffer = np.zeros(())
        self.paths = [
            f"/{attributes.MESHES}/{attributes.component_path(c)}".encode() for c in form.components
        ]

    @staticmethod
    def _group(parent, name):
        gcpl = h5p.create(h5p.GROUP_CREATE)
        gcpl.set_attr_phase_change(*COMPACT)
        return h5g.create(parent, name, gcpl=gcpl)

    def _dataset(self, parent, name, dcpl):
        space = h5s.create_simple(self.form.shape)
        kind = h5t.py_create(np.dtype(self.form.dtype), logical=True)
        dataset = h5d.create(parent, name.encode(), kind, space, dcpl)
        write_attributes(dataset, attributes.component(self.form))
        return dataset

    def copy(self, target, name, time):
        """Copy the iteration to `target` as `name` and return its datasets, in order."""
        self._buffer[()] = time
        self._time.write(self._buffer)
        h5o.copy(self._store, self._name, target, name)
        return [h5d.open(target, name + path) for path in self.paths]


class Templates:
    """The templates used lately, by form."""

    def __init__(self, storage):
        self._storage = storage
        self._count = 0
        self._found = {}
        self._store = memory_file()

    def get(self, form):
        """The template for `form`, built on first use; and whether it is new."""
        found = self._found.get(form)
        if found is not None:
            return found, False
        if len(self._found) >= _KEEP:
            self._found.clear()
            self._store = memory_file()
        self._count += 1
        found = Template(self._store, b"%d" % self._count, form, self._storage)
        self._found[form] = found
        return found, True

    def close(self):
        """Forget all templates."""
        self._found.clear()
        self._store = None
