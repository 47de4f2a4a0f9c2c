"""What foreign readers say about a file: the oracles of these tests."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BIN = Path(sys.executable).parent


def validator(path):
    """(errors, warnings) of openPMD-validator."""
    from openpmd_validator.check_h5 import check_file

    with contextlib.redirect_stdout(io.StringIO()):
        errors, warnings = check_file(str(path))
    return int(errors), int(warnings)


def by_api(path):
    """{number: everything that openPMD-api reads of the shot}."""
    import openpmd_api

    series = openpmd_api.Series(str(path), openpmd_api.Access.read_only)
    shots = {}
    for number in series.iterations:
        iteration = series.iterations[number]
        mesh = iteration.meshes["raw"]
        planes = {}
        for name in mesh:
            pixels = mesh[name][()]
            series.flush()
            scalar = name == openpmd_api.Mesh_Record_Component.SCALAR
            planes["" if scalar else name] = np.array(pixels)
            assert mesh[name].unit_SI == 1.0
            assert mesh[name].position == [0.5] * pixels.ndim
        shots[number] = {
            "planes": planes,
            "time": iteration.time * iteration.time_unit_SI,
            "axes": list(mesh.axis_labels),
            "spacing": [s * mesh.grid_unit_SI for s in mesh.grid_spacing],
            "offset": [s * mesh.grid_unit_SI for s in mesh.grid_global_offset],
            "unit_dimension": list(mesh.unit_dimension),
            "order": mesh.data_order,
            "geometry": str(mesh.geometry),
            "metadata": {
                k: iteration.get_attribute(k)
                for k in iteration.attributes
                if k not in ("time", "dt", "timeUnitSI")
            },
            "mesh": {k: mesh.get_attribute(k) for k in mesh.attributes},
        }
    series.close()
    return shots


def by_viewer(path, number, component=""):
    """(pixels, grid, time by shot number) of openPMD-viewer.

    Its `get_field` knows no components but directions (x, y, z), so a colour is read
    through its data reader.
    """
    from openpmd_viewer import OpenPMDTimeSeries

    # its files are found by folder; a folder of its own holds this one alone
    folder = Path(path).parent / f"viewer-{Path(path).stem}"
    folder.mkdir(exist_ok=True)
    link = folder / Path(path).name
    if not link.exists():
        link.hardlink_to(path)
    series = OpenPMDTimeSeries(str(folder), backend="h5py")
    if component:
        labels = series.fields_metadata["raw"]["axis_labels"]
        read = series.data_reader.read_field_cartesian
        pixels, info = read(number, "raw", component, labels, None, None)
    else:
        pixels, info = series.get_field(field="raw", iteration=number)
    return pixels, info, dict(zip(series.iterations.tolist(), series.t.tolist(), strict=True))


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
