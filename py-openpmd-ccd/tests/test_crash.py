"""Scans that were not closed: killed, torn, cut. What was promised must come back."""

import os
import subprocess
import sys

import h5py
import kill
import numpy as np
import openpmd_ccd
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import RecoveryError
from openpmd_ccd.writing.journal import journal_path

#: what `write_and_die` writes: shapes and types in one scan
IMAGES = [
    frame(0, (300, 200)), frame(1, (5, 7, 3)), frame(2, (3, 40, 50), "f4"),
    frame(3, (300, 200)), frame(4, (1500, 1500)),
]  # fmt: skip
DIE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_crash import IMAGES
from openpmd_ccd import CCD
options = {"name": "far field", "operator": "é", "resolution": (5e-6, 4e-6), **eval(sys.argv[3])}
scan = CCD(sys.argv[2], **options)
for number in range(0, 5, eval(sys.argv[4])):
    scan.add(number, IMAGES[number], time=100.5 + number, metadata={"n": number, "s": "ü"})
    scan.recalibrate(exposure_time=number + 1.0)
scan.flush()
os.kill(os.getpid(), 9)
"""
OPTIONS = [{}, {"compression": "gzip"}, {"blocking": False}, {"fsync": True}, {"swmr": True}]


def write_and_die(path, options, step=1):
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", DIE, here, str(path), repr(options), str(step)]
    assert subprocess.run(command, timeout=60).returncode == -9
    assert journal_path(path).exists()


def check(path, numbers):
    assert validator(path) == (0, 0)
    shots = by_api(path)
    assert sorted(shots) == sorted(numbers)
    for number, shot in shots.items():
        image = IMAGES[number]
        if image.shape[-1] == 3:
            found = np.stack([shot["planes"][c] for c in "rgb"], -1)
        else:
            found = shot["planes"][""]
        np.testing.assert_array_equal(found, image)
        assert found.dtype == image.dtype
        assert shot["time"] == 100.5 + number
        assert shot["metadata"] == {"n": number, "s": "ü"}
        np.testing.assert_allclose(shot["spacing"][-2:], [4e-6, 5e-6])
        assert shot["mesh"].get("ccdExposureTime", 0.0) == float(number and prior(number, numbers))
    with h5py.File(path) as file:
        assert file.attrs["ccdName"] == b"far field"
        assert file.attrs["author"] == "é".encode()


def prior(number, numbers):
    """Exposure time that was set after the shot before."""
    return max([n for n in numbers if n < number], default=-1) + 1


def tear(path, how):
    """Damage the parts of a file that HDF5 needs."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        if how == "superblock":
            file.write(b"\0" * 96)
        elif how == "root group":
            file.seek(96)
            file.write(os.urandom(600))
        elif how == "last metadata":
            with path.open("rb") as copy:
                data = copy.read()
            place = data.rfind(b"OHDR")
            place = place if place >= 0 else data.rfind(b"TREE")
            file.seek(place)
            file.write(b"\xff" * 64)
        elif how == "signature of groups":
            with path.open("rb") as copy:
                data = copy.read()
            for mark in (b"SNOD", b"TREE", b"HEAP"):
                place = data.find(mark)
                if place >= 0:
                    file.seek(place)
                    file.write(b"torn")
        elif how == "trailing bytes":
            file.seek(size)
            file.write(os.urandom(1000))


TEARS = [
    "nothing",
    "superblock",
    "root group",
    "last metadata",
    "signature of groups",
    "trailing bytes",
]


@pytest.mark.parametrize("how", TEARS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_recover(options, how, scan_path):
    step = 3 if options.get("swmr") else 1
    write_and_die(scan_path, options, step)
    tear(scan_path, how)
    result = openpmd_ccd.recover(scan_path)
    assert result.lost == []
    assert result.shots == list(range(0, 5, step))
    if how in ("superblock", "root group"):
        assert result.rebuilt
        assert result.kept.exists()
        assert result.kept.name == "cam.h5.damaged"
    assert not journal_path(scan_path).exists()
    check(scan_path, result.shots)


@pytest.mark.parametrize("compression", ["bitshuffle", "blosc2"])
def test_recover_plugin_compression(compression, scan_path):
    pytest.importorskip("hdf5plugin")
    write_and_die(scan_path, {"compression": compression})
    tear(scan_path, "superblock")
    result = openpmd_ccd.recover(scan_path, keep_damaged=False)
    assert result.rebuilt
    assert result.kept is None
    with h5py.File(scan_path) as file:
        for number in (0, 2, 3, 4):
            dataset = file[f"data/{number}/shots/raw"]
            np.testing.assert_array_equal(dataset[()], IMAGES[number])
            assert dataset.id.get_storage_size() < 0.9 * dataset.nbytes or number == 2


def test_recover_twice_and_after_close(scan_path):
    write_and_die(scan_path, {})
    assert openpmd_ccd.recover(scan_path).shots == [0, 1, 2, 3, 4]
    again = openpmd_ccd.recover(scan_path)
    assert (again.shots, again.rebuilt) == ([0, 1, 2, 3, 4], False)


def test_half_written_journal_lines_are_left_out(scan_path):
    write_and_die(scan_path, {})
    journal = journal_path(scan_path)
    journal.write_bytes(journal.read_bytes()[:-20])
    tear(scan_path, "superblock")
    result = openpmd_ccd.recover(scan_path)
    assert (result.shots, result.lost) == ([0, 1, 2, 3], [])
    check(scan_path, result.shots)


def test_damaged_pixels_are_noticed(scan_path):
    write_and_die(scan_path, {})
    with h5py.File(scan_path, "r") as file:
        address = file["data/0/shots/raw"].id.get_offset()
        large = file["data/4/shots/raw"].id.get_offset()
    with scan_path.open("r+b") as file:
        file.seek(address)
        file.write(b"\0" * 4096)
        file.seek(large + 40960)
        file.write(b"\0" * 8192)
    result = openpmd_ccd.recover(scan_path, keep_damaged=False)
    assert (result.shots, result.lost) == ([1, 2, 3], [0, 4])
    assert result.kept.exists(), "with lost shots the damaged file is always kept"
    assert journal_path(result.kept).exists()
    check_only_pixels(scan_path, [1, 2, 3])


def check_only_pixels(path, numbers):
    shots = by_api(path)
    assert sorted(shots) == numbers
    np.testing.assert_array_equal(shots[3]["planes"][""], IMAGES[3])


def test_cut_file(scan_path):
    write_and_die(scan_path, {})
    with h5py.File(scan_path, "r") as file:
        end = file["data/4/shots/raw"].id.get_offset() + 10
    os.truncate(scan_path, end)
    result = openpmd_ccd.recover(scan_path)
    assert (result.shots, result.lost) == ([0, 1, 2, 3], [4])


def test_vanished_file(scan_path):
    write_and_die(scan_path, {})
    moved = scan_path.rename(scan_path.with_name("moved.h5"))
    with pytest.raises(RecoveryError, match="is missing: put it back beside its journal"):
        openpmd_ccd.recover(scan_path)
    moved.rename(scan_path)
    assert openpmd_ccd.recover(scan_path).shots == [0, 1, 2, 3, 4]


def test_kill_during_recover(scan_path, monkeypatch):
    """Whatever recover had done when it was killed, it can be done again."""
    write_and_die(scan_path, {})
    tear(scan_path, "superblock")

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    for step in ("link", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, die)
            with pytest.raises(Killed):
                openpmd_ccd.recover(scan_path)
        assert journal_path(scan_path).exists()
    result = openpmd_ccd.recover(scan_path)
    assert (result.shots, result.lost) == ([0, 1, 2, 3, 4], [])
    check(scan_path, result.shots)


def test_nothing_to_recover(tmp_path):
    with pytest.raises(RecoveryError, match="no such file"):
        openpmd_ccd.recover(tmp_path / "nope.h5")
    (tmp_path / "bad.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(RecoveryError, match="cannot be read and has no journal"):
        openpmd_ccd.recover(tmp_path / "bad.h5")
    (tmp_path / "bad.h5.journal").write_bytes(b"")
    with pytest.raises(RecoveryError, match="its journal is empty"):
        openpmd_ccd.recover(tmp_path / "bad.h5")


def test_unacknowledged_rubbish_is_left_out(scan_path):
    write_and_die(scan_path, {})
    with h5py.File(scan_path, "r+") as file:
        file["data"].copy("3", "77")
    result = openpmd_ccd.recover(scan_path)
    assert result.rebuilt
    assert sorted(by_api(scan_path)) == [0, 1, 2, 3, 4]


def test_a_new_scan_does_not_replace_an_unfinished_one(scan_path):
    write_and_die(scan_path, {})
    with pytest.raises(openpmd_ccd.ScanExistsError):
        openpmd_ccd.CCD(scan_path)
    scan_path.rename(scan_path.with_name("moved.h5"))
    with pytest.raises(openpmd_ccd.ScanExistsError, match="unfinished scan"):
        openpmd_ccd.CCD(scan_path)


def test_reading_an_unfinished_scan_says_what_to_do(scan_path):
    write_and_die(scan_path, {})
    tear(scan_path, "superblock")
    with pytest.raises(OSError, match="openpmd-ccd recover"):
        openpmd_ccd.open_scan(scan_path)


def test_random_kills_in_short():
    """The long form is ``python kill.py --kills 200``."""
    count, failures = kill.kill(12, seed=1000)
    assert not failures
    assert count["acknowledged shots"] > 0
    assert count["killed while open"] > 0


def test_changed_journal_lines_are_left_out(scan_path):
    write_and_die(scan_path, {})
    journal = journal_path(scan_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    index = next(i for i, line in enumerate(lines) if b'"shot":3' in line)
    lines[index] = lines[index].replace(b'"shot":3', b'"shot":8')
    journal.write_bytes(b"".join(lines))
    tear(scan_path, "superblock")  # otherwise the file has the shot, and nothing is lost
    result = openpmd_ccd.recover(scan_path, keep_damaged=False)
    assert (result.shots, result.kept.exists()) == ([0, 1, 2, 4], True)
    assert "1 of the journal's lines are cut or damaged" in str(result)


@pytest.mark.parametrize("options", [{}, {"swmr": True}, {"blocking": False}], ids=str)
def test_fsync_covers_file_and_journal_at_each_shot(options, scan_path, monkeypatch):
    synced, fsync = [], os.fsync

    def note(fd):
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    with openpmd_ccd.CCD(scan_path, fsync=True, **options) as scan:
        assert str(scan_path.parent) in synced
        for number in range(3):
            synced.clear()
            scan.add(number, frame(number))
            scan.flush()
            assert synced == [str(scan_path), f"{scan_path}.journal"]
        synced.clear()
    assert str(scan_path) in synced
    synced.clear()
    with openpmd_ccd.CCD(scan_path, overwrite=True, **options) as scan:
        scan.add(0, frame(0))
    assert synced == []


@pytest.mark.parametrize("change", ["time", "shape", "address", "attribute missing"])
def test_a_readable_file_that_differs_from_its_journal_is_rebuilt(change, scan_path):
    write_and_die(scan_path, {})
    with h5py.File(scan_path, "r+") as file:
        if change == "time":
            file["data/3"].attrs["time"] = 5.0
        elif change == "attribute missing":
            del file["data/3"].attrs["dt"]
        else:
            file.move("data/3/shots/raw", "elsewhere")
            shape = (300, 200) if change == "address" else (2, 2)
            file["data/3/shots/raw"] = np.zeros(shape, "u2")
    result = openpmd_ccd.recover(scan_path)
    assert result.rebuilt
    check(scan_path, [0, 1, 2, 3, 4])
