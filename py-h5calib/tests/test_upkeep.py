"""Moved raw files, byte copies, deleted datasets."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

import h5calib

CREATE = h5calib.create_calibrated_dataset


@pytest.fixture
def folder(tmp_path, jungfrau, calibration):
    """view.h5 with a calibrated dataset of raw.h5, the gain in constants.h5."""
    raw, constants = jungfrau
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["raw"], file["short"], file["float"] = raw, raw[:3], raw.astype("f4")
    with h5py.File(tmp_path / "constants.h5", "w") as file:
        file["gain"], file["other"] = constants["gain"], constants["gain"] * 2
    with h5py.File(tmp_path / "view.h5", "w") as file:
        gain = f"{tmp_path}/constants.h5:/gain"
        linked = h5calib.Jungfrau(constants["pedestal"], gain)
        CREATE(file, "calibrated", f"{tmp_path}/raw.h5:/raw", linked)
        CREATE(file, "chosen", f"{tmp_path}/raw.h5:/raw", linked, frames=[0, 2])
    return tmp_path


@pytest.fixture
def expected(jungfrau, calibration):
    return h5calib.calibrate(jungfrau[0], calibration)


def values(path, name="calibrated"):
    with h5py.File(path) as file:
        return file[name][()]


def test_relink_raw_and_constants(folder, expected):
    (folder / "archive").mkdir()
    for name in ("raw.h5", "constants.h5"):
        shutil.move(folder / name, folder / "archive" / name)
    with pytest.raises(OSError, match=r"raw.h5"):
        values(folder / "view.h5")
    archive = f"{folder}/archive"
    with h5py.File(folder / "view.h5", "r+") as file:
        gain = {"gain": f"{archive}/constants.h5:/gain"}
        h5calib.relink(file["calibrated"], f"{archive}/raw.h5:/raw", gain)
        found = h5calib.describe(file["calibrated"])
        assert found["raw"] == {"file": "archive/raw.h5", "path": "/raw"}
        assert found["constants"]["gain"]["file"] == "archive/constants.h5"
        assert file["calibrated"].attrs["h5calib_raw"].decode() == f"{archive}/raw.h5:/raw"
    assert np.array_equal(values(folder / "view.h5"), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "raw", "constants", "error", "message"),
    [
        ("calibrated", "{}/raw.h5:/short", {}, ValueError, "does not fit /calibrated of shape"),
        ("chosen", "{}/constants.h5:/gain", {}, TypeError, "needs uint16"),
        ("calibrated", "{}/raw.h5:/float", {}, TypeError, "needs uint16"),
        ("calibrated", "{}/gone.h5:/raw", {}, FileNotFoundError, "there is no file .*gone.h5"),
        ("calibrated", np.zeros(3), {}, TypeError, "give a dataset, a path in the file or"),
        ("calibrated", None, {"gain": "{}/constants.h5:/other"}, ValueError, "has other values"),
        ("calibrated", None, {"gains": "/x"}, KeyError, "no constant 'gains', it has pedestal, g"),
    ],
)
def test_relink_to_something_else(folder, contents, name, raw, constants, error, message):
    raw = raw.format(folder) if isinstance(raw, str) else raw
    constants = {k: v.format(folder) for k, v in constants.items()}
    with h5py.File(folder / "view.h5", "r+") as file:
        before = contents(file)
        with pytest.raises(error, match=message):
            h5calib.relink(file[name], raw, constants)
        assert contents(file) == before


def test_relink_chosen_frames_of_a_shorter_file(folder, expected):
    with h5py.File(folder / "view.h5", "r+") as file:
        h5calib.relink(file["chosen"], f"{folder}/raw.h5:/short", changed=True)
        assert np.array_equal(file["chosen"][()], expected[[0, 2]], equal_nan=True)


def test_relink_a_file_that_is_open_for_reading(folder):
    with h5py.File(folder / "view.h5") as file, pytest.raises(OSError, match="open read-only"):
        h5calib.relink(file["calibrated"], "/raw")


def test_relink_undoes_all_when_it_fails(folder, contents, monkeypatch):
    from h5calib.upkeep import relinking

    monkeypatch.setattr(relinking, "_record", lambda *_: 1 / 0)
    with h5py.File(folder / "view.h5", "r+") as file:
        for home in file["h5calib"].values():
            del home.attrs["fingerprint_raw"]  # as in older files; the gain keeps its own
        before = contents(file)
        with pytest.raises(ZeroDivisionError):
            h5calib.relink(
                file["chosen"],
                f"{folder}/raw.h5:/short",
                {"gain": f"{folder}/constants.h5:/gain"},
            )
        assert contents(file) == before


def test_a_new_identity(folder, expected):
    with h5py.File(folder / "view.h5", "r+") as file:
        file["group/second name"] = file["calibrated"]
        file["calibrated"].attrs["unit"] = "keV"
        file["calibrated"].attrs["numbers"] = np.arange(3, dtype=">i2")
        file["frame"] = np.arange(7.0)
        file["frame"].make_scale("frame")
        file["calibrated"].dims[0].attach_scale(file["frame"])
        file["calibrated"].dims[1].label = "slow"
        old = h5calib.describe(file["calibrated"])
    shutil.copy(folder / "view.h5", folder / "copy.h5")
    h5calib.new_identity(folder / "copy.h5")
    with h5py.File(folder / "copy.h5") as file:
        new = h5calib.describe(file["calibrated"])
        assert new.pop("file_uuid") != old.pop("file_uuid")
        assert new == old
        assert (
            file.attrs["h5calib_file_uuid"]
            != h5py.File(folder / "view.h5").attrs["h5calib_file_uuid"]
        )
        assert file["group/second name"] == file["calibrated"]
        assert file["calibrated"].attrs["unit"] == "keV"
        assert file["calibrated"].attrs["numbers"].dtype == ">i2"
        assert file["calibrated"].dims[0]["frame"] == file["frame"]
        assert file["calibrated"].dims[1].label == "slow"
        assert np.array_equal(file["calibrated"][()], expected, equal_nan=True)
        assert np.array_equal(file["chosen"][()], expected[[0, 2]], equal_nan=True)
    assert h5calib.clean(folder / "copy.h5") == []


def test_a_new_identity_keeps_stubs_compact(tmp_path):
    with h5py.File(tmp_path / "view.h5", "w", libver=("v110", "v110")) as file:
        file.create_dataset("raw", (20000, 2, 2), "u2", chunks=(1000, 2, 2))
        CREATE(file, "calibrated", "raw", h5calib.Pedestal(1.0), chunks=(1, 2, 2))
    before = (tmp_path / "view.h5").stat().st_size
    h5calib.new_identity(tmp_path / "view.h5")
    assert (tmp_path / "view.h5").stat().st_size - before <= 40 * 20000


def test_a_changed_copy_and_its_original_at_once(tmp_path, rng):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = rng.integers(0, 99, (2, 3, 4))
        CREATE(file, "calibrated", "raw", h5calib.Pedestal(1.0))
    shutil.copy(tmp_path / "a.h5", tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file["raw"][...] = 7
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        with pytest.raises(OSError, match="h5calib new-identity"):
            a["calibrated"][()]
        raw = a["raw"][()]
        del b
    h5calib.new_identity(tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert np.array_equal(a["calibrated"][()], raw - 1.0)
        assert (b["calibrated"][()] == 6).all()


def test_a_new_identity_that_fails_changes_nothing(folder, monkeypatch):
    from h5calib.upkeep import identity

    before = (folder / "view.h5").read_bytes()
    files = sorted(folder.iterdir())
    monkeypatch.setattr(identity, "_recreate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        h5calib.new_identity(folder / "view.h5")
    assert (folder / "view.h5").read_bytes() == before
    assert sorted(folder.iterdir()) == files


def test_clean(folder, expected):
    with h5py.File(folder / "view.h5", "r+") as file:
        uuid = h5calib.describe(file["chosen"])["dataset_uuid"]
        del file["chosen"]
        assert len(file["h5calib"]) == 2
    assert h5calib.clean(folder / "view.h5") == [uuid]
    assert h5calib.clean(folder / "view.h5") == []
    assert np.array_equal(values(folder / "view.h5"), expected, equal_nan=True)


def test_describe(folder, jungfrau):
    with h5py.File(folder / "view.h5") as file:
        found = h5calib.describe(file["chosen"])
        with pytest.raises(ValueError, match=r"/plain|ordinary"):
            h5calib.describe(file[f"h5calib/{found['dataset_uuid']}/frames"])
    assert found["algorithm"] == "jungfrau"
    assert found["algorithm_version"] == 1
    assert found["shape"] == (2, 12, 16)
    assert found["frames"]["path"] == f"/h5calib/{found['dataset_uuid']}/frames"
    assert found["cell_ids"] is None
    gain = found["constants"]["gain"]
    assert (gain["file"], gain["path"], gain["axes"]) == ("constants.h5", "/gain", "syx")
    import hashlib

    assert gain["sha256"] == hashlib.sha256(jungfrau[1]["gain"].tobytes()).hexdigest()


def test_a_dataset_copied_without_its_configuration(folder, tmp_path):
    with h5py.File(folder / "view.h5") as file, h5py.File(tmp_path / "other.h5", "w") as other:
        file.copy("calibrated", other)
        with pytest.raises(KeyError, match=r"copy without its configuration /h5calib/.*create it"):
            h5calib.describe(other["calibrated"])
    with (
        h5py.File(tmp_path / "other.h5") as other,
        pytest.raises(OSError, match=r"none of the open files|identity|not open|UUID"),
    ):
        other["calibrated"][()]
