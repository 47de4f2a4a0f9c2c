"""`recover` never makes a scan worse: what the file or the journal has is there afterwards."""

import json
import os
import shutil
import subprocess
import zlib

import h5py
import numpy as np
import openpmd_ccd
import pytest
from conftest import by_api, frame, program, validator
from openpmd_ccd import CCD, RecoveryError, open_scan, recover
from openpmd_ccd.writing.journal import journal_path
from test_cli import run
from test_crash import IMAGES, check, tear, write_and_die

OPTIONS = [{}, {"compression": "gzip"}, {"swmr": True}, {"dark": 7.0, "flat": 2.0}]
#: numbers and images of `scan`: large ones, beyond what format 1 checked in full
IMAGES_OF_ONE_SHAPE = {n: frame(n, (300, 200)) for n in range(6)}


def killed(path, options):
    """A scan of one shape whose writer was killed."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_recover import IMAGES_OF_ONE_SHAPE as images\n"
        "from openpmd_ccd import CCD\n"
        "scan = CCD(sys.argv[2], resolution=2e-6, **eval(sys.argv[3]))\n"
        "for n, image in images.items(): scan.add(n, image, time=n, metadata={'n': n})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = ["python", "-c", code, os.path.dirname(__file__), str(path), repr(options)]
    assert subprocess.run(command, timeout=60).returncode == -9


def right(path):
    """Numbers of the shots that can be read, with the right pixels, by plain h5py."""
    found = set()
    with h5py.File(path) as file:
        for name in file["data"]:
            pixels = file[f"data/{name}/shots/raw"][()]
            np.testing.assert_array_equal(pixels, IMAGES_OF_ONE_SHAPE[int(name)])
            found.add(int(name))
    return found


@pytest.mark.parametrize("part", [0.0, 0.3, 0.66, 0.99])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_journal_cut_short_costs_nothing_that_the_file_has(options, part, scan_path):
    killed(scan_path, options)
    journal = journal_path(scan_path)
    data = journal.read_bytes()
    journal.write_bytes(data[: int(len(data) * part)])
    result = recover(scan_path, keep_damaged=False)
    assert (result.shots, result.lost, result.unverified) == (list(range(6)), [], [])
    assert right(scan_path) == set(range(6))
    assert validator(scan_path) == (0, 0)
    if "dark" in options:
        with open_scan(scan_path) as scan:
            np.testing.assert_array_equal(scan.calibrated[3], (IMAGES_OF_ONE_SHAPE[3] - 7.0) / 2)
    assert recover(scan_path).whole or part < 0.5


@pytest.mark.parametrize("part", [0.75, 0.9])
@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_damaged_file_that_may_hold_more_is_never_deleted(part, tail, scan_path):
    """The journal was cut, also at the end of a line, and HDF5 cannot open the file."""
    killed(scan_path, {})
    journal = journal_path(scan_path)
    data = journal.read_bytes()
    cut = data[: int(len(data) * part)]
    journal.write_bytes(cut.rpartition(b"\n")[0] + b"\n" if tail else cut)
    tear(scan_path, "superblock")
    result = recover(scan_path, keep_damaged=False)
    assert 0 < len(result.shots) < 6
    assert result.kept.exists()
    assert right(scan_path) == set(result.shots)


@pytest.mark.parametrize(
    ("options", "filters"),
    [
        ({}, []),
        ({}, ["-f", "GZIP=1"]),
        ({"compression": "gzip"}, ["-l", "CHUNK=50x50"]),
        ({"compression": "gzip"}, ["-f", "NONE"]),
        ({"dark": 7.0, "flat": 2.0}, []),
    ],
    ids=str,
)
def test_after_h5repack_nothing_is_lost(options, filters, scan_path):
    killed(scan_path, options)
    new = scan_path.with_name("new.h5")
    subprocess.run([program("h5repack"), *filters, scan_path, new], check=True)
    new.replace(scan_path)
    result = recover(scan_path)
    assert (result.shots, result.lost, result.rebuilt) == (list(range(6)), [], False), result
    assert right(scan_path) == set(range(6))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("closed", [True, False])
def test_a_file_cut_without_its_journal(closed, options, scan_path):
    """What is still there is recovered; what is not is said; nothing is called complete."""
    if closed:
        with CCD(scan_path, **options) as scan:
            for number, image in IMAGES_OF_ONE_SHAPE.items():
                scan.add(number, image)
    else:
        killed(scan_path, options)
        journal_path(scan_path).unlink()
    size = scan_path.stat().st_size
    for part in (0.02, 0.2, 0.5, 0.8, 0.95):
        cut = scan_path.with_name(f"cut{part}.h5")
        shutil.copy(scan_path, cut)
        os.truncate(cut, int(size * part))
        try:
            result = recover(cut)
        except RecoveryError as error:
            assert "cannot be read" in str(error)
            continue
        assert not result.whole
        assert "complete already" not in str(result)
        assert right(cut) == set(result.shots)
        assert len(result.shots) < 6 or options.get("swmr"), part
        out, _ = run("recover", cut, code=2)
        assert "complete already" not in out, "what is missing is said again"


def test_shots_before_the_cut_are_there(scan_path):
    with CCD(scan_path) as scan:
        for number, image in IMAGES_OF_ONE_SHAPE.items():
            scan.add(number, image)
    with h5py.File(scan_path) as file:
        end = file["data/3/shots/raw"].id.get_offset() + 300 * 200 * 2
        last = file["data/5/shots/raw"].id.get_offset()
    assert last > end
    os.truncate(scan_path, end)
    result = recover(scan_path)
    assert set(result.shots) >= {0, 1, 2}
    assert set(result.shots) | set(result.lost) >= {0, 1, 2, 3}


@pytest.mark.parametrize("place", [0, 4097, 65536 + 9, 119999])
@pytest.mark.parametrize("options", [{}, {"swmr": True}], ids=str)
def test_every_byte_of_a_large_image_is_checked(options, place, scan_path):
    killed(scan_path, options)
    with h5py.File(scan_path, "r", swmr=bool(options)) as file:
        if options:
            address = file["live/raw"].id.get_chunk_info_by_coord((2, 0, 0)).byte_offset
        else:
            address = file["data/2/shots/raw"].id.get_offset()
    with scan_path.open("r+b") as file:
        file.seek(address + place)
        (byte,) = file.read(1)
        file.seek(address + place)
        file.write(bytes([byte ^ 1]))
    result = recover(scan_path, keep_damaged=False)
    assert (result.shots, result.lost) == ([0, 1, 3, 4, 5], [2])
    assert result.kept.exists()
    assert right(scan_path) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize("with_journal", [True, False])
def test_pixels_under_the_number_of_another_shot_are_noticed(with_journal, scan_path):
    killed(scan_path, {})
    with h5py.File(scan_path, "r+") as file:
        file.move("data/1", "one")
        file.move("data/2", "data/1")
        file.move("one", "data/2")
    if not with_journal:
        journal_path(scan_path).unlink()
    result = recover(scan_path)
    found = list(range(6)) if with_journal else [0, 3, 4, 5]
    assert (result.shots, result.lost) == (found, [] if with_journal else [1, 2])
    assert right(scan_path) == set(found)


def as_format_1(path):
    """What version 0.2.0 left: no checksums in the file, sampled ones in the journal."""
    lines = []
    with h5py.File(path, "r+") as file:
        del file.attrs["ccdShots"]
        for name in file["data"]:
            del file[f"data/{name}/shots/raw"].attrs["ccdChecksum"]
        for line in journal_path(path).read_bytes().splitlines():
            record = json.loads(line[9:])
            if "format" in record:
                record["format"] = 1
            if "shot" in record:
                raw = file[f"data/{record['shot']}/shots/raw"]
                record["at"] = [_place_of_format_1(raw, record["at"][0])]
            lines.append(json.dumps(record, separators=(",", ":")).encode())
    data = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
    journal_path(path).write_bytes(data)


def _place_of_format_1(raw, place):
    if raw.chunks is None:
        words = raw[()].reshape(-1).view("u1").view("u8")[::512]
        return [f"s:{zlib.crc32(np.ascontiguousarray(words)):08x}", place[1]]
    chunks = []
    for offset, address, size, mask, _ in place[1:]:
        data = np.frombuffer(raw.id.read_direct_chunk(tuple(offset))[1], "u1")
        if data.nbytes > 65536:
            words = data[: data.size // 8 * 8].view("u8")[::512]
            checksum = f"s:{zlib.crc32(np.ascontiguousarray(words)):08x}"
        else:
            checksum = f"f:{zlib.crc32(data):08x}"
        chunks.append([offset, address, size, mask, checksum])
    return [None, *chunks]


@pytest.mark.parametrize("how", ["nothing", "superblock", "cut journal", "h5repack"])
@pytest.mark.parametrize("options", OPTIONS[:2], ids=str)
def test_journals_of_format_1(options, how, scan_path):
    killed(scan_path, options)
    as_format_1(scan_path)
    unverified = []
    if how == "superblock":
        tear(scan_path, how)
    elif how == "cut journal":
        journal = journal_path(scan_path)
        journal.write_bytes(b"\n".join(journal.read_bytes().splitlines()[:4]) + b"\n")
        unverified = [2, 3, 4, 5]
    elif how == "h5repack":
        new = scan_path.with_name("new.h5")
        subprocess.run([program("h5repack"), "-l", "CHUNK=50x50", scan_path, new], check=True)
        new.replace(scan_path)
        unverified = list(range(6)) if options else []
    result = recover(scan_path)
    assert (result.shots, result.lost) == (list(range(6)), [])
    assert result.unverified == unverified
    assert ("look at them" in str(result)) == bool(unverified)
    assert right(scan_path) == set(range(6))


def test_a_shot_that_was_begun_and_never_acknowledged(scan_path):
    """Its iteration is in the file, its pixels are not, or not all."""
    killed(scan_path, {})
    with h5py.File(scan_path, "r+") as file:
        raw = file["data/5/shots/raw"]
        raw[100:] = 0
    journal = journal_path(scan_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    result = recover(scan_path)
    assert (result.shots, result.lost) == ([0, 1, 2, 3, 4], [5])
    assert right(scan_path) == {0, 1, 2, 3, 4}


def test_a_foreign_file_is_never_rebuilt(tmp_path):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file.attrs["software"] = "PIConGPU"
        file["data/0/fields/E"] = np.zeros(3)
    before = path.read_bytes()
    with pytest.raises(RecoveryError, match="no scan of this package"):
        recover(path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["foreign.h5"]


def test_what_users_added_to_the_file_is_not_deleted(scan_path):
    write_and_die(scan_path, {})
    with h5py.File(scan_path, "r+") as file:
        file["notes of the shift"] = "beam down at 3"
        del file["data/3"].attrs["dt"]
    result = recover(scan_path, keep_damaged=False)
    assert result.rebuilt
    with h5py.File(result.kept) as file:
        assert "notes of the shift" in file
    check(scan_path, [0, 1, 2, 3, 4])


@pytest.mark.parametrize("tool", [["h5clear", "-s"], ["h5clear", "-s", "--increment=0"]], ids=str)
def test_after_h5clear(tool, scan_path):
    killed(scan_path, {})
    subprocess.run([program(tool[0]), *tool[1:], scan_path], capture_output=True)
    result = recover(scan_path)
    assert (result.shots, result.lost) == (list(range(6)), [])
    assert right(scan_path) == set(range(6))


def test_a_killed_recover_can_be_repeated_from_every_side(scan_path, monkeypatch):
    killed(scan_path, {})
    tear(scan_path, "superblock")
    for name in ("cam.h5.recovering", "cam.h5.scratch"):
        scan_path.with_name(name).write_bytes(b"left by a killed recover")
    assert recover(scan_path).shots == list(range(6))
    left = sorted(p.name for p in scan_path.parent.iterdir())
    assert left == ["cam.h5", "cam.h5.damaged"]


def test_a_closed_scan_says_how_many_shots_it_has(scan_path):
    with CCD(scan_path) as scan:
        scan.add(0, IMAGES[0])
        scan.add(1, IMAGES[1])
    with h5py.File(scan_path) as file:
        assert file.attrs["ccdShots"] == 2
    assert recover(scan_path).whole
    with h5py.File(scan_path, "r+") as file:
        del file["data/1"]
    result = recover(scan_path)
    assert "it had 2 shots when it was closed" in str(result)
    run("recover", scan_path, code=2)


def test_recovered_scans_are_marked_complete(scan_path):
    write_and_die(scan_path, {})
    openpmd_ccd.recover(scan_path)
    with h5py.File(scan_path) as file:
        assert file.attrs["ccdShots"] == 5
    assert sorted(by_api(scan_path)) == [0, 1, 2, 3, 4]
