"""Files that moved: everything linked is followed, and what is another thing is refused."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from facilities import run

import h5calib

FRAMES, CELLS, NY, NX = 8, 3, 6, 10


@pytest.fixture
def moved(tmp_path, rng):
    """gpfs/ has raw data, constants and cell ids, views/ links to them; gpfs becomes pnfs."""
    raw = rng.integers(0, 5000, (FRAMES, NY, NX), dtype="u2")
    dark = rng.normal(100, 3, (CELLS, NY, NX)).astype("f4")
    ids = rng.integers(0, CELLS, FRAMES).astype("u2")
    gpfs, views = tmp_path / "gpfs", tmp_path / "views"
    for folder in (gpfs, views / "deep"):
        folder.mkdir(parents=True)
    with h5py.File(gpfs / "raw.h5", "w") as file:
        file["d"], file["ids"], file["pulseId"] = raw, ids, np.arange(FRAMES)
    with h5py.File(gpfs / "dark.h5", "w") as file:
        file["p"] = dark
    for name in ("a.h5", "deep/b.h5"):
        with h5py.File(views / name, "w") as file:
            calibration = h5calib.CellPedestal(f"{gpfs}/dark.h5:/p")
            h5calib.create_calibrated_dataset(
                *(file, "g/v", f"{gpfs}/raw.h5:/d", calibration),
                cell_ids=f"{gpfs}/raw.h5:/ids",
                links="absolute",
                digest_raw=True,
            )
            file["g/pulseId"] = h5py.ExternalLink(str(gpfs / "raw.h5"), "/pulseId")
            layout = h5py.VirtualLayout((2, FRAMES, NY, NX), "u2")
            layout[0] = h5py.VirtualSource(str(gpfs / "raw.h5"), "d", raw.shape)
            virtual = file.create_virtual_dataset("twice", layout, fillvalue=9)
            virtual.attrs["unit"] = "ADU"
    gpfs.rename(tmp_path / "pnfs")
    return tmp_path, raw, raw - dark[ids]


def reads(path, raw, values):
    with h5py.File(path) as file:
        assert np.array_equal(file["g/v"][()], values)
        assert np.array_equal(file["g/pulseId"][()], np.arange(FRAMES))
        assert np.array_equal(file["twice"][0], raw)
        assert (file["twice"][1] == 9).all()
        assert file["twice"].attrs["unit"] == "ADU"
        assert all(finding.ok is not False for finding in h5calib.verify(file["g/v"]))


@pytest.mark.parametrize("links", ["auto", "absolute", "relative"])
def test_a_folder_of_views(moved, links):
    here, raw, values = moved
    text = run("relink", here / "views", "--moved", f"{here}/gpfs={here}/pnfs", "--links", links)
    assert text.count("links lead to the new place") == 2
    for name in ("a.h5", "deep/b.h5"):
        reads(here / "views" / name, raw, values)
    assert "no link of" in run(
        "relink", here / "views", "--moved", f"{here}/gpfs={here}/pnfs", status=1
    )


def test_single_files(moved):
    here, raw, values = moved
    pairs = [f"{here}/gpfs/{name}.h5={here}/pnfs/{name}.h5" for name in ("raw", "dark")]
    run("relink", here / "views/a.h5", "--moved", pairs[0], "--moved", pairs[1])
    reads(here / "views/a.h5", raw, values)


def test_each_thing_of_one_dataset(moved):
    here, _, values = moved
    view = here / "views/a.h5"
    places = {"--raw": "raw.h5:/d", "--cell-ids": "raw.h5:/ids", "--constant": "dark.h5:/p"}
    given = []
    for option, place in places.items():
        name = "pedestal=" if option == "--constant" else ""
        given += [option, f"{name}{here}/pnfs/{place}"]
    for i in range(0, len(given), 2):  # one after the other, and each says what is still missing
        said = run("relink", f"{view}:/g/v", *given[i : i + 2])
        missing = [what for what in ("cell_ids", "constant pedestal") if what in said]
        assert missing == ["cell_ids", "constant pedestal"][i // 2 :]
        assert ("cannot be read yet" in said) == bool(missing)
    with h5py.File(view) as file:
        assert np.array_equal(file["g/v"][()], values)
        notes = json.loads(file["g/v"].attrs["h5calib_relinked"])
        assert [note["what"] for note in notes] == ["raw", "cell_ids", "pedestal"]
        assert all("gpfs" in note["from"] and "pnfs" in note["to"] for note in notes)


CHANGES = {
    "raw": ("raw.h5", "d", (0, 0, 0)),
    "raw between the samples": ("raw.h5", "d", (4, 3, 3)),
    "cell ids": ("raw.h5", "ids", (3,)),
    "constant": ("dark.h5", "p", (1, 2, 2)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_another_thing_is_refused(moved, what):
    here, _, values = moved
    name, path, at = CHANGES[what]
    with h5py.File(here / "pnfs" / name, "r+") as file:
        file[path][at] = 0 if path != "ids" else (file[path][at] + 1) % CELLS
    for view in ("a.h5", "deep/b.h5"):
        shutil.copy(here / "views" / view, here / "views" / f"{view}.before")
    arguments = ("relink", here / "views", "--moved", f"{here}/gpfs={here}/pnfs")
    assert "has other values there" in run(*arguments, status=1)
    for view in ("a.h5", "deep/b.h5"):
        old = (here / "views" / f"{view}.before").read_bytes()
        (here / "views" / f"{view}.before").unlink()
        assert (here / "views" / view).read_bytes() == old
    run(*arguments, "--changed")
    with h5py.File(here / "views/a.h5") as file:
        found = file["g/v"][()]
        assert not np.array_equal(found, values)
        notes = json.loads(file["g/v"].attrs["h5calib_relinked"])
        assert sum("changed" in note for note in notes) == 1


def test_raw_data_without_a_digest_is_told_by_its_fingerprint(tmp_path, rng):
    for name in ("7", "8"):
        with h5py.File(tmp_path / f"run{name}.h5", "w") as file:
            file["raw"] = rng.integers(0, 1000, (4, 16, 16), dtype="u2")
    with h5py.File(tmp_path / "view.h5", "w") as file:
        pedestal = h5calib.Pedestal(np.zeros((16, 16)))
        raw = f"{tmp_path}/run7.h5:/raw"
        dataset = h5calib.create_calibrated_dataset(file, "c", raw, pedestal)
        before = dataset[()]
        with pytest.raises(ValueError, match="it has other values"):
            h5calib.relink(dataset, raw=f"{tmp_path}/run8.h5:/raw")
        assert np.array_equal(file["c"][()], before)
        h5calib.relink(dataset, raw=f"{tmp_path}/run8.h5:/raw", changed=True)
    with h5py.File(tmp_path / "view.h5") as file:
        assert not np.array_equal(file["c"][()], before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--moved", "x"), "write OLD=NEW"),
        (("--moved", "x=/nowhere"), "write OLD=NEW"),
        ((), "give --moved"),
        (("--moved", "a=.", "--raw", "b:/c"), "give --moved"),
    ],
)
def test_mistakes(moved, arguments, message):
    here, *_ = moved
    status = 1 if "OLD" in message else 2
    assert message in run("relink", f"{here}/views/a.h5:/g/v", *arguments, status=status)
