"""Disks that fill up and files that vanish: the error says which shots are safe."""

import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import openpmd_ccd
import openpmd_ccd.writing.safety
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import CCD, DiskFullError, FileVanishedError, WriteError


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no command mount")
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"fsync": True}], ids=str)
def test_full_disk(options, small_disk):
    path = small_disk / "cam.h5"
    with CCD(path, **options) as scan:
        with pytest.raises(DiskFullError, match="disk full") as caught:
            for number in range(100):
                scan.add(number, noise(number))
        assert caught.value.code == 5008
        assert f"shots 0-{number - 1} are safe" in str(caught.value)
        assert number > 3
        assert scan.safe == list(range(number))
        with pytest.raises(DiskFullError):
            scan.add(1000, noise(0))
        scan.add(number, frame(number, (8, 8)))
    assert validator(path) == (0, 0)
    shots = by_api(path)
    assert sorted(shots) == list(range(number + 1))
    for n in range(number):
        np.testing.assert_array_equal(shots[n]["planes"][""], noise(n))


def noise(number):
    return np.random.default_rng(number).integers(0, 65536, (400, 400)).astype("u2")


def test_full_disk_and_room_again(small_disk):
    (small_disk / "other").write_bytes(b"x" * 2**21)
    with CCD(small_disk / "cam.h5") as scan:
        with pytest.raises(DiskFullError):
            for number in range(100):
                scan.add(number, noise(number))
        (small_disk / "other").unlink()
        scan.add(number, noise(number))
    assert sorted(by_api(small_disk / "cam.h5")) == list(range(number + 1))


def test_full_disk_not_blocking(small_disk):
    scan = CCD(small_disk / "cam.h5", blocking=False)
    with pytest.raises(DiskFullError, match=r"shots 0-\d+ are safe"):
        for number in range(100):
            scan.add(number, noise(number))
        scan.flush()
    safe = scan.safe
    assert len(safe) > 3
    with pytest.raises(DiskFullError):
        scan.close()
    assert sorted(by_api(small_disk / "cam.h5")) == safe


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
def test_full_disk_that_does_not_say_so(suffix, small_disk, monkeypatch):
    """Where the file system does not tell its free room, HDF5 or ADIOS2 meet the full disk."""
    path = small_disk / f"cam{suffix}"
    monkeypatch.setattr(openpmd_ccd.writing.safety, "free_bytes", lambda folder: None)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import openpmd_ccd.writing.safety as s; s.free_bytes = lambda folder: None\n"
        "from test_disk import noise; from openpmd_ccd import CCD\n"
        "scan = CCD(sys.argv[2])\n"
        "try:\n"
        "    for n in range(100): scan.add(n, noise(n))\n"
        "except OSError as error: print(error.code, n, error)\n"
        "try: scan.add(200, noise(0))\n"
        "except OSError as error: print(error.code)\n"
        "try: scan.close()\n"
        "except OSError as error: print(error.code, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__), path],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    first, second, third = done.stdout.splitlines()
    code, number, message = first.split(" ", 2)
    number = int(number)
    assert int(code) in (5008, 5010)
    assert f"shots 0-{number - 1} are safe" in message
    assert second in ("5008", "5010")
    assert third.startswith("5010 ")
    assert f"openpmd-ccd recover {path}" in third
    roomy = small_disk.parent / f"roomy{suffix}"
    (shutil.copytree if path.is_dir() else shutil.copy)(path, roomy)
    shutil.copy(f"{path}.journal", f"{roomy}.journal")
    result = openpmd_ccd.recover(roomy)
    assert result.shots == list(range(number))
    for n, shot in by_api(roomy).items():
        np.testing.assert_array_equal(shot["planes"][""], noise(n))


def test_file_size_limit(tmp_path):
    """A limit that no look at the disk shows (`ulimit -f`)."""
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_disk import noise; from openpmd_ccd import CCD\n"
        "scan = CCD(sys.argv[2])\n"
        "scan.add(0, noise(0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n"
        "    for n in range(1, 100): scan.add(n, noise(n))\n"
        "except OSError as error: print(error.code, n, error)\n"
        "try: scan.close()\n"
        "except OSError as error: print(error.code)\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / "cam.h5"
    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__), path],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    number = int(first.split()[1])
    assert first.split()[0] in ("5008", "5010")
    assert "are safe" in first
    assert second == "5010"
    assert openpmd_ccd.recover(path).shots == list(range(number))
    for n, shot in by_api(path).items():
        np.testing.assert_array_equal(shot["planes"][""], noise(n))


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
@pytest.mark.parametrize("loss", ["deleted", "folder deleted", "moved"])
def test_vanished(loss, suffix, tmp_path):
    folder = tmp_path / "scans"
    path = folder / f"cam{suffix}"
    scan = CCD(path)
    scan.add(0, frame(0))
    scan.add(1, frame(1))
    if loss == "deleted":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif loss == "folder deleted":
        shutil.rmtree(folder)
    else:
        folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileVanishedError, match="moved or deleted") as caught:
        scan.add(2, frame(2))
    assert caught.value.code == 5011
    assert "in the moved file, if there is one, shots 0-1 are safe" in str(caught.value)
    try:
        scan.close()
    except WriteError as error:
        assert suffix == ".bp", error
    if loss == "moved" and suffix == ".h5":
        assert sorted(by_api(tmp_path / "elsewhere" / path.name)) == [0, 1]


def test_read_only_disk(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        with pytest.raises(OSError, match=r"[Rr]ead-only"):
            CCD(small_disk / "cam.h5")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
