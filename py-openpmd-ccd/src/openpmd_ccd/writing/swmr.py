"""``swmr=True``: a scan that h5py reads while it is written.

HDF5's single-writer-multiple-readers mode allows no new groups, so the shots go to growing
stacks first: ``/live/raw`` (colour: ``/live/r``, ``g``, ``b``) with one image per shot,
``/live/number`` and ``/live/time``. They exist from the first shot on; all shots have its
shape and type. `close` adds the openPMD iterations as virtual datasets of the stacks: from
then on the file is read like any other. A live reader opens
``h5py.File(path, "r", swmr=True)`` and calls ``refresh()`` on the datasets, or uses
`open_scan` with ``live=True``.
"""

import os

import h5py
import numpy as np

from ..calibration.mesh import CalibratedMeshes
from ..errors import CalibrationError, ImageError
from . import attributes, compression
from .checksum import checksum
from .hdf5 import ScanFile
from .shot import SCALAR
from .template import chunk_shape, write_attributes
from .writer import Hdf5Writer

LIVE = "live"


def stack_name(component):
    """Name of a component's stack in the group `LIVE`."""
    return attributes.RECORD if component == SCALAR else component


class SwmrWriter(Hdf5Writer):
    """Appends to stacks in SWMR mode; the journal is the same as without."""

    def _open(self, root, overwrite):
        self._scan = SwmrFile(self.path, root, self._storage, overwrite)
        self._shots = []

    def _write(self, shot):
        form = shot.form()
        index = len(self._shots)
        self._scan.append(index, shot, form)
        if self._fsync:
            os.fsync(self._scan.file.id.get_vfd_handle())
        places = [self._locate(index, name, plane) for name, plane in shot.planes.items()]
        self._record(shot, form, places)
        self._shots.append((shot.number, shot.time, form, shot.metadata, shot.calibration))

    def _locate(self, index, component, plane):
        dataset = self._scan.stacks[component].id
        chunk = self._scan.stacks[component].chunks[1:]
        stored = []
        for corner in np.ndindex(*(-(-n // c) for n, c in zip(plane.shape, chunk, strict=True))):
            offset = tuple(i * c for i, c in zip(corner, chunk, strict=True))
            info = dataset.get_chunk_info_by_coord((index, *offset))
            data = dataset.read_direct_chunk((index, *offset))[1]
            stored.append([offset, info.byte_offset, info.size, info.filter_mask])
            stored[-1].append(checksum(data, self._fsync))
        return [None, *stored]

    def check_new_calibration(self):
        """In this mode HDF5 can store no new constants."""
        if self._scan.started:
            raise CalibrationError(
                "with swmr=True all shots have the calibration of the first: close this scan, "
                "or add the calibrated mesh later with 'openpmd-ccd calibrate'"
            )

    def close(self):
        """Add the iterations, unless a write failed, and close."""
        if not self._broken:
            self._broken = True
            self._scan.close()
            self._scan = ScanEnd(self.path)
            self._scan.add_iterations(self._shots)
            self._broken = False
        super().close()


class SwmrFile:
    """The file while shots are taken."""

    def __init__(self, path, root, storage, overwrite):
        self.file = h5py.File(path, "w" if overwrite else "x", libver=("v110", "v110"))
        write_attributes(self.file.id, root)
        self.file.create_group("data")
        self.file.flush()
        self.stacks = {}
        self.calibrated = CalibratedMeshes(self.file)
        self._form = None
        self._storage = storage

    @property
    def started(self):
        """Whether there is a shot, so that the file can have no new objects."""
        return self._form is not None

    def _start(self, form, calibration):
        if calibration is not None:
            self.calibrated.store(calibration, form)
        live = self.file.create_group(LIVE)
        for component in form.components:
            chunk = (1, *chunk_shape(form.shape, np.dtype(form.dtype).itemsize))
            dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            dcpl.set_chunk(chunk)
            dcpl.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            compression.apply(self._storage, dcpl)
            space = h5py.h5s.create_simple(
                (0, *form.shape), (h5py.h5s.UNLIMITED, *form.shape)
            )  # fmt: skip
            kind = h5py.h5t.py_create(np.dtype(form.dtype), logical=True)
            name = stack_name(component).encode()
            self.stacks[component] = h5py.Dataset(h5py.h5d.create(live.id, name, kind, space, dcpl))
        for name, kind in (("number", "u8"), ("time", "f8")):
            self.stacks[name + "s"] = live.create_dataset(name, (0,), kind, maxshape=(None,))
        self.file.swmr_mode = True
        self._form = form

    def append(self, index, shot, form):
        """Write one shot behind the others and let readers see it."""
        if self._form is None:
            self._start(form, shot.calibration)
        same = ("components", "shape", "dtype")
        if any(getattr(form, k) != getattr(self._form, k) for k in same):
            raise ImageError(
                f"shot {shot.number}: with swmr=True all shots have the shape and type of the "
                f"first, {self._form.shape} {self._form.dtype}, not {form.shape} {form.dtype}"
            )
        values = shot.planes | {"numbers": shot.number, "times": shot.time}
        for name, value in values.items():
            self.stacks[name].resize(index + 1, axis=0)
            self.stacks[name][index] = value
        for name in values:
            self.stacks[name].flush()

    def close(self):
        """Leave SWMR mode."""
        self.file.close()


class ScanEnd(ScanFile):
    """The file after the last shot: open for adding the iterations."""

    def __init__(self, path):
        self.file = h5py.File(path, "r+", libver=("earliest", "v110"))
        del self.file["data"]
        self.data = self.file.create_group("data").id
        self.templates = _NoTemplates()
        self.calibrated = CalibratedMeshes(self.file)

    def add_iterations(self, shots):
        """One iteration per (number, time, form, metadata), in the order of the stacks."""
        for index, (number, time, form, metadata, calibration) in enumerate(shots):
            group = self.file["data"].create_group(str(number))
            write_attributes(group.id, attributes.iteration(time) | attributes.metadata(metadata))
            meshes = group.create_group(attributes.MESHES)
            for component in form.components:
                path = attributes.component_path(component)
                dataset = meshes.create_virtual_dataset(path, self._layout(index, component, form))
                write_attributes(dataset.id, attributes.component(form))
            write_attributes(meshes[attributes.RECORD].id, attributes.mesh(form))
            if calibration is not None:
                self.calibrated.adopt(calibration, 1)
                self.calibrated.add(number, form, calibration)

    def _layout(self, index, component, form):
        stack = self.file[LIVE][stack_name(component)]
        source = h5py.VirtualSource(".", stack.name, stack.shape, stack.dtype)
        layout = h5py.VirtualLayout(form.shape, form.dtype)
        layout[...] = source[index]
        return layout


class _NoTemplates:
    def close(self):
        """Nothing to close."""
