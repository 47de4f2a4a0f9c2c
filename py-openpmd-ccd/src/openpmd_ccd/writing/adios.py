"""The same scan as ADIOS2, written through openPMD-api (extra ``openpmd-ccd[adios2]``).

Each shot is one ADIOS2 step of the BP4 engine, which is in the file when the step has ended.
After a kill, BP4 still believes that a writer is active, and a reader that goes step by step
may wait for more for ever; `bp4.recover_bp` resets that mark. Every shot whose `add` returned
is in the file then.
"""

import ctypes
import json
import os
import shutil

import numpy as np

from ..errors import CCDError, FileVanishedError, MissingPackageError, SettingError, WriteError
from . import attributes
from .journal import Journal
from .safety import Guard, describe

_BY_API = {"openPMD", "openPMDextension", "basePath", "iterationEncoding", "iterationFormat"}
_MESH_BY_API = {"geometry", "dataOrder", "axisLabels", "gridSpacing", "gridGlobalOffset",
                "gridUnitSI", "unitDimension", "timeOffset"}  # fmt: skip
#: HDF5's compressors and ADIOS2's operators
_OPERATORS = {
    "gzip": {"type": "blosc", "parameters": {"compressor": "zlib", "clevel": "1"}},
    "blosc2": {"type": "blosc", "parameters": {"compressor": "zstd", "clevel": "1"}},
    "bitshuffle": {
        "type": "blosc",
        "parameters": {"compressor": "lz4", "clevel": "1", "doshuffle": "BLOSC_BITSHUFFLE"},
    },
}


def _as_openpmd_takes_it(plane):
    """openPMD-api refuses read-only arrays, and unpickled ones: their dtype is another object."""
    plane = plane if plane.flags.writeable else plane.copy()
    return plane.view(np.dtype(plane.dtype.type))


def openpmd_api():
    """The module openpmd_api, or an error that says how to get it."""
    try:
        import openpmd_api
    except ImportError:
        raise MissingPackageError(
            "files ending in .bp need openPMD-api: pip install 'openpmd-ccd[adios2]'"
        ) from None
    return openpmd_api


class AdiosWriter:
    """Writes shots as steps of a BP4 file."""

    def __init__(
        self, path, camera, compression, overwrite=False, fsync=False, swmr=False, lock="file"
    ):
        if swmr:
            raise SettingError("swmr=True is a mode of HDF5: a .bp file can be read while it grows")
        self.path, self.safe, self._fsync, self._broken = path, [], fsync, False
        self._io = openpmd_api()
        options = _options(compression)
        self._journal = Journal(path, fsync, lock)
        try:
            self._journal.start({"layout": "bp4"})
            if path.exists() and overwrite:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self._series = self._io.Series(os.fspath(path), self._io.Access.create, options)
            self._describe(attributes.root(camera))
            self._guard = None
        except BaseException:
            self._journal.remove()
            raise

    def _describe(self, root):
        # not the default, variable-based: there a shot would inherit metadata of earlier ones
        self._series.set_iteration_encoding(self._io.Iteration_Encoding.group_based)
        self._series.set_meshes_path(attributes.MESHES + "/")
        for name, value in root.items():
            if name not in _BY_API | {"meshesPath", attributes.SHOTS}:
                self._series.set_attribute(name, value.decode())

    def write(self, shot):
        """Write one shot as a step of its own."""
        self._check(shot)
        if self._broken:
            raise WriteError(f"shot {shot.number} was not written: {describe(self.safe)}")
        self._broken = True
        try:
            self._write(shot)
            self._sync()
            self._journal.append({"shot": shot.number, "time": shot.time})
        except CCDError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise WriteError(
                f"shot {shot.number} was not written to {self.path}: {reason}; "
                f"{describe(self.safe)}"
            ) from error
        self._broken = False
        self.safe.append(shot.number)
        if self._guard is None:
            self._guard = Guard(self.path, self.safe)

    def _check(self, shot):
        if self._guard is None:
            return
        try:
            self._guard.check(shot.number, shot.nbytes)
        except FileVanishedError:
            self._broken = True
            raise

    def _write(self, shot):
        form = shot.form()
        iteration = self._series.write_iterations()[shot.number]
        iteration.time, iteration.dt, iteration.time_unit_SI = shot.time, 0.0, 1.0
        for name, value in attributes.metadata(shot.metadata).items():
            iteration.set_attribute(name, _plain(value))
        mesh = iteration.meshes[attributes.RECORD]
        self._set_mesh(mesh, form)
        for component, plane in shot.planes.items():
            part = mesh[component or self._io.Mesh_Record_Component.SCALAR]
            part.reset_dataset(self._io.Dataset(plane.dtype, plane.shape))
            part.unit_SI = 1.0
            part.position = [0.5] * plane.ndim
            part.store_chunk(_as_openpmd_takes_it(plane))
        iteration.close()

    def _set_mesh(self, mesh, form):
        values = attributes.mesh(form)
        mesh.geometry = self._io.Geometry.cartesian
        mesh.data_order = "C"
        mesh.axis_labels = list(form.axes)
        mesh.grid_spacing = values["gridSpacing"].tolist()
        mesh.grid_global_offset = values["gridGlobalOffset"].tolist()
        mesh.grid_unit_SI = 1.0
        mesh.unit_dimension = {}
        mesh.time_offset = 0.0
        for name, value in values.items():
            if name not in _MESH_BY_API:
                mesh.set_attribute(name, _plain(value))

    def _sync(self):
        if self._fsync:
            for entry in self.path.iterdir():
                with entry.open("rb") as file:
                    os.fsync(file.fileno())

    def check_new_calibration(self):
        """An error: h5calib's datasets need HDF5."""
        raise SettingError("calibrated meshes need HDF5: let the file name end in .h5")

    def flush(self):
        """Nothing to do: each shot is a finished step."""

    def close(self):
        """Close the series and remove the journal."""
        if self._broken or not self.path.exists():
            # ADIOS2 ends the process when it cannot close a file: never ask it to
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._series))
            self._journal.close()
            raise WriteError(f"{self.path} is not complete; {self._advice()}")
        try:
            self._series.close()
        except Exception as error:
            self._journal.close()
            raise WriteError(f"{self.path} is not complete ({error}); {self._advice()}") from error
        self._journal.remove()

    def _advice(self):
        return f"{describe(self.safe)}; run 'openpmd-ccd recover {self.path}'"


def _plain(value):
    """Built-in types, which openPMD-api takes as attributes."""
    value = np.asarray(value).tolist()
    if isinstance(value, list):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value.decode() if isinstance(value, bytes) else value


def _options(compression):
    # the group table, which only a linear reader needs, comes with a warning on stderr
    adios = {"engine": {"type": "bp4"}, "use_group_table": False}
    if compression is not None:
        if compression not in _OPERATORS:
            raise SettingError(f"compression of a .bp file: one of {sorted(_OPERATORS)} or None")
        adios["dataset"] = {"operators": [_OPERATORS[compression]]}
    return json.dumps({"adios2": adios})
