"""The openPMD HDF5 file of a scan: iterations copied from templates, pixels put in."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5s

from ..calibration.mesh import CalibratedMeshes
from . import attributes
from .shot import Plane, Shot, Storage
from .template import Template, Templates, write_attributes

#: half the names in a node of an old-format group: many, as openPMD-api walks through all
#: nodes for each iteration that it lists; with HDF5's default of 4 that is quadratic
_LEAF_K = 256
#: where the superblock of an old-format file has that number (16 bits, little-endian)
_LEAF_K_OFFSET = 16


def hdf5_locking(lock: str) -> bool | None:
    """h5py's `locking` for a scan's `lock`: HDF5's own default, or none."""
    return False if lock == "none" else None


def create_file(path: os.PathLike[str], overwrite: bool, lock: str = "file") -> h5py.File:
    """A new HDF5 file whose groups have the oldest format, with large nodes.

    openPMD-api lists newer groups in quadratic time, and h5py has no `H5Pset_sym_k`: the
    number is put into the superblock of the empty file, which has no such node yet.
    """
    libver, locking = ("earliest", "v108"), hdf5_locking(lock)
    h5py.File(path, "w" if overwrite else "x", libver=libver, locking=locking).close()
    with open(path, "r+b") as file:
        if file.read(9)[8] != 0:
            raise OSError(f"{path}: superblock of version 0 expected")
        file.seek(_LEAF_K_OFFSET)
        file.write(_LEAF_K.to_bytes(2, "little"))
    return h5py.File(path, "r+", libver=libver, locking=locking)


class ScanFile:
    """A new openPMD file; `put` adds an iteration, `finish` says that all are there."""

    def __init__(
        self, path: os.PathLike[str], root: Mapping[str, Any], storage: Storage,
        overwrite: bool = False, lock: str = "file",
    ) -> None:  # fmt: skip
        with create_file(path, overwrite, lock) as file:
            write_attributes(file.id, root)
            file.create_group("data")
        # what is created from here on is compact: calibrated meshes in a tenth of the bytes
        libver = ("v110", "v110")
        self.file = h5py.File(path, "r+", libver=libver, locking=hdf5_locking(lock))
        self.data = self.file["data"].id
        self.templates = Templates(storage)
        self.calibrated = CalibratedMeshes(self.file)
        self.flush()

    @property
    def fd(self) -> int:
        """File descriptor that HDF5 writes through."""
        return int(self.file.id.get_vfd_handle())

    def put(
        self, shot: Shot, template: Template, checksums: Sequence[str],
        write: Callable[[Any, str], None],
    ) -> list[Any]:  # fmt: skip
        """Add the iteration of `shot`; `write(dataset, component)` puts the pixels in."""
        name = b"%d" % shot.number
        try:
            datasets = template.copy(self.data, name, shot.time, checksums)
            if shot.metadata:
                group = h5py.h5g.open(self.data, name)
                write_attributes(group, attributes.metadata(shot.metadata))
            if shot.calibration is not None:
                self.calibrated.add(shot.number, template.form, shot.calibration)
            # the pixels last: they push everything else out of the processor's caches
            for component, dataset in zip(template.form.components, datasets, strict=True):
                write(dataset, component)
        except BaseException:
            self.discard(name)
            raise
        return datasets

    def discard(self, name: bytes) -> None:
        """Take a half-written iteration out again."""
        try:
            if name in self.data:
                self.data.unlink(name)
        except Exception:  # the file is damaged: `recover` will leave the iteration out
            pass

    def flush(self) -> None:
        """Hand everything to the operating system."""
        h5py.h5f.flush(self.file.id)

    def sync(self) -> None:
        """Make the operating system put everything on the disk."""
        self.flush()
        os.fsync(self.fd)

    def finish(self, shots: int) -> None:
        """Say in the file that it is complete with this number of shots."""
        set_shots(self.file, shots)

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        self.templates.close()
        self.data = None
        self.file.close()


def set_shots(file: h5py.File, shots: int) -> None:
    """Put the number of shots into a file that is complete."""
    h5py.h5a.open(file.id, attributes.SHOTS.encode()).write(np.array(shots, "i8"))


def mark_complete(path: os.PathLike[str], shots: int, lock: str = "file") -> None:
    """Put the number of shots into a file whose writer was killed, and which has all of them."""
    with h5py.File(path, "r+", locking=hdf5_locking(lock)) as file:
        set_shots(file, shots)


def write_plane(dataset: Any, plane: Plane) -> None:
    """Write a whole plane that has the dataset's type and shape."""
    dataset.write(h5s.ALL, h5s.ALL, plane)


def chunks(dataset: Any) -> list[tuple[Any, int, int, int]]:
    """[(offset, address, size, filter mask)] of a chunked dataset, after a flush."""
    infos = map(dataset.get_chunk_info, range(dataset.get_num_chunks()))
    return [(i.chunk_offset, i.byte_offset, i.size, i.filter_mask) for i in infos]
