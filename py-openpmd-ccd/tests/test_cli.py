"""The command ``openpmd-ccd``, run as a user runs it."""

import os
import subprocess

import numpy as np
import pytest
import tifffile
from conftest import BIN, by_api, frame, validator
from openpmd_ccd import CCD
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
    assert "bad.png cannot be read as an image" in err
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
    import h5py

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
    _, err = run("export", tmp_path / "a.h5", "-o", tmp_path, "--format", "png", code=1)
    assert "does not fit into a PNG: use tiff" in err
    _, err = run("export", tmp_path / "a.h5", "--shot", 9, code=1, cwd=tmp_path)
    assert "no shot 9" in err


def test_version_and_help():
    from openpmd_ccd import __version__

    assert __version__ in run("--version")[0]
    for command in ("convert", "info", "validate", "recover", "export", "labview"):
        assert command in run("--help")[0]
        run(command, "--help")
