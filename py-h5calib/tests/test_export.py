"""Stored copies: the same values, whole or not there, gone on with after a kill."""

import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import h5calib
from h5calib.cli import main


@pytest.fixture
def view(tmp_path, rng):
    raw = rng.integers(0, 1000, (40, 12, 16)).astype("u2")
    mask = np.zeros((12, 16), "u1")
    mask[3, 4] = 1
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = raw
        calibration = h5calib.Pedestal(np.full((12, 16), 500.25), pixel_mask=mask)
        h5calib.create_calibrated_dataset(
            file, "m/data", "raw", calibration, chunks=(3, 12, 16), comment="of a test"
        )
        file["m/trainId"] = np.arange(40) + 7
    values = raw.astype("f4") - np.float32(500.25)
    values[:, 3, 4] = np.nan
    return path, values


@pytest.mark.parametrize("compression", ["none", "gzip", "bitshuffle", "zstd"])
def test_the_same_values(view, tmp_path, compression):
    path, values = view
    if compression in ("bitshuffle", "zstd"):
        pytest.importorskip("hdf5plugin")
    out = tmp_path / "out.h5"
    assert h5calib.export(path, out, compression=compression) == "/m/data"
    with h5py.File(out) as file:
        assert np.array_equal(file["m/data"][()], values, equal_nan=True)
        assert np.array_equal(file["m/trainId"][()], np.arange(40) + 7)
        assert "h5calib" not in file
        assert file["m/data"].attrs["h5calib_comment"] == b"of a test"
        assert "v.h5:/m/data" in file["m/data"].attrs["h5calib_exported"]
    assert sorted(os.listdir(tmp_path)) == ["out.h5", "v.h5"]


def test_a_part_as_integers(view, tmp_path):
    path, values = view
    out = tmp_path / "out.h5"
    with pytest.raises(ValueError, match="no value"):
        h5calib.export(path, out, dtype="i4")
    assert not out.exists()
    (tmp_path / "out.h5.parts").rename(tmp_path / "gone")
    h5calib.export(
        path,
        out,
        frames=slice(5, 17),
        roi=(slice(2, 9), slice(3, 16)),
        dtype="i4",
        fill=-9,
        scale=2,
    )
    expected = np.rint(values[5:17, 2:9, 3:16].astype("f8") * 2)
    with h5py.File(out) as file:
        found = file["m/data"][()]
        assert file["m/data"].attrs["h5calib_scale"] == 2
        assert np.array_equal(file["m/trainId"][()], np.arange(5, 17) + 7)
    assert np.array_equal(found, np.where(np.isnan(expected), -9, expected))


def test_values_that_do_not_fit(view, tmp_path):
    with pytest.raises(ValueError, match="does not fit int8"):
        h5calib.export(view[0], tmp_path / "out.h5", dtype="i1", fill=-1)


def test_nothing_is_replaced(view, tmp_path):
    (tmp_path / "out.h5").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite"):
        h5calib.export(view[0], tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_text() == "mine"
    h5calib.export(view[0], tmp_path / "out.h5", overwrite=True)


def test_parts_of_another_job_are_refused(view, tmp_path, monkeypatch):
    from h5calib.exporting import stored as module

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_join", stop)
    with pytest.raises(KeyboardInterrupt):
        h5calib.export(view[0], tmp_path / "out.h5")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="another export"):
        h5calib.export(view[0], tmp_path / "out.h5", dtype="f8")
    with h5py.File(view[0], "r+") as file:
        calibration = h5calib.Pedestal(np.full((12, 16), 1.0))
        h5calib.create_calibrated_dataset(file, "m/data", "raw", calibration, overwrite=True)
    with pytest.raises(ValueError, match="changed since"):
        h5calib.export(view[0], tmp_path / "out.h5")


def test_a_disk_that_lies_is_noticed(view, tmp_path, monkeypatch):
    from h5calib.exporting import stored as module

    copy = module._copy_chunks

    def spoil(source, target, first):
        copy(source, target, first)
        chunk = bytearray(target.id.read_direct_chunk((0, 0, 0))[1])
        chunk[5] ^= 1
        target.id.write_direct_chunk((0, 0, 0), bytes(chunk), 0)

    monkeypatch.setattr(module, "_copy_chunks", spoil)
    with pytest.raises(OSError, match="frames 0 to 39 read back"):
        h5calib.export(view[0], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


SLOW = """
import sys, time
import numpy as np
from h5calib.exporting import stored as module
module._BLOCK_BYTES = 3 * 12 * 16 * 4
module.export(sys.argv[1], sys.argv[2], compression="gzip")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_and_gone_on_with(view, tmp_path):
    path, values = view
    out, seed = tmp_path / "out.h5", random.randrange(2**32)
    pause = random.Random(seed)
    for _ in range(30):
        process = subprocess.Popen([sys.executable, "-c", SLOW, str(path), str(out)])
        time.sleep(0.2 + pause.random() * 0.4)
        process.kill()
        if process.wait() == 0 or (out.exists() and not out.with_name("out.h5.parts").exists()):
            break
        assert not out.exists() or h5py.File(out).close() is None
    else:
        subprocess.run([sys.executable, "-c", SLOW, str(path), str(out)], check=True)
    with h5py.File(out) as file:
        assert np.array_equal(file["m/data"][()], values, equal_nan=True), f"seed {seed}"


def test_the_command(view, tmp_path):
    out = tmp_path / "[run7] out.h5"
    options = ["--frames", "2:4", "--roi", "0:3,:", "--dtype", "f8"]
    done = CliRunner().invoke(main, ["export", f"{view[0]}:/m/data", "-o", str(out), *options])
    assert done.exit_code == 0, done.output
    assert "[run7] out.h5:/m/data written and compared" in done.output
    with h5py.File(out) as file:
        assert np.array_equal(file["m/data"][()], view[1][2:4, 0:3], equal_nan=True)
    wrong = CliRunner().invoke(main, ["export", str(view[0]), "-o", "x.h5", "--frames", "a"])
    assert wrong.exit_code == 2
    assert "FIRST:END" in wrong.output
