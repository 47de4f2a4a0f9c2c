"""Where other files are looked for after one of them, or the whole folder, has moved."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest
from facilities import AGIPD, check_all_modules, digests, make_folder, run, same, write_agipd

import h5calib
from h5calib.contents.file_names import name_in

RAW = np.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)


def write_experiment(folder, dark, first=0):
    """raw/r.h5, with a virtual dataset over it in raw/v.h5, and constants/c.h5."""
    for name in ("raw", "constants", "proc/run7"):
        (folder / name).mkdir(parents=True)
    with h5py.File(folder / "raw/r.h5", "w") as file:
        file["raw"], file["cells"] = RAW + first, np.array([0, 1, 0])
    with h5py.File(folder / "constants/c.h5", "w") as file:
        file["dark"] = np.stack([np.full((4, 5), dark), np.full((4, 5), dark + 1)]).astype("f4")


def expected(dark, first=0):
    return (RAW + first).astype("f4") - (np.array([0, 1, 0]) + dark).reshape(3, 1, 1)


def create(folder, view, links="auto"):
    """Raw data of another file, or of a virtual dataset in the view; constants; cell ids."""
    with h5py.File(view, "w", libver=("v110", "v110")) as file:
        layout = h5py.VirtualLayout((3, 4, 5), "u2")
        name = name_in(str(view), str(folder / "raw/r.h5"), links)
        layout[...] = h5py.VirtualSource(name, "raw", (3, 4, 5), "u2")
        file.create_virtual_dataset("virtual", layout)
        for name, raw in (("direct", f"{folder}/raw/r.h5:/raw"), ("indirect", "virtual")):
            h5calib.create_calibrated_dataset(
                *(file, name, raw, h5calib.CellPedestal(f"{folder}/constants/c.h5:/dark")),
                cell_ids=f"{folder}/raw/r.h5:/cells",
                links=links,
            )


def values(view):
    with h5py.File(view) as file:
        for name in ("direct", "indirect"):
            assert all(f.ok in (True, None) for f in h5calib.verify(file[name], values=True))
            assert same(h5calib.read(file[name]), file[name][()])
        assert same(file["direct"][()], file["indirect"][()])
        return file["direct"][()]


def linked(view):
    with h5py.File(view) as file:
        found = h5calib.describe(file["direct"])
        return [found[what]["file"] for what in ("raw", "cell_ids")] + [
            found["constants"]["pedestal"]["file"]
        ]


@pytest.mark.parametrize(
    ("place", "up"), [("proc/v.h5", "../"), ("proc/run7/v.h5", "../../"), ("v.h5", "")]
)
def test_the_whole_folder_moves(tmp_path, place, up):
    write_experiment(tmp_path / "exp", 2)
    create(tmp_path / "exp", tmp_path / "exp" / place)
    names = ["raw/r.h5", "raw/r.h5", "constants/c.h5"]
    assert linked(tmp_path / "exp" / place) == [up + name for name in names]
    (tmp_path / "archive/2026").mkdir(parents=True)
    shutil.move(tmp_path / "exp", tmp_path / "archive/2026/exp")
    write_experiment(tmp_path / "exp", 50, first=100)  # others where it was
    assert same(values(tmp_path / "archive/2026/exp" / place), expected(2))


@pytest.mark.parametrize("links", ["relative", "absolute"])
def test_the_view_moves_alone(tmp_path, links):
    """Absolute names lead to the same data, relative ones to a clear error."""
    write_experiment(tmp_path / "exp", 2)
    view = tmp_path / "exp/proc/v.h5"
    create(tmp_path / "exp", view, links)
    (tmp_path / "far/away").mkdir(parents=True)
    moved = shutil.move(view, tmp_path / "far/away/v.h5")
    if links == "absolute":
        assert same(values(moved), expected(2))
        return
    with h5py.File(moved) as file:
        for name in ("direct", "indirect"):
            with pytest.raises(OSError, match=r"far/away/\.\./(raw|constants)/"):
                file[name][()]
            with pytest.raises(OSError, match=r"far/away/\.\./(raw|constants)/"):
                h5calib.read(file[name])
    run(
        *("relink", f"{moved}:/direct", "--raw", f"{tmp_path}/exp/raw/r.h5:/raw"),
        *("--constant", f"pedestal={tmp_path}/exp/constants/c.h5:/dark", "--links", "absolute"),
    )
    assert linked(moved)[::2] == [f"{tmp_path}/exp/raw/r.h5", f"{tmp_path}/exp/constants/c.h5"]


def test_the_current_folder_is_never_searched(tmp_path, monkeypatch):
    """HDF5 on its own would look there for a relative name that is not found."""
    write_experiment(tmp_path / "exp", 2)
    create(tmp_path / "exp", tmp_path / "exp/proc/v.h5")
    write_experiment(tmp_path / "other", 50, first=100)
    (tmp_path / "far/away").mkdir(parents=True)
    moved = shutil.move(tmp_path / "exp/proc/v.h5", tmp_path / "far/away/v.h5")
    monkeypatch.chdir(tmp_path / "other/proc")  # ../raw/r.h5 is there
    with h5py.File(moved) as file:
        assert file["virtual"][0, 0, 0] == 100  # what HDF5 does
        for name in ("direct", "indirect"):
            with pytest.raises(OSError, match=r"far/away/\.\./(raw|constants)/"):
                file[name][()]


def test_verify_tells_of_other_constants(tmp_path):
    """Files of the same names in the same places of another experiment."""
    write_experiment(tmp_path / "exp", 2)
    create(tmp_path / "exp", tmp_path / "exp/proc/v.h5")
    write_experiment(tmp_path / "other", 50)
    moved = shutil.move(tmp_path / "exp/proc/v.h5", tmp_path / "other/proc/v.h5")
    text = run("verify", moved, status=1)
    assert "CHANGED: constant pedestal has other values than when" in text


@pytest.mark.parametrize("what", ["folder", "file"])
def test_through_a_symbolic_link(tmp_path, what, monkeypatch):
    """`..` is the parent of the real folder, not of the link's, for data as well as in verify."""
    write_experiment(tmp_path / "exp", 2)
    create(tmp_path / "exp", tmp_path / "exp/proc/run7/v.h5")
    write_experiment(tmp_path / "other", 50, first=100)
    link = tmp_path / "other/proc/link"
    if what == "folder":
        os.symlink(tmp_path / "exp/proc/run7", link)
        view = link / "v.h5"
        assert same(values(view), expected(2))
        monkeypatch.chdir(link)
        assert same(values("v.h5"), expected(2))
    else:
        os.symlink(tmp_path / "exp/proc/run7/v.h5", link)
        assert same(values(link), expected(2))


def test_created_through_a_symbolic_link(tmp_path, monkeypatch):
    """Neither the view's folder nor a name with .. is taken by its letters."""
    write_experiment(tmp_path / "exp", 2)
    write_experiment(tmp_path / "other", 50, first=100)
    os.symlink(tmp_path / "exp/proc/run7", tmp_path / "other/proc/link")
    monkeypatch.chdir(tmp_path / "other/proc")
    with h5py.File("link/v.h5", "w") as file:
        h5calib.create_calibrated_dataset(
            *(file, "direct", "link/../../raw/r.h5:/raw"),
            h5calib.CellPedestal("link/../../constants/c.h5:/dark"),
            cell_ids="link/../../raw/r.h5:/cells",
        )
    assert linked("link/v.h5")[0] == "../../raw/r.h5"
    with h5py.File(tmp_path / "exp/proc/run7/v.h5") as file:
        assert same(file["direct"][()], expected(2))


@pytest.mark.parametrize(
    ("view", "other", "name"),
    [
        ("/data/e/v.h5", "/data/e/r.h5", "r.h5"),
        ("/data/e/v.h5", "/data/e/a/b/r.h5", "a/b/r.h5"),
        ("/v.h5", "/data/r.h5", "data/r.h5"),
        ("/data/e/p/v.h5", "/data/e/raw/r.h5", "../raw/r.h5"),
        ("/data/e/p/r7/v.h5", "/data/e/raw/r7/r.h5", "../../raw/r7/r.h5"),
        ("/data/e/p/q/r7/v.h5", "/data/e/raw/r.h5", "/data/e/raw/r.h5"),
        ("/data/p/v.h5", "/data/raw/r.h5", "/data/raw/r.h5"),
        ("/home/me/v.h5", "/home/you/r.h5", "/home/you/r.h5"),
        ("/data/e/v.h5", "/elsewhere/r.h5", "/elsewhere/r.h5"),
    ],
)
def test_names(view, other, name):
    assert name_in(view, other) == name
    assert name_in(view, other, "absolute") == other
    relative = name_in(view, other, "relative")
    assert not os.path.isabs(relative)
    assert os.path.normpath(os.path.join(os.path.dirname(view), relative)) == other


def test_no_such_way(tmp_path):
    write_experiment(tmp_path / "exp", 2)
    with pytest.raises(ValueError, match="links='near' is not possible: choose one of auto, rel"):
        create(tmp_path / "exp", tmp_path / "v.h5", "near")


@pytest.mark.parametrize("more", [(), ("--per-module",), ("--per-file",)])
def test_views_beside_the_raw_folder(tmp_path, rng, more):
    """The virtual dataset over 16 modules, and all that is linked, after the folder has moved."""
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    folder = make_folder(tmp_path)
    constants, before = write_agipd(folder, rng), digests(folder / "raw")
    (folder / "proc").mkdir()
    view = folder / "proc" / ("" if more else "view.h5")
    create_ = ("create", view, "--raw", folder / "raw", "--constants", folder / "constants")
    run(*create_, *more)
    (tmp_path / "far").mkdir()
    moved = shutil.move(folder, tmp_path / "far/away")
    with h5py.File(moved / "proc" / ("overview.h5" if more else "view.h5")) as file:
        check_all_modules(file[f"{AGIPD}/data"], moved, constants)
    views = {"": "view.h5", "--per-module": f"{AGIPD}_module03.h5"}
    name = views.get("".join(more), "CORR-R0034-AGIPD03-S00000.h5")
    with h5py.File(moved / "proc" / name) as file:
        image = file[f"INSTRUMENT/{AGIPD}/DET/3CH0:xtdf/image"]
        for ids in ("trainId", "pulseId", "cellId"):
            assert image.get(ids, getlink=True).filename.startswith("../raw/")
            assert image[ids].shape == (5, 1)
    assert digests(moved / "raw") == before


def test_absolute_links_of_a_run(tmp_path, rng):
    """The view alone moves; the folder's own place must stay."""
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    folder = make_folder(tmp_path)
    constants = write_agipd(folder, rng)
    run(
        *("create", folder / "v.h5", "--raw", folder / "raw", "--constants"),
        *(folder / "constants", "--links", "absolute"),
    )
    (tmp_path / "far").mkdir()
    moved = shutil.move(folder / "v.h5", tmp_path / "far/v.h5")
    with h5py.File(moved) as file:
        check_all_modules(file[f"{AGIPD}/data"], folder, constants)
        image = file[f"INSTRUMENT/{AGIPD}/DET/3CH0:xtdf/image"]
        assert image["trainId"].shape == (5, 1)
