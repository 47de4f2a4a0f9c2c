"""The command `h5calib`, as a person calls it."""

from __future__ import annotations

import importlib
import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import h5calib
from h5calib.binding import plugin as _plugin
from h5calib.cli import main


@pytest.fixture
def run():
    def call(*arguments, status=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == status, result.output
        return " ".join(result.output.split())

    return call


@pytest.fixture
def files(tmp_path, jungfrau, monkeypatch):
    raw, constants = jungfrau
    monkeypatch.chdir(tmp_path)
    with h5py.File("raw.h5", "w") as file:
        file["data/raw"] = raw
    with h5py.File("constants.h5", "w") as file:
        file["pedestal"] = constants["pedestal"]
        file["gain"] = constants["gain"].transpose(2, 1, 0)
    return raw


CREATE = (
    *("create", "view.h5", "--raw", "raw.h5:/data/raw", "--algorithm", "jungfrau"),
    *("--constant", "pedestal=constants.h5:/pedestal"),
)
GAIN = ("--constant", "gain=constants.h5:/gain@xys")


def test_create_info_and_read(run, files, jungfrau):
    options = ("--option", "photon_energy=9.2", "--option", "invalid_gain=g0")
    made = run(*CREATE, *GAIN, *options, "--chunks", "2,12,16", "--comment", "run 7")
    assert "view.h5:/calibrated (7, 12, 16) float32 in chunks of (2, 12, 16)" in made
    calibration = h5calib.Jungfrau(**jungfrau[1], photon_energy=9.2, invalid_gain="g0")
    with h5py.File("view.h5") as file:
        expected = h5calib.calibrate(files, calibration)
        assert np.array_equal(file["calibrated"][()], expected, equal_nan=True)
    for arguments in (("view.h5",), ("view.h5:/calibrated",)):
        text = run("info", *arguments)
        for part in ("jungfrau", "raw.h5:/data/raw", "photon_energy = 9.2", "run 7", "axes xys"):
            assert part in text
    found = json.loads(run("info", "--json", "view.h5"))
    assert found["/calibrated"]["parameters"] == {"photon_energy": 9.2, "invalid_gain": "g0"}


def test_new_files_have_small_stubs_that_older_hdf5_reads(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("raw.h5", "w") as file:
        file.create_dataset("raw", (20000, 2, 2), "u2", chunks=(1000, 2, 2))
        file["dark"] = np.ones((2, 2))
    before = (tmp_path / "raw.h5").stat().st_size
    arguments = ("--algorithm", "pedestal", "--constant", "pedestal=raw.h5:/dark")
    run("create", "view.h5", "--raw", "raw.h5:/raw", *arguments, "--chunks", "1,2,2")
    size = (tmp_path / "view.h5").stat().st_size
    assert size / 20000 <= 40
    with open("view.h5", "rb") as file:
        assert file.read(9)[8] == 3  # the superblock of HDF5 1.10
    assert (tmp_path / "raw.h5").stat().st_size == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*CREATE, "--constant", "gain=nope.h5:/g"), "constant 'gain': there is no file"),
        (CREATE, "gain"),
        ((*CREATE, *GAIN, "--option", "x"), "'x': write NAME=VALUE"),
        ((*CREATE, *GAIN, "--option", "x=1"), "jungfrau"),
        ((*CREATE, *GAIN, "--chunks", "a"), "invalid literal|chunks"),
        (("create", "v.h5", "--raw", "a:/b", "--algorithm", "eiger"), "no algorithm 'eiger': choo"),
        (("info", "nope.h5"), "nope.h5"),
        (("info", "raw.h5:/nope"), "no dataset /nope in raw.h5"),
        (("info", "raw.h5:/data/raw"), "/data/raw is not a calibrated dataset"),
        (("relink", "raw.h5"), "write FILE:/PATH"),
    ],
)
def test_mistakes(run, files, arguments, message, tmp_path):
    output = CliRunner().invoke(main, arguments)
    assert output.exit_code in (1, 2)
    assert "Error" in output.output
    assert any(m in " ".join(output.output.split()) for m in message.split("|")), output.output
    assert not (tmp_path / "view.h5").exists()


def test_a_mistake_leaves_an_existing_file(run, files, contents):
    run(*CREATE, *GAIN)
    with h5py.File("view.h5") as file:
        before = contents(file)
    assert "exists" in run(*CREATE, *GAIN, status=1)
    with h5py.File("view.h5") as file:
        assert contents(file) == before
    run(*CREATE, *GAIN, "--overwrite")


INTO = {
    "raw data": ("raw.h5", "raw.h5:/data/raw"),
    "constants": ("constants.h5", "raw.h5:/data/raw"),
    "other data": ("notes.h5", "raw.h5:/data/raw"),
}


@pytest.mark.parametrize("what", INTO)
def test_a_file_that_holds_data_is_not_changed_unless_told(run, files, tmp_path, what):
    with h5py.File("notes.h5", "w") as file:
        file["a/b"] = np.ones(3)
    view, raw = INTO[what]
    before = (tmp_path / view).read_bytes()
    gain = ("--algorithm", "jungfrau", *CREATE[-2:], *GAIN)
    arguments = ("create", view, "--raw", raw, *gain)
    assert "--into-data" in run(*arguments, status=1)
    assert (tmp_path / view).read_bytes() == before
    run(*arguments, "--into-data")
    with h5py.File(view) as file:
        assert np.isfinite(file["calibrated"][0]).any()
    again = (*arguments, "--name", "again")
    if what == "other data":  # a view by now; no dataset is made of what it holds
        run(*again)
    else:
        assert "--into-data" in run(*again, status=1)


def test_the_copies_of_constants_in_a_view_are_its_own(run, files, tmp_path):
    with h5py.File("view.h5", "w") as file:
        dark = h5calib.Pedestal(np.ones(files.shape[1:]))
        h5calib.create_calibrated_dataset(file, "first", "raw.h5:/data/raw", dark)
    run(*CREATE, *GAIN, "--name", "second")


def test_relink_new_identity_clean(run, files, tmp_path):
    run(*CREATE, *GAIN)
    (tmp_path / "raw.h5").rename(tmp_path / "moved.h5")
    assert "linked anew" in run("relink", "view.h5:/calibrated", "--raw", "moved.h5:/data/raw")
    assert "moved.h5:/data/raw" in run("info", "view.h5")
    before = json.loads(run("info", "--json", "view.h5"))["/calibrated"]["file_uuid"]
    assert "new identity" in run("new-identity", "view.h5")
    assert json.loads(run("info", "--json", "view.h5"))["/calibrated"]["file_uuid"] != before
    assert "0 configurations removed" in run("clean", "view.h5")
    with h5py.File("view.h5", "r+") as file:
        del file["calibrated"]
    assert "1 configurations removed" in run("clean", "view.h5")
    assert "has no calibrated datasets" in run("info", "view.h5")


def test_doctor(run):
    text = run("doctor")
    for part in ("all is well", "HDF5", "was made and read", "cpu_variant", "libhdf5"):
        assert part in text


def test_doctor_of_a_broken_installation(run, monkeypatch):
    monkeypatch.setattr(_plugin, "plugin_file", lambda: None)
    text = run("doctor", status=1)
    assert "plugin: PROBLEM FileNotFoundError: no folder that HDF5 searches has the plugin" in text
    assert "What to do: install it with `pip install libh5calib`" in text


def test_doctor_notices_wrong_values(run, monkeypatch):
    doctor = importlib.import_module("h5calib.cli.doctor")  # the name is the command's
    monkeypatch.setattr(doctor, "Pedestal", lambda values: h5calib.Pedestal(values + 1))
    assert "self-test: PROBLEM ValueError: a calibrated dataset was" in run("doctor", status=1)


def test_doctor_when_plugins_are_forbidden(run, monkeypatch):
    monkeypatch.setenv("HDF5_PLUGIN_PRELOAD", "::")
    assert "HDF5_PLUGIN_PRELOAD=:: forbids all plugins: unset it" in run("doctor", status=1)


def test_help_names_every_command(run):
    text = run("--help")
    for name in ("info", "create", "relink", "new-identity", "clean", "doctor"):
        assert name in text


@pytest.mark.parametrize("name", ["[run7]", "[/b]", "[bold]x", "a[/]b"])
def test_brackets_are_no_markup(run, tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    with h5py.File(folder / "raw.h5", "w") as file:
        file["raw"], file["dark"] = np.ones((2, 4, 4), "u2"), np.ones((4, 4))
    given = ("--raw", f"{folder}/raw.h5:/raw", "--algorithm", "pedestal")
    given += ("--constant", f"pedestal={folder}/raw.h5:/dark", "--comment", f"{name} first try")
    assert str(folder / "view.h5") in run("create", folder / "view.h5", *given)
    assert f"{name} first try" in run("info", folder / "view.h5")
    assert str(folder / "view.h5") in run("verify", folder / "view.h5")
    out = folder / "k.h5"
    assert str(out) in run("constants", out, "--dark", f"{folder}/raw.h5:/raw")


WRONG = [
    ("constants", "k.h5", "--dark", "raw.h5:/data/raw", "--passes", "0"),
    ("constants", "k.h5", "--dark", "raw.h5:/data/raw", "--cell-ids", "constants.h5:/pedestal"),
    ("create", "v.h5", "--raw", ".", "--constants", "AGIPD{}.h5"),
    ("create", "v.h5", "--raw", "raw.h5:/data", "--algorithm", "pedestal"),
    (*CREATE, *GAIN, "--chunks", "1,x"),
    (*CREATE, *GAIN, "--frames", "9:x"),
    (*CREATE, *GAIN, "--dtype", "nope"),
    ("create", "nowhere/v.h5", *CREATE[2:], *GAIN),
    ("info", "."),
    ("verify", "constants.h5:/nope"),
    ("relink", "view.h5:/x", "--raw", "raw.h5:/data/raw"),
    ("clean", "raw.h5:/data"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda a: " ".join(a)[:60])
def test_no_input_ends_in_a_traceback(files, arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    assert "Error: " in result.output
