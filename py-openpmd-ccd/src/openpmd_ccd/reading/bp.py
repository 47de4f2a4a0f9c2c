"""The iterations of an ADIOS2 scan, read through openPMD-api, for `Scan`."""

import os

from ..writing import attributes
from ..writing.adios import openpmd_api
from ..writing.bp4 import is_unfinished
from .h5 import in_order


class BpReader:
    """Reads any openPMD series that has the record `raw`."""

    def __init__(self, path):
        if is_unfinished(path):
            raise OSError(
                f"{path} is still being written, or was left unfinished: "
                f"run 'openpmd-ccd recover {path}'"
            )
        self._io = openpmd_api()
        self._series = self._io.Series(os.fspath(path), self._io.Access.read_only)
        self._scalar = self._io.Mesh_Record_Component.SCALAR

    def __contains__(self, number):
        return number in self._series.iterations

    def numbers(self):
        """Shot numbers in ascending order."""
        return sorted(self._series.iterations)

    def attributes(self):
        """Attributes of the file."""
        return {name: self._series.get_attribute(name) for name in self._series.attributes}

    def _iteration(self, number):
        return self._series.iterations[number]

    def _mesh(self, number):
        return self._iteration(number).meshes[attributes.RECORD]

    def iteration_attributes(self, number):
        """Attributes of a shot's iteration."""
        found = self._iteration(number)
        return {name: found.get_attribute(name) for name in found.attributes}

    def mesh_attributes(self, number):
        """Attributes of a shot's mesh."""
        mesh = self._mesh(number)
        return {name: mesh.get_attribute(name) for name in mesh.attributes}

    def components(self, number):
        """Component names; empty for a grey image."""
        names = list(self._mesh(number))
        return [] if names == [self._scalar] else in_order(names)

    def _part(self, number, component):
        return self._mesh(number)[component or self._scalar]

    def _first(self, number):
        return self._part(number, (self.components(number) or [""])[0])

    def shape(self, number):
        """Shape of one component."""
        return tuple(self._first(number).shape)

    def dtype(self, number):
        """Type of one component."""
        return self._first(number).dtype

    def pixels(self, number, component):
        """Array of one component."""
        pixels = self._part(number, component)[()]
        self._series.flush()
        return pixels

    def refresh(self):
        """A closed scan does not change."""

    def calibrated_attributes(self, number):
        """None: ADIOS2 has no calibrated meshes."""
        return None

    def close(self):
        """Close the series."""
        if self._series:
            self._series.close()
            self._series = None
