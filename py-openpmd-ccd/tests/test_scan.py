"""`open_scan` on .h5 and .bp."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import BIN, frame
from openpmd_ccd import CCD, ImageError, MissingPackageError, ShotNumberError, open_scan


@pytest.fixture(params=[".h5", ".bp"])
def scan(request, tmp_path):
    path = tmp_path / f"cam{request.param}"
    with CCD(path, name="cam", operator="A B", resolution=(5e-6, 4e-6), roi=(1, 2, 3, 4)) as scan:
        for number in (7, 3, 5):
            metadata = {"delay": number / 2, "note": "ü"} if number != 5 else {"count": 3}
            scan.add(number, frame(number, (20, 30)), time=100 + number, metadata=metadata)
    with open_scan(path) as opened:
        yield opened


def test_shots(scan):
    assert scan.numbers == [3, 5, 7]
    assert len(scan) == 3
    assert [shot.number for shot in scan] == [3, 5, 7]
    shot = scan.shot(7)
    np.testing.assert_array_equal(shot.pixels, frame(7, (20, 30)))
    assert (shot.shape, shot.dtype, shot.components) == ((20, 30), np.dtype("u2"), [])
    assert shot.time == 107
    assert shot.metadata == {"delay": 3.5, "note": "ü"}
    assert shot.settings == {"resolution": (5e-6, 4e-6), "roi": (1, 2, 3, 4)}
    assert shot.axes == ("y", "x")
    np.testing.assert_allclose(shot.grid_spacing, (4e-6, 5e-6))
    np.testing.assert_allclose(shot.grid_offset, (8e-6, 5e-6))
    assert "20x30 uint16" in repr(shot)
    assert scan.attributes["ccdName"] == "cam"
    assert scan.attributes["author"] == "A B"


def test_unknown_shots(scan):
    for number in (4, -1, "7x"):
        with pytest.raises((ShotNumberError, TypeError)):
            scan.shot(number)


def test_stack(scan):
    expected = np.stack([frame(n, (20, 30)) for n in (3, 5, 7)])
    np.testing.assert_array_equal(scan.stack(), expected)
    np.testing.assert_array_equal(scan.stack([7, 3]), expected[[2, 0]])
    da = pytest.importorskip("dask.array")
    lazy = scan.stack(dask=True)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype, lazy.chunksize) == ((3, 20, 30), np.dtype("u2"), (1, 20, 30))
    np.testing.assert_array_equal(lazy.compute(scheduler="single-threaded"), expected)
    assert lazy[1].mean().compute(scheduler="threads") == expected[1].mean()


def test_table(scan):
    table = scan.table
    assert list(table)[:2] == ["number", "time"]
    assert table["number"].tolist() == [3, 5, 7]
    assert table["time"].tolist() == [103, 105, 107]
    np.testing.assert_array_equal(table["delay"], [1.5, np.nan, 3.5])
    np.testing.assert_array_equal(table["count"], [np.nan, 3, np.nan])
    assert table["note"].tolist() == ["ü", "", "ü"]


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
def test_colour_and_pages(suffix, tmp_path):
    images = [frame(0, (4, 5, 3)), frame(1, (4, 5, 4)), frame(2, (6, 4, 5)), frame(3, (2, 4, 5, 3))]
    with CCD(tmp_path / f"a{suffix}") as scan:
        for number, image in enumerate(images):
            scan.add(number, image)
    with open_scan(tmp_path / f"a{suffix}") as scan:
        for number, image in enumerate(images):
            np.testing.assert_array_equal(scan.shot(number).pixels, image)
            assert scan.shot(number).shape == image.shape
        assert scan.shot(1).components == ["r", "g", "b", "a"]
        with pytest.raises(ImageError, match="no stack"):
            scan.stack()
        np.testing.assert_array_equal(scan.stack([0])[0], images[0])


def test_no_such_scan(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such scan"):
        open_scan(tmp_path / "nope.h5")
    (tmp_path / "bad.h5").write_bytes(b"no")
    with pytest.raises(OSError, match="cannot be read"):
        open_scan(tmp_path / "bad.h5")
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(OSError, match="cannot be read"):
        open_scan(tmp_path / "empty.h5")


def test_dask_missing(scan, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(MissingPackageError, match=r"openpmd-ccd\[dask\]"):
        scan.stack(dask=True)


def test_files_of_other_writers(tmp_path):
    """A file written by openPMD-api itself, with another meshes path."""
    import openpmd_api

    path = str(tmp_path / "foreign.h5")
    series = openpmd_api.Series(path, openpmd_api.Access.create)
    series.set_meshes_path("fields/")
    iteration = series.iterations[4]
    iteration.time = 2.0
    mesh = iteration.meshes["raw"]
    mesh.axis_labels = ["y", "x"]
    part = mesh[openpmd_api.Mesh_Record_Component.SCALAR]
    pixels = frame(0, (3, 4))
    part.reset_dataset(openpmd_api.Dataset(pixels.dtype, pixels.shape))
    part.store_chunk(pixels)
    series.close()
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.shot(4).pixels, pixels)
        assert scan.shot(4).time == 2.0


READ = """
import sys
from openpmd_ccd import open_scan
assert "hdf5plugin" not in sys.modules
with open_scan(sys.argv[1]) as scan:
    print(int(scan.raw.sum(dtype="u8")), float(scan.calibrated[1, 2, 3]))
"""


@pytest.mark.parametrize("options", [{}, {"swmr": True}], ids=str)
@pytest.mark.parametrize("compression", ["bitshuffle", "blosc2"])
def test_compressed_scans_need_no_import(compression, options, tmp_path):
    """`open_scan` and the commands load hdf5plugin themselves."""
    pytest.importorskip("h5calib")
    images = [frame(i, (30, 40)) for i in range(3)]
    dark = np.full((30, 40), 3.5)
    with CCD(tmp_path / "cam.h5", dark=dark, compression=compression, **options) as scan:
        for number, image in enumerate(images):
            scan.add(number, image)
    command = [sys.executable, "-c", READ, tmp_path / "cam.h5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    total, value = done.stdout.split()
    assert int(total) == np.sum(images, dtype="u8")
    assert float(value) == images[1][2, 3] - 3.5
    command = [BIN / "openpmd-ccd", "dark", tmp_path / "cam.h5", "-o", tmp_path / "dark.h5"]
    assert subprocess.run(command, timeout=60).returncode == 0


def test_compressed_scans_say_what_is_missing(scan_path, monkeypatch):
    from openpmd_ccd.writing import compression

    with CCD(scan_path, compression="blosc2") as scan:
        scan.add(0, frame(0))
    monkeypatch.setattr(compression.h5z, "filter_avail", lambda _: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    missing = pytest.raises(MissingPackageError, match=r"openpmd-ccd\[compression\]")
    with open_scan(scan_path) as scan, missing:
        _ = scan.raw


@pytest.mark.parametrize("how", ["threads", "processes", "distributed"])
@pytest.mark.parametrize("mesh", ["raw", "calibrated"])
def test_dask_with_every_scheduler(mesh, how, scan_path):
    pytest.importorskip("dask")
    with CCD(scan_path, dark=1.0, flat=np.full((8, 8), 2.0)) as scan:
        for number in range(3):
            scan.add(number, np.full((8, 8), 10 * number + 1, "u2"))
    with open_scan(scan_path) as scan:
        stack = scan.stack(dask=True, mesh=mesh)
    wanted = np.stack([np.full((8, 8), 10 * n + 1) for n in range(3)])
    wanted = (wanted - 1) / 2 if mesh == "calibrated" else wanted
    if how == "distributed":
        distributed = pytest.importorskip("distributed")
        with (
            distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster),
        ):
            found = stack.compute()
    else:
        found = stack.compute(scheduler=how)
    np.testing.assert_array_equal(found, wanted)
