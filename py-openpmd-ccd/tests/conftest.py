"""What foreign readers say about a file: the oracles of these tests."""

import contextlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

BIN = Path(sys.executable).parent


def program(name):
    """Path of a program of Debian's hdf5-tools; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found


def validator(path):
    """(errors, warnings) of openPMD-validator."""
    from openpmd_validator.check_h5 import check_file

    with contextlib.redirect_stdout(io.StringIO()):
        errors, warnings = check_file(str(path))
    return int(errors), int(warnings)


def with_plugins(reader, *arguments):
    """Call one of these readers in a new process, with HDF5_PLUGIN_PATH set from its start."""
    import h5calib.binding.plugin
    import hdf5plugin

    folders = [hdf5plugin.PLUGIN_PATH, str(h5calib.binding.plugin.plugin_file().parent)]
    code = (
        "import pickle, sys, conftest\n"
        "reader, *arguments = pickle.load(sys.stdin.buffer)\n"
        "result = getattr(conftest, reader)(*arguments)\n"
        "with open(sys.argv[1], 'wb') as file: pickle.dump(result, file)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result")
        subprocess.run(
            [sys.executable, "-c", code, out],
            input=pickle.dumps((reader.__name__, *arguments)), check=True, timeout=120,
            cwd=Path(__file__).parent,
            env={**os.environ, "HDF5_PLUGIN_PATH": os.pathsep.join(folders)},
        )  # fmt: skip
        return pickle.loads(out.read_bytes())


def by_api(path, mesh="raw"):
    """{number: everything that openPMD-api reads of the shot}."""
    import h5py  # noqa: F401  calibrated meshes: openPMD-api hides its own libhdf5
    import openpmd_api

    series = openpmd_api.Series(str(path), openpmd_api.Access.read_only)
    name_of_scalar = openpmd_api.Mesh_Record_Component.SCALAR
    shots = {}
    for number in series.iterations:
        iteration = series.iterations[number]
        record = iteration.meshes[mesh]
        planes = {}
        for name in record:
            pixels = record[name][()]
            series.flush()
            planes["" if name == name_of_scalar else name] = np.array(pixels)
            assert record[name].position == [0.5] * pixels.ndim
        shots[number] = {
            "planes": planes,
            "time": iteration.time * iteration.time_unit_SI,
            "axes": list(record.axis_labels),
            "spacing": [s * record.grid_unit_SI for s in record.grid_spacing],
            "offset": [s * record.grid_unit_SI for s in record.grid_global_offset],
            "unit_si": [record[name].unit_SI for name in record],
            "unit_dimension": list(record.unit_dimension),
            "order": record.data_order,
            "geometry": str(record.geometry),
            "metadata": {
                k: iteration.get_attribute(k)
                for k in iteration.attributes
                if k not in ("time", "dt", "timeUnitSI")
            },
            "mesh": {k: record.get_attribute(k) for k in record.attributes},
        }
    series.close()
    return shots


def by_viewer(path, components, backend, mesh="raw"):
    """What openPMD-viewer reads: {number: {component: pixels, axes, x, y}}, {number: time}.

    `components` names those to read, by shot; its `get_field` knows none but directions
    (x, y, z), so a colour is read through its data reader.
    """
    import h5py  # noqa: F401  see by_api
    from openpmd_viewer import OpenPMDTimeSeries

    path = Path(path)  # a .bp is a folder, which the viewer finds in its own folder only
    series = OpenPMDTimeSeries(str(path if path.is_file() else path.parent), backend=backend)
    found = {}
    for number, names in components.items():
        found[number] = {}
        for name in names:
            if name:
                labels = series.fields_metadata[mesh]["axis_labels"]
                read = series.data_reader.read_field_cartesian
                pixels, info = read(number, mesh, name, labels, None, None)
            else:
                pixels, info = series.get_field(field=mesh, iteration=number)
            found[number][name] = {"pixels": pixels, "axes": info.axes, "x": info.x, "y": info.y}
    return found, dict(zip(map(int, series.iterations), map(float, series.t), strict=True))


def openpmd_ls(path):
    """Output of the command openpmd-ls."""
    done = subprocess.run(
        [BIN / "openpmd-ls", str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


@pytest.fixture
def scan_path(tmp_path):
    """Where to write a scan."""
    return tmp_path / "cam.h5"


def frame(number, shape=(64, 64), dtype="u2"):
    """Pixels that tell which shot they are from."""
    rng = np.random.default_rng([number, *shape])
    return rng.integers(0, 4096, shape).astype(dtype)
