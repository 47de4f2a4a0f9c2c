"""Several libhdf5 in one process, and programs that know nothing of Python."""

import os
import shutil
import subprocess
import sys
import textwrap

import h5py
import netCDF4
import numpy as np
import pytest
import tables
from support import make_single, make_view, same


@pytest.fixture
def environment(plugin_dir):
    return {**os.environ, "HDF5_PLUGIN_PATH": plugin_dir}


THREE = textwrap.dedent(
    """
    import sys
    import netCDF4, numpy as np, tables, h5py
    path = sys.argv[1]
    with h5py.File(path) as f, tables.open_file(path) as t, netCDF4.Dataset(path) as n:
        n.set_auto_mask(False)
        one, two, three = f["calibrated"][...], t.root.calibrated[...], n["calibrated"][...]
        assert np.array_equal(one, two, equal_nan=True)
        assert np.array_equal(one, three, equal_nan=True)
        np.save(sys.argv[2], one)
        for i in (3, 0, 7):
            frames = [f["calibrated"][i], t.root.calibrated[i], n["calibrated"][i]]
            assert all(np.array_equal(a, one[i], equal_nan=True) for a in frames)
    versions = {h5py.version.hdf5_version, tables.hdf5_version, netCDF4.__hdf5libversion__}
    print(len(versions), sorted(versions))
    """
)


def test_three_libhdf5_in_one_process(tmp_path, detector, environment):
    path = make_single(tmp_path / "one.h5", detector)
    command = [sys.executable, "-c", THREE, str(path), str(tmp_path / "out.npy")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert same(np.load(tmp_path / "out.npy"), detector.values)
    versions = {h5py.version.hdf5_version, tables.hdf5_version, netCDF4.__hdf5libversion__}
    assert int(done.stdout.split()[0]) == len(versions)


HIDDEN = textwrap.dedent(
    """
    import sys
    import numpy as np, openpmd_api as io
    if sys.argv[3] != "alone":
        import h5py
        if sys.argv[3] == "open":
            other = h5py.File(sys.argv[1])
            other["data/0/meshes/calibrated"][0]
    series = io.Series(sys.argv[1], io.Access.read_only)
    mesh = series.iterations[0].meshes["calibrated"]
    values = mesh[io.Mesh_Record_Component.SCALAR].load_chunk()
    series.flush()
    np.save(sys.argv[2], values)
    print("read")
    """
)


@pytest.fixture
def mesh_file(tmp_path, detector):
    """A minimal openPMD file with the calibrated mesh of one image."""
    import h5calib

    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as f:
        f["raw"] = detector.raw[0]
        for key, value in {
            "openPMD": "1.1.0",
            "basePath": "/data/%T/",
            "meshesPath": "meshes/",
            "iterationEncoding": "groupBased",
            "iterationFormat": "/data/%T/",
        }.items():
            f.attrs[key] = np.bytes_(value)
        f.attrs["openPMDextension"] = np.uint32(0)
        iteration = f.create_group("data/0")
        for key in ("time", "dt", "timeUnitSI"):
            iteration.attrs[key] = 1.0
        mesh = h5calib.create_calibrated_dataset(
            f, "data/0/meshes/calibrated", raw="raw", calibration=detector.calibration
        )
        for key, value in {
            "geometry": np.bytes_("cartesian"),
            "dataOrder": np.bytes_("C"),
            "axisLabels": np.array([b"y", b"x"]),
            "gridSpacing": np.ones(2),
            "gridUnitSI": 1.0,
            "gridGlobalOffset": np.zeros(2),
            "position": np.full(2, 0.5),
            "unitSI": 1.0,
            "unitDimension": np.zeros(7),
            "timeOffset": 0.0,
        }.items():
            mesh.attrs[key] = value
    return path


@pytest.mark.parametrize("state", ["loaded", "open"])
def test_a_caller_that_hides_its_libhdf5(tmp_path, detector, mesh_file, environment, state):
    pytest.importorskip("openpmd_api", reason="no openPMD-api in this environment")
    command = [sys.executable, "-c", HIDDEN, str(mesh_file), str(tmp_path / "out.npy"), state]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert same(np.load(tmp_path / "out.npy"), detector.values[0])


def test_a_hidden_libhdf5_and_no_other(tmp_path, mesh_file, environment):
    """Nothing to read raw data with: an error of the caller, no numbers, no crash."""
    pytest.importorskip("openpmd_api", reason="no openPMD-api in this environment")
    command = [sys.executable, "-c", HIDDEN, str(mesh_file), str(tmp_path / "out.npy"), "alone"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "read" not in done.stdout.split()
    assert "Error" in done.stderr


def h5dump_binary(path, dataset, out, environment):
    command = ["h5dump", "-d", dataset, "-b", "LE", "-o", str(out), str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


needs_h5dump = pytest.mark.skipif(
    shutil.which("h5dump") is None, reason="h5dump is not installed (Debian: hdf5-tools)"
)


@needs_h5dump
def test_h5dump(tmp_path, view, environment):
    done = h5dump_binary(view.path, "/calibrated", tmp_path / "out.bin", environment)
    assert done.returncode == 0, done.stderr
    assert same(np.fromfile(tmp_path / "out.bin", "f4").reshape(view.shape), view.values)


@needs_h5dump
def test_h5dump_says_what_is_wrong(view, environment):
    view.raw_path.unlink()
    done = subprocess.run(
        ["h5dump", "--enable-error-stack", "-d", "/calibrated", str(view.path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "raw.h5" in done.stderr
    assert "looked for its file at" in done.stderr


@pytest.mark.skipif(shutil.which("h5repack") is None, reason="h5repack is not installed")
@pytest.mark.parametrize(
    "how", [[], ["-f", "NONE"], ["-f", "GZIP=1"]], ids=["as is", "none", "gzip"]
)
def test_h5repack(tmp_path, detector, environment, how):
    path = make_single(tmp_path / "one.h5", detector)
    out = tmp_path / "two.h5"
    done = subprocess.run(
        ["h5repack", *how, str(path), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as f:
        assert same(f["calibrated"][...], detector.values)


@pytest.mark.parametrize("reader", ["h5py", "tables", "netCDF4"])
def test_each_library_alone(tmp_path, detector, environment, reader):
    paths = make_view(tmp_path, detector)
    code = {
        "h5py": "import h5py; out = h5py.File(p)['calibrated'][...]",
        "tables": "import tables; out = tables.open_file(p).root.calibrated[...]",
        "netCDF4": "import netCDF4; d = netCDF4.Dataset(p); d.set_auto_mask(False); "
        "out = d['calibrated'][...]",
    }[reader]
    script = f"import sys, numpy as np; p = sys.argv[1]; {code}; np.save(sys.argv[2], out)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(paths.path), str(tmp_path / "o.npy")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert same(np.load(tmp_path / "o.npy"), detector.values)
