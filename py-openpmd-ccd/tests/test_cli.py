"""The command ``openpmd-ccd``, run as a user runs it."""

import json
import os
import signal
import subprocess
import time
from datetime import datetime

import h5py
import numpy as np
import pytest
import tifffile
from conftest import BIN, by_api, frame, validator
from openpmd_ccd import CCD, open_scan
from PIL import Image


def run(*arguments, cwd=None, code=0):
    done = subprocess.run(
        [BIN / "openpmd-ccd", *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(3)]
    for number, path in enumerate(paths):
        Image.fromarray(frame(number)).save(path)
        os.utime(path, (1000 + number, 1000 + number))
    return paths


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
def test_convert(suffix, images, tmp_path):
    output = tmp_path / f"scan{suffix}"
    out, err = run(
        "convert", *images, "-o", output, "--name", "cam", "--resolution", 1e-6, 2e-6,
        "--exposure-time", 0.1, "--first", 5,
    )  # fmt: skip
    assert "3 shots" in out
    assert "converting" in err
    shots = by_api(output)
    assert sorted(shots) == [5, 6, 7]
    for number, shot in shots.items():
        np.testing.assert_array_equal(shot["planes"][""], frame(number - 5))
        assert shot["time"] == 1000 + number - 5
        assert shot["metadata"]["file"] == f"{number - 5}.png"
        np.testing.assert_allclose(shot["spacing"], [2e-6, 1e-6])


def test_convert_pages(tmp_path):
    pages = frame(0, (4, 20, 30))
    tifffile.imwrite(tmp_path / "s.tif", pages, photometric="minisblack")
    run("convert", tmp_path / "s.tif", "-o", tmp_path / "a.h5", "--pages", "-q")
    run("convert", tmp_path / "s.tif", "-o", tmp_path / "b.h5", "-q")
    shots = by_api(tmp_path / "a.h5")
    for number in range(4):
        np.testing.assert_array_equal(shots[number]["planes"][""], pages[number])
    np.testing.assert_array_equal(by_api(tmp_path / "b.h5")[0]["planes"][""], pages)


def test_convert_fails_clearly(images, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no")
    _, err = run("convert", tmp_path / "bad.png", "-o", tmp_path / "a.h5", code=1)
    assert "bad.png: cannot be read as an image" in err
    run("convert", images[0], "-o", tmp_path / "a.h5")
    _, err = run("convert", images[0], "-o", tmp_path / "a.h5", code=1)
    assert "exists already" in err
    run("convert", images[0], "-o", tmp_path / "a.h5", "--overwrite")
    _, err = run("convert", "-o", tmp_path / "a.h5", code=2)
    assert "IMAGES" in err


def test_info_and_validate(scan_path):
    with CCD(scan_path, name="far field", model="X1") as scan:
        scan.add(4, frame(0), metadata={"delay": 2.5})
        scan.add(5, frame(0))
    out, _ = run("info", scan_path, "--shots")
    for text in ("ccdName: far field", "machine: X1", "shots: 2", "64x64 uint16", "delay", "2.5"):
        assert text in out
    out, _ = run("validate", scan_path)
    assert "0 errors, 0 warnings" in out
    _, err = run("info", scan_path.with_name("nope.h5"), code=1)
    assert "no such scan" in err
    with h5py.File(scan_path, "r+") as file:
        del file.attrs["openPMD"]
    run("validate", scan_path, code=1)


def test_recover(tmp_path):
    from test_crash import tear, write_and_die

    write_and_die(tmp_path / "a.h5", {})
    tear(tmp_path / "a.h5", "superblock")
    out, _ = run("recover", tmp_path / "a.h5")
    assert "5 shots, rebuilt; the damaged file is" in out
    assert validator(tmp_path / "a.h5") == (0, 0)
    write_and_die(tmp_path / "b.h5", {})
    tear(tmp_path / "b.h5", "superblock")
    run("recover", tmp_path / "b.h5", "--delete-damaged")
    assert not (tmp_path / "b.h5.damaged").exists()
    write_and_die(tmp_path / "c.h5", {})
    os.truncate(tmp_path / "c.h5", 2000)
    out, _ = run("recover", tmp_path / "c.h5", code=2)
    assert "lost" in out
    _, err = run("recover", tmp_path / "nope.h5", code=1)
    assert "no such file" in err


def test_export(tmp_path):
    shots = [frame(0), frame(1, (5, 6, 3), "u1"), frame(2, (3, 5, 6), "f4"), frame(3, dtype="i4")]
    with CCD(tmp_path / "a.h5") as scan:
        for number, image in enumerate(shots):
            scan.add(number, image)
    run("export", tmp_path / "a.h5", "-o", tmp_path / "out")
    for number, image in enumerate(shots):
        found = tifffile.imread(tmp_path / "out" / f"a_{number}.tiff")
        assert found.dtype == image.dtype
        np.testing.assert_array_equal(found, image)
    with Image.open(tmp_path / "out" / "a_1.tiff") as picture:
        assert picture.mode == "RGB"
    run("export", tmp_path / "a.h5", "-o", tmp_path, "--format", "png", "--shot", 0, "--shot", 1)
    for number in (0, 1):
        with Image.open(tmp_path / f"a_{number}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), shots[number])
    _, err = run("export", tmp_path / "a.h5", "-o", tmp_path / "n", "--format", "png", code=1)
    assert "does not fit into a PNG: use tiff" in err
    _, err = run("export", tmp_path / "a.h5", "--shot", 9, code=1, cwd=tmp_path)
    assert "no shot 9" in err


def test_version_and_help():
    from openpmd_ccd import __version__

    assert __version__ in run("--version")[0]
    for command in ("convert", "info", "validate", "recover", "export", "labview"):
        assert command in run("--help")[0]
        run(command, "--help")


def numbered(folder, names):
    """Images whose pixels tell their place in `names`."""
    for index, name in enumerate(names):
        Image.fromarray(np.full((3, 4), index, "u1")).save(folder / name)


def values(path):
    with open_scan(path) as scan:
        return {n: int(scan.shot(n).pixels[0, 0]) for n in scan.numbers}


NAMES = ["img_1.png", "img_2.png", "img_10.png", "img_11.png", "img_100.png"]


@pytest.mark.parametrize("given", [["."], ["img_*.png"], [*reversed(NAMES)]], ids=str)
def test_convert_takes_folders_and_patterns_in_natural_order(given, tmp_path):
    numbered(tmp_path, NAMES)
    (tmp_path / "notes.txt").write_text("no image")
    _, err = run("convert", *given, "-o", "s.h5", "-q", cwd=tmp_path)
    assert values(tmp_path / "s.h5") == dict(enumerate(range(5)))
    assert "img_1.png becomes shot 0" in err
    assert "--number-from" in err


@pytest.mark.parametrize(
    ("pattern", "names", "numbers"),
    [
        (r"(\d+)", NAMES, [1, 2, 10, 11, 100]),
        (r"\d+", ["a7.png", "b3.png"], [7, 3]),
        (r"_(\d+)\.png", ["cam2_0007.png", "cam2_0009.png"], [7, 9]),
    ],
)
def test_convert_takes_numbers_from_names(pattern, names, numbers, tmp_path):
    numbered(tmp_path, names)
    _, err = run("convert", tmp_path, "-o", tmp_path / "s.h5", "--number-from", pattern, "-q")
    assert values(tmp_path / "s.h5") == dict(zip(numbers, range(len(names)), strict=True))
    assert "note" not in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--number-from", r"(\d+)"], "both have the number 2"),
        (["--number-from", r"x(\d+)"], "finds no number in its name"),
        (["--number-from", "("], "no regular expression"),
        (["--number-from", "(c)am"], "finds no number in its name"),
        (["--number-from", "a", "--first", "3"], "goes with neither"),
        (["--number-from", "a", "--pages"], "goes with neither"),
    ],
)
def test_convert_refuses_numbers_that_are_none(options, message, tmp_path):
    numbered(tmp_path, ["cam2_7.png", "cam2_8.png"])
    _, err = run("convert", tmp_path, "-o", tmp_path / "s.h5", *options, code=1)
    assert message in err
    assert not list(tmp_path.glob("s*"))


def test_convert_refuses_an_image_given_twice_and_folders_without_images(tmp_path):
    numbered(tmp_path, ["a.png"])
    _, err = run("convert", "a.png", "a.png", "-o", "s.h5", cwd=tmp_path, code=1)
    assert "more than once" in err
    (tmp_path / "empty").mkdir()
    for given in ("empty", "nothing*.png"):
        run("convert", given, "-o", "s.h5", cwd=tmp_path, code=1)
    assert not list(tmp_path.glob("s*"))


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_failed_convert_leaves_nothing_and_can_be_repeated(bad, suffix, tmp_path):
    numbered(tmp_path, NAMES[:3])
    broken = tmp_path / NAMES[bad]
    broken.write_bytes(b"broken")
    scan = tmp_path / f"s{suffix}"
    before = sorted(p.name for p in tmp_path.iterdir())
    _, err = run("convert", tmp_path, "-o", scan, "-q", code=1)
    assert NAMES[bad] in err
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    out, err = run("convert", tmp_path, "-o", scan, "-q", "--skip-bad", code=2)
    assert f"left out: {broken}" in err
    assert "2 shots, 1 images left out" in out
    left = {n: n for n in range(3) if n != bad}
    assert values(scan) == left, "the others keep their numbers"
    run("convert", tmp_path / NAMES[(bad + 1) % 3], "-o", scan, "-q", code=1)
    assert values(scan) == left
    run("convert", broken, "-o", scan, "-q", "--overwrite", "--skip-bad", code=1)
    assert values(scan) == left, "the old scan stays until there is a new one"


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_convert_leaves_no_scan_and_can_be_repeated(signal_number, tmp_path):
    for number in range(400):
        np.save(tmp_path / f"i{number}.npy", np.full((300, 300), number, "u2"))
    command = [BIN / "openpmd-ccd", "convert", tmp_path, "-o", tmp_path / "s.h5", "-q"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    partial = tmp_path / "s.partial.h5"
    while running.poll() is None and not (partial.exists() and partial.stat().st_size > 2**20):
        time.sleep(0.002)
    running.send_signal(signal_number)
    assert running.wait(60) != 0
    assert not (tmp_path / "s.h5").exists()
    run("convert", tmp_path, "-o", tmp_path / "s.h5", "-q")
    assert values(tmp_path / "s.h5") == {n: n for n in range(400)}
    assert not partial.exists()


@pytest.mark.parametrize("ending", ["tiff", "png"])
def test_export_replaces_nothing_unless_told(ending, tmp_path):
    with CCD(tmp_path / "cam.h5") as scan:
        for number in range(3):
            scan.add(number, frame(number))
    original = tmp_path / f"cam_1.{ending}"
    original.write_bytes(b"the original of the camera")
    arguments = ("export", "cam.h5", "--format", ending)
    _, err = run(*arguments, cwd=tmp_path, code=1)
    assert f"cam_1.{ending}" in err
    assert original.read_bytes() == b"the original of the camera"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cam.h5", f"cam_1.{ending}"]
    run(*arguments, "--overwrite", cwd=tmp_path)
    with Image.open(original) as picture:
        np.testing.assert_array_equal(np.asarray(picture), frame(1))


def test_export_of_calibrated_values(tmp_path):
    flat = np.full((64, 64), 2.0)
    with CCD(tmp_path / "cam.h5", dark=3.0, flat=flat) as scan:
        scan.add(0, frame(0))
    run("export", "cam.h5", "--calibrated", cwd=tmp_path)
    found = tifffile.imread(tmp_path / "cam_0_calibrated.tiff")
    np.testing.assert_array_equal(found, ((frame(0) - 3.0) / 2).astype("f4"))
    assert found.dtype == np.float32


def test_info_as_json_and_with_dates(scan_path):
    with CCD(scan_path, name="far [bold]field", resolution=2e-6) as scan:
        scan.add(4, frame(0), time=1.5, metadata={"delay": 2.5, "note": "ü [red]"})
        scan.add(5, frame(0, (3, 4, 3)), time=2.0)
    found = json.loads(run("info", scan_path, "--json")[0])
    assert found["attributes"]["ccdName"] == "far [bold]field"
    first, second = found["shots"]
    assert (first["number"], first["time"], first["shape"]) == (4, 1.5, [64, 64])
    assert datetime.fromisoformat(first["date"]).timestamp() == 1.5
    assert first["metadata"] == {"delay": 2.5, "note": "ü [red]"}
    assert first["settings"]["resolution"] == [2e-6, 2e-6]
    assert second["components"] == ["r", "g", "b"]
    out, _ = run("info", scan_path, "--shots")
    assert "far [bold]field" in out
    assert datetime.fromtimestamp(1.5).astimezone().isoformat(" ", "milliseconds")[:10] in out


@pytest.mark.parametrize(
    "command", ["convert", "info", "validate", "recover", "export", "dark", "calibrate", "labview"]
)
def test_short_help_everywhere(command):
    assert run(command, "-h")[0] == run(command, "--help")[0]


@pytest.mark.parametrize("what", ["empty", "text", "folder", "foreign", "no groups", "cut"])
@pytest.mark.parametrize(
    "command", [["info"], ["info", "--json"], ["export"], ["recover"], ["dark", "-o", "d.h5"]],
    ids=str,
)  # fmt: skip
def test_no_traceback_for_any_input(command, what, tmp_path):
    path = tmp_path / "x.h5"
    if what == "folder":
        path.mkdir()
    elif what in ("foreign", "no groups"):
        with h5py.File(path, "w") as file:
            file["data/0/fields/E" if what == "foreign" else "data"] = np.zeros(3)
    elif what == "cut":
        with CCD(path) as scan:
            scan.add(0, frame(0))
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(b"" if what == "empty" else b"text")
    done = subprocess.run(
        [BIN / "openpmd-ccd", *command, path], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr or done.stdout
