"""The iterations of an openPMD HDF5 file, for `Scan`."""

import h5py
import numpy as np

from ..calibration.mesh import MESH
from ..calibration.settings import h5calib
from ..writing import attributes
from ..writing.compression import make_readable


def plain(value):
    """Attribute value in built-in types; bytes become text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def plain_attributes(obj):
    """All attributes of an object, in built-in types."""
    return {name: plain(value) for name, value in obj.attrs.items()}


class H5Reader:
    """Reads any groupBased openPMD file that has the record `raw`."""

    def __init__(self, path, file=None):
        """`file`: an open h5py.File of this path, which stays the caller's."""
        self.file = h5py.File(path, "r") if file is None else file
        try:
            meshes = plain(self.file.attrs.get("meshesPath", attributes.MESHES)).strip("/")
            self._record = f"{meshes}/{attributes.RECORD}"
            self._data = self.file["data"]
            self._numbers = {int(name) for name in self._data}
        except BaseException:
            self.file.close()
            raise

    def __contains__(self, number):
        return number in self._numbers

    def numbers(self):
        """Shot numbers in ascending order."""
        return sorted(self._numbers)

    def attributes(self):
        """Attributes of the file."""
        return plain_attributes(self.file)

    def iteration_attributes(self, number):
        """Attributes of a shot's iteration."""
        return plain_attributes(self._data[str(number)])

    def _mesh(self, number):
        return self._data[f"{number}/{self._record}"]

    def mesh_attributes(self, number):
        """Attributes of a shot's mesh."""
        return plain_attributes(self._mesh(number))

    def components(self, number):
        """Component names in the order r, g, b, a; empty for a grey image."""
        mesh = self._mesh(number)
        return [] if isinstance(mesh, h5py.Dataset) else in_order(mesh)

    def _first(self, number):
        mesh = self._mesh(number)
        return mesh if isinstance(mesh, h5py.Dataset) else mesh[in_order(mesh)[0]]

    def shape(self, number):
        """Shape of one component."""
        return self._first(number).shape

    def dtype(self, number):
        """Type of one component."""
        return self._first(number).dtype

    def pixels(self, number, component):
        """Array of one component ("" for a grey image)."""
        mesh = self._mesh(number)
        dataset = mesh[component] if component else mesh
        make_readable(dataset)
        return dataset[()]

    def calibrated_attributes(self, number):
        """Attributes of a shot's calibrated mesh; None where it has none."""
        mesh = self._calibrated(number)
        return None if mesh is None else plain_attributes(mesh)

    def _calibrated(self, number):
        meshes = self._mesh(number).parent
        return meshes.get(MESH)

    def calibrated(self, number, component):
        """Array of one component of the calibrated mesh, as it is stored."""
        mesh = self._calibrated(number)
        dataset = mesh[component] if component else mesh
        if dataset.chunks is not None:
            h5calib()  # registers the filter, or says how to install it
        raw = self._mesh(number)
        make_readable(raw[component] if component else raw)
        return dataset[()]

    def refresh(self):
        """A closed scan does not change."""

    def close(self):
        """Close the file."""
        self.file.close()


def in_order(names):
    """Colour components as r, g, b, a; others by name."""
    return sorted(names, key=lambda n: ("rgba".find(n) if n in "rgba" else 9, n))
