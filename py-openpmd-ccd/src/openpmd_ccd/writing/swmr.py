"""``swmr=True``: a scan that h5py reads while it is written.

HDF5's single-writer-multiple-readers mode allows no new groups, so the shots go to growing
stacks first: ``/live/raw`` (colour: ``/live/r``, ``g``, ``b``) with one image per shot,
``/live/number``, ``/live/time`` and ``/live/checksum``. They exist from the first shot on; all
shots have its shape and type. `close` adds the openPMD iterations as virtual datasets of the
stacks: from then on the file is read like any other. A live reader opens
``h5py.File(path, "r", swmr=True)`` and calls ``refresh()`` on the datasets, or uses
`open_scan` with ``live=True``.
"""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..calibration.mesh import CalibratedMeshes
from ..errors import CalibrationError, ImageError
from . import attributes, compression
from .checksum import LENGTH, checksum
from .hdf5 import hdf5_locking, set_shots
from .shot import SCALAR, Form, Plane, Shot, Storage
from .template import chunk_shape, write_attributes
from .writer import Hdf5Writer

LIVE = "live"
#: datasets of `LIVE` that are no pixels
TABLES = ("checksum", "number", "time")


def stack_name(component: str) -> str:
    """Name of a component's stack in the group `LIVE`."""
    return attributes.RECORD if component == SCALAR else component


class SwmrWriter(Hdf5Writer):
    """Appends to stacks in SWMR mode; the journal is the same as without."""

    def _open(self, root: dict[str, Any], overwrite: bool) -> None:
        self._scan: Any = SwmrFile(self.path, root, self._storage, overwrite, self._lock)
        self._shots: list[tuple[Shot, Form, list[str]]] = []

    def _write(self, shot: Shot) -> None:
        form, checksums = shot.form(), shot.checksums()
        index = len(self._shots)
        self._scan.append(index, shot, form, checksums)
        if self._fsync:
            os.fsync(self._scan.file.id.get_vfd_handle())
        places = [
            self._locate(index, name, plane, pixels)
            for (name, plane), pixels in zip(shot.planes.items(), checksums, strict=True)
        ]
        self._record(shot, form, places)
        kept = Shot(
            shot.number, shot.time, {}, shot.axes, shot.settings, shot.metadata, shot.calibration
        )
        self._shots.append((kept, form, checksums))

    def _locate(self, index: int, component: str, plane: Plane, pixels: str) -> list[Any]:
        dataset = self._scan.stacks[component].id
        chunk = self._scan.stacks[component].chunks[1:]
        stored = []
        for corner in np.ndindex(*(-(-n // c) for n, c in zip(plane.shape, chunk, strict=True))):
            offset = tuple(i * c for i, c in zip(corner, chunk, strict=True))
            info = dataset.get_chunk_info_by_coord((index, *offset))
            data = dataset.read_direct_chunk((index, *offset))[1]
            place = [offset, info.byte_offset, info.size, info.filter_mask, checksum(data)]
            stored.append(place)
        return [pixels, *stored]

    def check_new_calibration(self) -> None:
        """In this mode HDF5 can store no new constants."""
        if self._scan.started:
            raise CalibrationError(
                "with swmr=True all shots have the calibration of the first: close this scan, "
                "or add the calibrated mesh later with 'openpmd-ccd calibrate'"
            )

    def close(self) -> None:
        """Add the iterations, unless a write failed, and close."""
        if not self._broken:
            self._broken = True
            self._scan.close()
            self._scan = ScanEnd(self.path, self._lock)
            self._scan.add_iterations(self._shots)
            self._broken = False
        super().close()


class SwmrFile:
    """The file while shots are taken."""

    def __init__(
        self, path: Path, root: dict[str, Any], storage: Storage, overwrite: bool, lock: str
    ) -> None:
        self.file = h5py.File(
            path, "w" if overwrite else "x", libver=("v110", "v110"), locking=hdf5_locking(lock)
        )
        write_attributes(self.file.id, root)
        self.file.create_group("data")
        self.file.flush()
        self.stacks: dict[str, h5py.Dataset] = {}
        self.calibrated = CalibratedMeshes(self.file)
        self._form: Form | None = None
        self._storage = storage

    @property
    def started(self) -> bool:
        """Whether there is a shot, so that the file can have no new objects."""
        return self._form is not None

    def _start(self, shot: Shot, form: Form) -> None:
        if shot.calibration is not None:
            self.calibrated.store(shot.calibration, form)
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
        for name, kind, inner in zip(
            TABLES, (f"S{LENGTH}", "u8", "f8"), ((len(form.components),), (), ()), strict=True
        ):
            table = live.create_dataset(name, (0, *inner), kind, maxshape=(None, *inner))
            self.stacks[name + "s"] = table
        self.file.swmr_mode = True

    def append(self, index: int, shot: Shot, form: Form, checksums: list[str]) -> None:
        """Write one shot behind the others and let readers see it."""
        if self._form is None:
            self._start(shot, form)
            self._form = form
        same = ("components", "shape", "dtype")
        if any(getattr(form, k) != getattr(self._form, k) for k in same):
            raise ImageError(
                f"shot {shot.number}: with swmr=True all shots have the shape and type of the "
                f"first, {self._form.shape} {self._form.dtype}, not {form.shape} {form.dtype}"
            )
        values: dict[str, Any] = {
            **shot.planes, "checksums": [c.encode() for c in checksums],
            "numbers": shot.number, "times": shot.time,
        }  # fmt: skip
        for name, value in values.items():
            self.stacks[name].resize(index + 1, axis=0)
            self.stacks[name][index] = value
        for name in values:
            self.stacks[name].flush()

    def close(self) -> None:
        """Leave SWMR mode."""
        self.file.close()


class ScanEnd:
    """The file after the last shot: open for adding the iterations."""

    def __init__(self, path: Path, lock: str) -> None:
        self.file = h5py.File(
            path, "r+", libver=("earliest", "v110"), locking=hdf5_locking(lock)
        )  # fmt: skip
        del self.file["data"]
        self.file.create_group("data")
        self.calibrated = CalibratedMeshes(self.file)

    def add_iterations(self, shots: list[tuple[Shot, Form, list[str]]]) -> None:
        """One iteration per shot, in the order of the stacks."""
        for index, (shot, form, checksums) in enumerate(shots):
            group = self.file["data"].create_group(str(shot.number))
            values = attributes.iteration(shot.time) | attributes.metadata(shot.metadata)
            write_attributes(group.id, values)
            meshes = group.create_group(attributes.MESHES)
            for component, pixels in zip(form.components, checksums, strict=True):
                path = attributes.component_path(component)
                dataset = meshes.create_virtual_dataset(path, self._layout(index, component, form))
                values = attributes.component(form)
                values |= {attributes.CHECKSUM: attributes.as_text(pixels)}
                write_attributes(dataset.id, values)
            write_attributes(meshes[attributes.RECORD].id, attributes.mesh(form))
            if shot.calibration is not None:
                self.calibrated.adopt(shot.calibration, 1)
                self.calibrated.add(shot.number, form, shot.calibration)

    def _layout(self, index: int, component: str, form: Form) -> h5py.VirtualLayout:
        stack = self.file[LIVE][stack_name(component)]
        source = h5py.VirtualSource(".", stack.name, stack.shape, stack.dtype)
        layout = h5py.VirtualLayout(form.shape, form.dtype)
        layout[...] = source[index]
        return layout

    def sync(self) -> None:
        """Make the operating system put everything on the disk."""
        self.file.flush()
        os.fsync(self.file.id.get_vfd_handle())

    def finish(self, shots: int) -> None:
        """Say in the file that it is complete with this number of shots."""
        set_shots(self.file, shots)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
