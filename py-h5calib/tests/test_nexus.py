"""NeXus files: offset and scaling factor beside a field, pixel masks."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from h5calib.cli import main

FIELD = "entry/instrument/detector/data"


def run(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


@pytest.fixture
def raw(tmp_path, rng):
    with h5py.File(tmp_path / "scan.nxs", "w") as file:
        file[FIELD] = rng.integers(0, 5000, (5, 6, 8), dtype="u2")
        file["entry"].attrs["NX_class"] = "NXentry"
    return tmp_path / "scan.nxs"


@pytest.mark.parametrize("shape", [(), (1,), (6, 8), (5,), (5, 6, 8)])
def test_offset_and_scaling_factor(raw, tmp_path, rng, shape):
    offset, factor = rng.uniform(-9, 9, shape), rng.uniform(1, 2, shape)
    mask = rng.random((6, 8)) < 0.3
    with h5py.File(raw, "r+") as file:
        file[f"{FIELD}_offset"], file[f"{FIELD}_scaling_factor"] = offset, factor
        file["entry/instrument/detector/pixel_mask"] = mask.astype("u4")
        values = file[FIELD][()]
    text = run("create", tmp_path / "v.h5", "--raw", raw, "--dtype", "f8")
    assert f"guessed: layout nexus, /{FIELD} has an offset" in text
    assert "found: pixel_mask /entry/instrument/detector/pixel_mask" in text
    if shape == (5,):
        offset, factor = offset[:, None, None], factor[:, None, None]
    expected = np.where(mask, np.nan, (values + offset) * factor)
    with h5py.File(tmp_path / "v.h5") as view:
        assert np.array_equal(view[FIELD][()], expected, equal_nan=True)


def test_only_one_of_them_chosen_frames_and_a_mask_of_the_detector(raw, tmp_path, rng):
    with h5py.File(raw, "r+") as file:
        values = file[FIELD][()]
        file["entry/data/counts"] = values
        file["entry/data/counts_scaling_factor"] = np.arange(5) + 1.0
        file["entry/instrument/detector/pixel_mask"] = np.eye(6, 8, dtype="i4")
    run("create", tmp_path / "v.h5", "--raw", raw, "--frames", "4,1")
    expected = np.where(np.eye(6, 8), np.nan, values[[4, 1]] * np.array([5.0, 2.0])[:, None, None])
    with h5py.File(tmp_path / "v.h5") as view:
        assert np.array_equal(view["entry/data/counts"][()], expected, equal_nan=True)


def test_mistakes(raw, tmp_path):
    def create(*more):
        text = run("create", tmp_path / "v.h5", "--raw", raw, *more, status=1)
        assert not (tmp_path / "v.h5").exists()
        return text

    assert "has none of the layouts euxfel, swissfel, nexus: name the dataset" in create()
    with h5py.File(raw, "r+") as file:
        file[f"{FIELD}_offset"] = np.zeros(3)
    assert "of shape (3,) for data of shape (5, 6, 8): a number" in create()
    assert "has its constants beside its data: leave out --constants" in create("--constants", raw)
    with h5py.File(raw, "r+") as file:
        del file[f"{FIELD}_offset"]
        file[f"{FIELD}_offset"] = 3.0
        file["entry/b"], file["entry/b_offset"] = np.zeros((2, 3)), 1
        file["entry/x/pixel_mask"], file["entry/y/pixel_mask"] = np.eye(3), np.eye(3)
    assert f"/entry/b, /{FIELD}; say which with --detector" in create()
    text = create("--detector", "entry/b")
    assert (
        "could have the masks /entry/x/pixel_mask, /entry/y/pixel_mask: say which with --mask"
        in text
    )
    assert "there is no file or folder nope.h5" in run(
        "create", tmp_path / "v.h5", "--raw", "nope.h5", status=1
    )
