"""Where a dataset is, as people write it: one table, which both packages must pass."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5calib.contents import place as of_h5calib
from openpmd_ccd import place as of_openpmd_ccd

SPLITS = pytest.mark.parametrize("module", [of_h5calib, of_openpmd_ccd], ids=["h5calib", "ccd"])

TEXTS = {
    "raw.h5:/data": ("raw.h5", "/data"),
    "run 1/raw.h5:/a/b": ("run 1/raw.h5", "/a/b"),
    "/abs/raw.h5:/data": ("/abs/raw.h5", "/data"),
    "../raw.h5:/": ("../raw.h5", "/"),
    "x/a:/b": ("x/a", "/b"),
    "ab:/b": ("ab", "/b"),
    "me@home:22.h5:/a@b": ("me@home:22.h5", "/a@b"),
    "raw.h5:/12:30/data": ("raw.h5", "/12:30/data"),
    "12:30.h5:/data": ("12:30.h5", "/data"),
    "C:/run/raw.h5:/data": ("C:/run/raw.h5", "/data"),
    "c:\\run\\raw.h5:/data": ("c:\\run\\raw.h5", "/data"),
    "\\\\server\\share\\raw.h5:/data": ("\\\\server\\share\\raw.h5", "/data"),
    "\\\\?\\D:\\raw.h5:/data": ("\\\\?\\D:\\raw.h5", "/data"),
    "//?/D:/raw.h5:/data": ("//?/D:/raw.h5", "/data"),
    "C:raw.h5:/data": ("C:raw.h5", "/data"),
    "/data/raw": None,
    "data": None,
    "": None,
    ":/data": None,
    "raw.h5": None,
    "C:/run/raw.h5": None,
    "z:/": None,
    "C:\\run\\raw.h5": None,
    "\\\\?\\D:\\raw.h5": None,
    "raw.h5:data": None,
    "12:30": None,
}


@SPLITS
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text))
def test_text(module, text):
    assert module.split_reference(text) == TEXTS[text]
    if TEXTS[text] is not None:
        assert module.place_of(text) == TEXTS[text]


@SPLITS
def test_several_separators(module, tmp_path, monkeypatch):
    """The one before which there is a file; the last one where that does not tell."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("a:")
    Path("a:", "b.h5").touch()
    Path("c.h5").touch()
    assert module.split_reference("a:/b.h5:/x") == ("a:/b.h5", "/x")
    assert module.split_reference("./a:/b.h5:/x:/y") == ("./a:/b.h5", "/x:/y")
    assert module.split_reference("c.h5:/x:/y") == ("c.h5", "/x:/y")
    assert module.split_reference("none.h5:/x:/y") == ("none.h5:/x", "/y")


@SPLITS
@pytest.mark.parametrize("file", ["a:/b@c.h5", "C:/x.h5", "[/b].h5", Path("x") / "y.h5"], ids=str)
@pytest.mark.parametrize("path", ["/a:/b", "/a@xy", "/[x]", "/a b"])
def test_a_pair_is_taken_as_it_is(module, file, path):
    assert module.place_of((file, path)) == (os.fspath(file), path)
    assert module.place_of((file, path[1:])) == (os.fspath(file), path)


@SPLITS
@pytest.mark.parametrize("given", [(1, 2), [1.5], 3, None, np.zeros((2, 2)), ("a", 1), (1, "a")])
def test_what_is_no_place(module, given):
    assert module.place_of(given) is None


@SPLITS
def test_a_path(module):
    assert module.place_of(Path("run/raw.h5:/a/b")) == ("run/raw.h5", "/a/b")


def test_a_path_without_a_dataset():
    with pytest.raises(ValueError, match=r"give \(file, path\)"):
        of_h5calib.place_of(Path("C:/raw.h5"), "raw data")
    assert of_openpmd_ccd.place_of(Path("dark.png")) == ("dark.png", None)
    assert of_openpmd_ccd.place_of("C:/dark.png") == ("C:/dark.png", None)


NAMES = ["plain", "me@home", "12:30", "C:", "[run7]", "ü Δ", "a=b"]
WAYS = {
    "text": lambda file, path: f"{file}:{path}",
    "pair": lambda file, path: (str(file), path),
    "pair with a Path": lambda file, path: (file, path),
    "Path": lambda file, path: Path(f"{file}:{path}"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_linked(tmp_path, name, way):
    """Raw data, constants, mask and cell ids in a file and under paths with such names."""
    import h5calib

    folder = tmp_path / name
    folder.mkdir()
    raw, cells = np.arange(24, dtype="u2").reshape(4, 2, 3), np.array([1, 0, 1, 0])
    dark = np.arange(12, dtype="f4").reshape(2, 2, 3)
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file[f"{name}/raw"], file[f"{name}/dark"], file[f"{name}/cells"] = raw, dark, cells
        file[f"{name}/@xy"] = np.array([[0, 1, 0], [0, 0, 1]], "u1")
    at = lambda path: WAYS[way](folder / f"{name}.h5", f"/{name}/{path}")  # noqa: E731
    expected = (raw - dark[cells]).astype("f4")
    with h5py.File(tmp_path / "view.h5", "w") as file:
        calibration = h5calib.CellPedestal(at("dark"), pixel_mask=at("@xy"))
        h5calib.create_calibrated_dataset(file, "v", at("raw"), calibration, cell_ids=at("cells"))
        h5calib.relink(file["v"], raw=at("raw"), constants={"pedestal": at("dark")})
        found = file["v"][()]
    assert np.isnan(found[:, 0, 1]).all()
    assert np.isnan(found[:, 1, 2]).all()
    assert np.array_equal(np.isnan(found).sum(), 8)
    assert np.array_equal(found[~np.isnan(found)], expected[~np.isnan(found)])
    assert np.array_equal(h5calib.calibrate(raw, calibration, cells), found, equal_nan=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_darks_of_a_camera(tmp_path, name, way):
    from openpmd_ccd.calibration.constants import load

    folder = tmp_path / name
    folder.mkdir()
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file[f"{name}/x"] = np.full((2, 3), 4.0)
    values, origin = load(WAYS[way](folder / f"{name}.h5", f"/{name}/x"), "dark")
    assert np.array_equal(values, np.full((2, 3), 4.0))
    assert origin == f"{folder}/{name}.h5:/{name}/x"
