"""`CCD`: arguments, life cycle, times; what is wrong is said and does no harm."""

import os
import subprocess
import sys
import time
import traceback
from datetime import datetime, timedelta, timezone

import h5py
import numpy as np
import openpmd_ccd
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import (
    CCD,
    DirectoryMissingError,
    ScanBusyError,
    ScanClosedError,
    ScanExistsError,
    SettingError,
    ShotNumberError,
    WriteError,
)


def test_the_first_versions_call_stays_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scan = CCD(
        "defaultCam_scan001.h5", overwrite=True, name="Go Pro", model="HERO8 Black",
        serial="12345678", operator="Axel Huebl <axelhuebl@lbl.gov>",
        resolution=None, roi=None, exposure_time=None,
    )  # fmt: skip
    scan.add(1, np.array([[1.0, 2.0], [3.0, 4.0]]))
    scan.recalibrate(resolution=(5e-6, 5e-6), roi=None, exposure_time=1e-3)
    scan.close()
    scan.close()
    assert validator("defaultCam_scan001.h5") == (0, 0)
    assert not list(tmp_path.glob("*.journal"))


def test_positional_arguments(tmp_path):
    path = tmp_path / "a.h5"
    with CCD(path, True, True, "n", "m", "s", "o", (1, 2), (0, 0, 1, 1), 0.5, None) as scan:
        scan.add(0, frame(0))
    with h5py.File(path) as file:
        assert [file.attrs[k] for k in ("ccdName", "ccdModel", "ccdSerial", "author")] == [
            b"n", b"m", b"s", b"o",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (-1, "from 0 to"), (1.0, "integer"), (1.5, "integer"), ("1", "integer"), (None, "integer"),
        (True, "integer"), (2**64, "from 0 to"), (7, "already"), (np.int8(-1), "from 0 to"),
        (np.float64(3), "integer"), (float("nan"), "integer"),
    ],
)  # fmt: skip
def test_bad_numbers(number, message, scan_path):
    with CCD(scan_path) as scan:
        scan.add(7, frame(7))
        with pytest.raises(ShotNumberError, match=message) as caught:
            scan.add(number, frame(0))
        assert caught.value.code == 5005
    assert sorted(by_api(scan_path)) == [7]


def test_good_numbers(scan_path):
    numbers = [5, np.uint8(3), np.int64(4), 0, 2**63]
    with CCD(scan_path) as scan:
        for number in numbers:
            scan.add(number, frame(0))
    assert sorted(by_api(scan_path)) == sorted(map(int, numbers))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"resolution": float("nan")}, "finite"),
        ({"resolution": (1, float("inf"))}, "finite"),
        ({"resolution": (1, 0)}, "positive"),
        ({"resolution": -1}, "positive"),
        ({"resolution": (1, 2, 3)}, "2 numbers"),
        ({"resolution": "fine"}, "resolution"),
        ({"roi": (1, 2, 3)}, "4 numbers"),
        ({"roi": (-1, 0, 3, 4)}, "roi"),
        ({"roi": (0, 0, 0, 4)}, "roi"),
        ({"roi": (0, 0, 3, float("nan"))}, "finite"),
        ({"exposure_time": -1}, "negative"),
        ({"exposure_time": float("nan")}, "finite"),
        ({"exposure_time": "long"}, "exposure_time"),
        ({"bit_depth": 0}, "bit_depth"),
        ({"bit_depth": 12.5}, "bit_depth"),
        ({"saturation_value": float("inf")}, "finite"),
    ],
)
def test_bad_settings(option, message, scan_path):
    with pytest.raises(SettingError, match=message) as caught:
        CCD(scan_path, **option)
    assert caught.value.code == 5003
    assert not scan_path.exists()
    with CCD(scan_path) as scan, pytest.raises(SettingError, match=message):
        scan.recalibrate(**option)


@pytest.mark.parametrize(
    "option",
    [
        {"compression": "lzma"}, {"compression": ("gzip", 11)}, {"when_full": "drop"},
        {"queue_size": 0}, {"name": 5}, {"name": "a\0b"}, {"model": "x" * 40000},
    ],
)  # fmt: skip
def test_bad_options(option, scan_path):
    with pytest.raises(SettingError):
        CCD(scan_path, **option)
    assert not scan_path.exists()
    assert not list(scan_path.parent.iterdir())


@pytest.mark.parametrize(
    "metadata", [{"time": 1}, {"a b": 1}, {"": 1}, {3: 1}, {"x": [1, 2]}, {"x": 1j}, {"x": None}]
)
def test_bad_metadata(metadata, scan_path):
    with CCD(scan_path) as scan, pytest.raises(SettingError, match="metadata"):
        scan.add(0, frame(0), metadata=metadata)


def test_no_file_for_no_reason(tmp_path):
    with pytest.raises(SettingError):
        CCD(tmp_path / "a.h5", resolution=0)
    with pytest.raises(DirectoryMissingError, match="does not exist") as caught:
        CCD(tmp_path / "no" / "a.h5", create_directory=False)
    assert caught.value.code == 5007
    assert not list(tmp_path.iterdir())


def test_folders_are_created(tmp_path):
    with CCD(tmp_path / "x" / "y" / "a.h5") as scan:
        scan.add(0, frame(0))
    assert validator(tmp_path / "x" / "y" / "a.h5") == (0, 0)


def test_file_name_is_cleaned(tmp_path):
    with CCD(tmp_path / "my cam: 1.h5") as scan:
        scan.add(0, frame(0))
    assert scan.path.name == "my_cam__1.h5"
    with CCD(tmp_path / ("é" * 300 + ".h5")) as scan:
        scan.add(0, frame(0))
    assert scan.path.suffix == ".h5"
    assert scan.path.exists()


def test_existing_files_are_kept(scan_path):
    with CCD(scan_path) as scan:
        scan.add(0, frame(0))
    before = scan_path.read_bytes()
    with pytest.raises(ScanExistsError, match="exists already") as caught:
        CCD(scan_path)
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.code == 5006
    assert scan_path.read_bytes() == before
    with CCD(scan_path, overwrite=True) as scan:
        scan.add(5, frame(5))
    assert sorted(by_api(scan_path)) == [5]


def test_after_close(scan_path):
    scan = CCD(scan_path)
    scan.close()
    scan.close()
    assert scan.closed
    for call in (lambda: scan.add(0, frame(0)), scan.recalibrate, scan.flush):
        with pytest.raises(ScanClosedError, match="closed"):
            call()


def test_without_shots(scan_path):
    CCD(scan_path, name="é").close()
    with h5py.File(scan_path) as file:
        assert list(file["data"]) == []
        assert file.attrs["openPMD"] == b"1.1.0"


def test_default_time_is_when_add_was_called(scan_path):
    before = time.time()
    with CCD(scan_path, blocking=False) as scan:
        scan.add(0, frame(0))
        after = time.time()
    assert before <= by_api(scan_path)[0]["time"] <= after


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_given_times(zone, scan_path, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        aware = datetime(2026, 3, 4, 5, 6, 7, 500000, timezone(timedelta(hours=-7)))
        naive = datetime.fromtimestamp(aware.timestamp())
        stamp = np.datetime64("2026-03-04T12:06:07.500")
        with CCD(scan_path) as scan:
            for number, when in enumerate((aware, naive, stamp, aware.timestamp())):
                scan.add(number, frame(0), time=when)
            with pytest.raises(SettingError, match="time in seconds"):
                scan.add(9, frame(0), time="noon")
            with pytest.raises(SettingError, match="finite"):
                scan.add(9, frame(0), time=float("nan"))
    finally:
        monkeypatch.undo()
        time.tzset()
    times = [shot["time"] for shot in by_api(scan_path).values()]
    assert times == [1772625967.5] * 4


def test_second_writer_gets_a_clear_error(scan_path):
    code = "import sys; from openpmd_ccd import CCD; CCD(sys.argv[1], overwrite=True)"
    with CCD(scan_path) as scan:
        scan.add(0, frame(0))
        with pytest.raises(ScanBusyError, match=f"process {os.getpid()}") as caught:
            CCD(scan_path, overwrite=True)
        assert caught.value.code == 5009
        done = subprocess.run(
            [sys.executable, "-c", code, scan_path], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "ScanBusyError" in done.stderr
        assert "is being written by another writer" in done.stderr
        with pytest.raises(ScanBusyError):
            openpmd_ccd.recover(scan_path)
        scan.add(1, frame(1))
    assert sorted(by_api(scan_path)) == [0, 1]


def test_a_forked_child_cannot_write(scan_path):
    with CCD(scan_path) as scan:
        scan.add(0, frame(0))
        pid = os.fork()
        if not pid:
            try:
                scan.add(1, frame(1))
            except ScanClosedError:
                scan.close()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        scan.add(1, frame(1))
    assert sorted(by_api(scan_path)) == [0, 1]


@pytest.mark.parametrize("blocking", [True, False])
def test_interpreter_exit_closes(blocking, scan_path):
    code = (
        "import sys, numpy as np; from openpmd_ccd import CCD\n"
        f"scan = CCD(sys.argv[1], blocking={blocking})\n"
        "for n in range(20): scan.add(n, np.full((300, 300), n))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, scan_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not scan_path.with_name("cam.h5.journal").exists()
    assert sorted(by_api(scan_path)) == list(range(20))


def test_exit_closes_scans_before_h5py_is_taken_down(scan_path):
    """h5py is imported when it is needed, and what is registered last runs first."""
    code = (
        "import atexit, sys\n"
        "done, register = [], atexit.register\n"
        "def noting(f, *a, **k):\n"
        "    return register(lambda *b, **c: (done.append(f.__name__), f(*b, **c)), *a, **k)\n"
        "def show(): print(*done)\n"
        "register(show)\n"
        "import openpmd_ccd\n"
        "atexit.register = noting\n"
        "scan = openpmd_ccd.CCD(sys.argv[1], blocking=False)\n"
        "scan.add(0, [[1, 2], [3, 4]])\n"
    )
    command = [sys.executable, "-c", code, scan_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    names = done.stdout.split()
    h5py_ends = [i for i, name in enumerate(names) if "unregister_converters" in name]
    assert h5py_ends
    assert names.index("_close_all") < min(h5py_ends)


def test_threads_may_share_a_scan(scan_path):
    from concurrent.futures import ThreadPoolExecutor

    with CCD(scan_path) as scan, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: scan.add(n, frame(n)), range(100)))
    shots = by_api(scan_path)
    assert sorted(shots) == list(range(100))
    for number, shot in shots.items():
        np.testing.assert_array_equal(shot["planes"][""], frame(number))


def test_many_forms_in_one_scan(scan_path):
    with CCD(scan_path) as scan:
        for number in range(60):
            scan.add(number, np.full((2 + number % 40, 3), number))
    for number, shot in by_api(scan_path).items():
        assert shot["planes"][""].shape == (2 + number % 40, 3)
        assert (shot["planes"][""] == number).all()


def test_nothing_but_the_scan_is_in_the_file(scan_path):
    with CCD(scan_path) as scan:
        scan.add(0, frame(0))
    with h5py.File(scan_path) as file:
        assert list(file) == ["data"]
        assert list(file["data/0"]) == ["shots"]
    assert list(scan_path.parent.iterdir()) == [scan_path]


def test_missing_package_says_how_to_install(scan_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(openpmd_ccd.MissingPackageError, match=r"openpmd-ccd\[compression\]"):
        CCD(scan_path, compression="bitshuffle")
    monkeypatch.setitem(sys.modules, "openpmd_api", None)
    with pytest.raises(openpmd_ccd.MissingPackageError, match=r"openpmd-ccd\[adios2\]"):
        CCD(scan_path.with_suffix(".bp"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else in a child")
def test_permission_denied(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    tmp_path.chmod(0o755)
    # the interpreter's own files may be closed to others: import all before the change
    code = (
        "import os, sys; from openpmd_ccd import CCD\n"
        "CCD(sys.argv[2]).close()\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "try: CCD(sys.argv[3])\n"
        "except PermissionError as e: print(e.code, e)\n"
    )
    for name in ("a.h5", "new/a.h5"):
        done = subprocess.run(
            [sys.executable, "-c", code, folder, tmp_path / "ok.h5", name],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.startswith("5012 "), done.stderr
        (tmp_path / "ok.h5").unlink()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("compression", ["bitshuffle", "blosc2"])
def test_filters_write_where_their_path_is_set(compression, scan_path):
    """HDF5 then finds hdf5plugin's filters by itself, in a state in which they only read."""
    import hdf5plugin

    code = (
        "import sys, numpy as np\n"
        "from openpmd_ccd import CCD\n"
        "with CCD(sys.argv[1], compression=sys.argv[2]) as scan:\n"
        "    scan.add(0, np.arange(6000, dtype='u2').reshape(60, 100))\n"
    )
    command = [sys.executable, "-c", code, scan_path, compression]
    environment = {**os.environ, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    subprocess.run(command, check=True, timeout=60, env=environment)
    with h5py.File(scan_path) as file:
        np.testing.assert_array_equal(file["data/0/shots/raw"][()].ravel(), np.arange(6000))


def test_the_error_of_add_is_seen_when_close_fails_too(scan_path, monkeypatch):
    import openpmd_ccd.writing.hdf5

    with pytest.raises(WriteError, match="not complete") as caught, CCD(scan_path) as scan:
        scan.add(0, frame(0))
        monkeypatch.setattr(openpmd_ccd.writing.hdf5.ScanFile, "put", _broken)
        scan.add(1, frame(1))
    assert "the disk is on fire" in "".join(traceback.format_exception(caught.value))


def _broken(*_):
    raise OSError("the disk is on fire")


def test_compressed_scans_are_smaller(tmp_path):
    image = np.zeros((1000, 1000), "u2")
    for name, options in {"plain": {}, "gzip": {"compression": "gzip"}}.items():
        with CCD(tmp_path / f"{name}.h5", **options) as scan:
            scan.add(0, image)
    with h5py.File(tmp_path / "gzip.h5") as file:
        assert file["data/0/shots/raw"].compression == "gzip"
    assert (tmp_path / "gzip.h5").stat().st_size < (tmp_path / "plain.h5").stat().st_size / 10


def test_iteration_list_has_few_nodes(scan_path):
    """openPMD-api walks through all of them for each iteration that it lists."""
    with CCD(scan_path) as scan:
        for number in range(3000):
            scan.add(number, [[1]])
    data = scan_path.read_bytes()
    assert 6 <= data.count(b"SNOD") <= 20
    assert data.count(b"FRHP") == data.count(b"BTHD") == 0
