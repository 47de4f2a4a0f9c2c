"""What is recorded, and `h5calib verify`."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import h5calib
from h5calib.cli import main
from h5calib.creating import write as _write
from h5calib.upkeep import sampling


def run(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path, agipd):
    raw, constants, cells = agipd
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["raw"], file["cells"] = raw, cells
    with h5py.File(tmp_path / "constants.h5", "w") as file:
        for name, values in constants.items():
            file[name] = values
    with h5py.File(tmp_path / "view.h5", "w") as file:
        places = {name: f"{tmp_path}/constants.h5:/{name}" for name in constants}
        for name, digest in (("calibrated", True), ("unrecorded", False)):
            h5calib.create_calibrated_dataset(
                *(file, name, f"{tmp_path}/raw.h5:/raw", h5calib.Agipd(**places)),
                cell_ids=f"{tmp_path}/raw.h5:/cells",
                comment="run 7",
                digest_raw=digest,
            )
    return tmp_path


def test_everything_is_recorded(folder, agipd):
    raw, constants, cells = agipd
    with h5py.File(folder / "view.h5") as file:
        found = h5calib.describe(file["calibrated"])
        assert h5calib.describe(file["unrecorded"])["raw_sha256"] is None
    assert (found["algorithm"], found["algorithm_version"]) == ("agipd", 1)
    assert found["created_by"] == f"h5calib {h5calib.__version__}"
    assert found["created"].endswith("+00:00")
    assert found["comment"] == "run 7"
    assert found["raw_sha256"] == hashlib.sha256(raw.tobytes()).hexdigest()
    assert found["cell_ids_sha256"] == hashlib.sha256(cells.tobytes()).hexdigest()
    for name, values in constants.items():
        assert found["constants"][name]["sha256"] == hashlib.sha256(values.tobytes()).hexdigest()


def test_digests_in_pieces(folder, monkeypatch):
    with h5py.File(folder / "raw.h5") as file:
        whole = _write.digest_of(file["raw"])
        monkeypatch.setattr(_write, "_DIGEST_BYTES", 700)
        assert _write.digest_of(file["raw"]) == whole


def test_nothing_changed(folder):
    text = run("verify", folder / "view.h5", "--values")
    assert "/calibrated ok: raw as recorded" in text
    assert "/unrecorded not recorded: raw is there; no digest was recorded" in text
    assert text.count("ok: values as the NumPy reference") == 2
    assert text.endswith("nothing changed")


CHANGES = {
    "gain": ("constants.h5", "gain", (0, 0, 0, 0), "constant gain has other values than when"),
    "raw": ("raw.h5", "raw", (0, 0, 0, 0), "raw has other values than when the dataset was"),
    "cells": ("raw.h5", "cells", (0,), "cell_ids has other values than when the dataset was"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed(folder, change):
    name, path, place, message = CHANGES[change]
    with h5py.File(folder / name, "r+") as file:
        file[path][place] = (file[path][place] + 1) % 4
    text = run("verify", f"{folder}/view.h5:/calibrated", "--values", status=1)
    assert f"CHANGED: {message}" in text
    assert "something changed" in text
    assert text.count("CHANGED") == 1  # values are computed from what is there now
    assert run("verify", f"{folder}/view.h5:/unrecorded", status=int(change != "raw"))


def test_cells_that_the_constants_do_not_have(folder):
    with h5py.File(folder / "raw.h5", "r+") as file:
        file["cells"][3] = 9
    text = run("verify", f"{folder}/view.h5:/calibrated", "--values", status=1)
    assert "NOT CHECKED: values cannot be computed: memory cell 9 lies outside" in text


def test_missing_or_of_another_shape(folder):
    with h5py.File(folder / "constants.h5", "r+") as file:
        values = file["gain"][()]
        del file["gain"], file["pedestal"]
        file["gain"] = values[:2]
        values = file["threshold"][()]
        del file["threshold"]
        file["threshold"] = values.astype("f8")
    text = run("verify", f"{folder}/view.h5:/calibrated", "--values", status=1)
    assert "CHANGED: constant gain has shape [2, 3, 8, 16], it had [4, 3, 8, 16]" in text
    assert "CHANGED: constant threshold has dtype float64, it had float32" in text
    assert (
        "NOT CHECKED: constant pedestal is missing: constant pedestal: no dataset '/pedestal'"
        in text
    )
    assert "NOT CHECKED: values cannot be computed: something is missing" in text
    (folder / "raw.h5").unlink()
    text = run("verify", f"{folder}/view.h5:/calibrated", status=1)
    assert "raw is missing: raw: there is no file" in text


def test_values_that_are_wrong(folder, monkeypatch):
    rebuild = h5calib.upkeep.verification.rebuild

    def another(*arguments):
        calibration = rebuild(*arguments)
        calibration.parameters["masked_value"] = 3.0
        calibration.parameters["first_threshold"] = 0.0
        calibration.parameters["convention"] = 1.0
        return calibration

    monkeypatch.setattr(h5calib.upkeep.verification, "rebuild", another)
    text = run("verify", f"{folder}/view.h5:/calibrated", "--values", status=1)
    assert "CHANGED: values the chunk at (0, 0, 0) differs from the NumPy reference: 1280" in text


@pytest.mark.parametrize("frames", [None, [3, 1, 6, 6]])
@pytest.mark.parametrize(
    ("dtype", "rounding"), [("f4", "none"), ("f8", "none"), ("i2", "half_even")]
)
def test_values_of_chosen_frames_and_dtypes(view, jungfrau, frames, dtype, rounding):
    calibration = h5calib.Jungfrau(**jungfrau[1], photon_energy=9.0, rounding=rounding)
    dataset = h5calib.create_calibrated_dataset(
        *(view, "calibrated", "raw", calibration), frames=frames, dtype=dtype, chunks=(2, 5, 16)
    )
    found = h5calib.verify(dataset, values=True, samples=100)
    assert found[-1].message == "as the NumPy reference"


@pytest.mark.parametrize("output", ["mask", "gain_stage"])
def test_values_of_masks_and_stages(view, jungfrau, output):
    calibration = h5calib.Jungfrau(**jungfrau[1], output=output)
    dataset = h5calib.create_calibrated_dataset(view, "c", "raw", calibration)
    assert h5calib.verify(dataset, values=True)[-1].ok


def test_several_axes_of_frames(tmp_path, rng):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = rng.integers(0, 99, (3, 4, 5, 6), dtype="u2")
        cells = rng.integers(0, 2, (3, 4))
        calibration = h5calib.CellPedestal(rng.random((2, 5, 6)))
        dataset = h5calib.create_calibrated_dataset(
            file, "c", "raw", calibration, cell_ids=cells, chunks=(2, 3, 5, 6)
        )
        assert h5calib.verify(dataset, values=True)[-1].ok
    assert sampling.differing_chunk.__doc__


def test_files_without_and_of_the_first_h5calib(folder, tmp_path):
    assert "has no calibrated datasets" in run("verify", folder / "raw.h5", status=2)
    assert "no dataset /x in" in run("verify", f"{folder}/view.h5:/x", status=2)
    assert "is not a calibrated dataset" in run("verify", f"{folder}/raw.h5:/raw", status=2)


def test_what_reading_would_do(tmp_path, rng):
    """A raw file that was replaced, without a digest of it; then one that is gone."""

    def write(seed):
        with h5py.File(tmp_path / "new.h5", "w") as file:
            file["raw"] = rng.integers(0, 1000, (4, 16, 16), dtype="u2")
        (tmp_path / "new.h5").rename(tmp_path / "raw.h5")

    write(1)
    with h5py.File(tmp_path / "view.h5", "w") as file:
        raw, pedestal = f"{tmp_path}/raw.h5:/raw", h5calib.Pedestal(np.zeros((16, 16)))
        h5calib.create_calibrated_dataset(file, "c", raw, pedestal)
    assert "ok: reading is possible" in run("verify", tmp_path / "view.h5")
    write(2)
    text = run("verify", tmp_path / "view.h5", status=1)
    assert "CHANGED: reading is refused" in text
    assert "nothing changed" not in text
    (tmp_path / "raw.h5").unlink()
    text = run("verify", tmp_path / "view.h5", status=2)
    assert "NOT CHECKED: reading is refused" in text
    assert "NOT CHECKED: raw is missing" in text
    (tmp_path / "raw.h5").write_bytes(b"no HDF5")
    assert "not all could be checked" in run("verify", tmp_path / "view.h5", status=2)


def test_a_missing_decompressor_is_no_change(tmp_path, rng):
    pytest.importorskip("hdf5plugin")
    code = (
        "import h5py, hdf5plugin, numpy as np, h5calib, sys\n"
        "with h5py.File('raw.h5', 'w') as f:\n"
        "    f.create_dataset('raw', data=np.arange(512, dtype='u2').reshape(2, 16, 16),\n"
        "                     chunks=(1, 16, 16), **hdf5plugin.Zstd())\n"
        "with h5py.File('view.h5', 'w') as f:\n"
        "    h5calib.create_calibrated_dataset(f, 'c', 'raw.h5:/raw',\n"
        "        h5calib.Pedestal(np.zeros((16, 16))), digest_raw=True)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    verify = "from h5calib.cli import main; main(['verify', 'view.h5', '--json'])"
    without = "import sys; sys.modules['hdf5plugin'] = None; "
    call = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", verify], **call)
    assert done.returncode == 0, done.stdout + done.stderr  # hdf5plugin is found
    done = subprocess.run([sys.executable, "-c", without + verify], **call)
    assert "is compressed by the filter 32015" in done.stdout
    assert done.returncode == 2, done.stdout + done.stderr
    findings = json.loads(done.stdout)["datasets"]["view.h5:/c"]
    wrong = [f for f in findings if f["ok"] is False]
    assert {f["what"] for f in wrong} == {"raw", "reading"}
    assert not any(f["checked"] for f in wrong)


def test_a_folder_as_json(folder):
    (folder / "notes.txt").write_text("no HDF5")
    (folder / "deep").mkdir()
    shutil.copy(folder / "view.h5", folder / "deep/other.h5")
    found = json.loads(run("verify", folder, "--json", status=2))  # the copy's links lead nowhere
    assert found["status"] == 2
    assert len(found["datasets"]) == 4
    assert run("verify", folder / "view.h5", "--quiet") == ""


def test_a_view_of_the_first_h5calib():
    path = Path(__file__).parents[2] / "tests/golden/version0.h5"
    text = run("verify", path)
    assert "not recorded: all made by the first h5calib" in text
    assert "ok: reading is possible" in text
