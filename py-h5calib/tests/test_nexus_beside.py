"""NeXus: masks of a field and of its detector, values that are none, fields behind links."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from facilities import run

SHAPE = (3, 6, 8)
DETECTOR = "entry/instrument/detector"


@pytest.fixture
def made(tmp_path, rng):
    """Write a file with what is beside the counts; the raw counts, what `create` says and makes."""

    def make(dtype="u2", scaling=2.0, field="entry/data/counts", extra=(), **beside):
        raw = rng.integers(3, 90, SHAPE).astype(dtype)
        if "raw" in beside:
            raw = beside.pop("raw")
        with h5py.File(tmp_path / "s.nxs", "w") as file:
            file.require_group("entry").attrs["NX_class"] = "NXentry"
            file[field], file[f"{field}_scaling_factor"] = raw, scaling
            for name, values in beside.items():
                file[name.replace("__", "/").replace("counts", field)] = values
        text = run("create", tmp_path / "v.h5", "--raw", tmp_path / "s.nxs", "--overwrite", *extra)
        with h5py.File(tmp_path / "v.h5") as file:
            return raw, text, file[field][()]

    return make


def check(found, raw, masked, factor=2.0):
    expected = np.where(masked, np.nan, raw.astype("f4") * np.asarray(factor, "f4"))
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    "where", ["counts_mask", f"{DETECTOR}/pixel_mask", "entry/data/pixel_mask"]
)
@pytest.mark.parametrize("per_frame", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u4", "i8", "bool"])
@pytest.mark.parametrize("scaling", ["number", "per frame", "map"])
def test_one_mask(made, rng, where, per_frame, dtype, scaling):
    mask = (rng.random(SHAPE if per_frame else SHAPE[1:]) < 0.2).astype(dtype)
    factor = {"number": np.float64(2), "per frame": np.arange(1.0, 4), "map": np.full((6, 8), 3.0)}
    raw, text, found = made(scaling=factor[scaling], **{where.replace("/", "__"): mask})
    by_frame = factor[scaling].reshape(3, 1, 1) if scaling == "per frame" else factor[scaling]
    check(found, raw, mask != 0, by_frame)
    assert f"pixel_mask /{where.replace('counts', 'entry/data/counts')}" in text


@pytest.mark.parametrize("per_frame", [(False, False), (True, False), (False, True), (True, True)])
def test_both_masks(made, rng, per_frame):
    own, pixels = ((rng.random(SHAPE if p else SHAPE[1:]) < 0.2).astype("u4") for p in per_frame)
    both = {"counts_mask": own, "entry__instrument__detector__pixel_mask": pixels << 3}
    raw, text, found = made(**both)
    check(found, raw, (own != 0) | (pixels != 0))
    assert "as its bit 30" in text
    raw, _, found = made(**both, extra=("--option", f"mask_bits={1 << 30}"))
    check(found, raw, np.broadcast_to(own != 0, SHAPE))
    raw, _, found = made(**both, extra=("--option", "mask_bits=8"))
    check(found, raw, np.broadcast_to(pixels != 0, SHAPE))


def test_a_mask_of_another_shape(made):
    with pytest.raises(AssertionError, match=r"counts_mask of shape \(5, 8\) for data of shape"):
        made(counts_mask=np.zeros((5, 8)))
    with pytest.raises(AssertionError, match=r"counts_mask of shape \(2, 6, 8\) for data of shape"):
        made(counts_mask=np.zeros((2, 6, 8)))


@pytest.mark.parametrize(
    ("dtype", "name", "limit", "missing"),
    [
        ("u2", "saturation_value", 65534, [65535]),
        ("u2", "saturation_value", 65535, []),
        ("u1", "saturation_value", 250, [251, 252, 253, 254, 255]),
        ("u4", "saturation_value", 2**32 - 2, [2**32 - 1]),
        ("u2", "underload_value", 2, [0, 1]),
        ("u2", "underload_value", 0, []),
        ("i1", "underload_value", -126, [-128, -127]),
    ],
)
def test_values_out_of_range(made, dtype, name, limit, missing):
    raw = np.full(SHAPE, 77, dtype)
    raw.ravel()[: len(missing)] = missing
    raw.ravel()[len(missing) : len(missing) + 2] = limit
    raw, text, found = made(raw=raw, **{f"entry__instrument__detector__{name}": limit})
    check(found, raw, np.isin(raw, missing))
    assert (f"missing values: raw {missing}, {name} is {limit}" in text) == bool(missing)


@pytest.mark.parametrize(
    ("dtype", "name", "limit"),
    [
        ("u2", "saturation_value", 60000),
        ("i4", "underload_value", 0),
        ("f4", "saturation_value", 9),
    ],
)
def test_a_range_that_is_not_applied_is_said(made, dtype, name, limit):
    raw, text, found = made(dtype, **{f"entry__instrument__detector__{name}": limit})
    check(found, raw, False)
    assert f"{name} {limit} (/{DETECTOR}/{name}) is not applied" in text


@pytest.mark.parametrize("kind", ["soft", "external", "soft to external", "group", "file"])
def test_a_field_behind_links(tmp_path, rng, monkeypatch, kind):
    raw = rng.integers(0, 90, SHAPE).astype("u2")
    (tmp_path / "store").mkdir()
    with h5py.File(tmp_path / "store/raw.h5", "w") as file:
        file["x/data"] = raw
        file["x/data_scaling_factor"] = 2.0
        file["x/data_mask"] = np.eye(6, 8, dtype="u1")
    with h5py.File(tmp_path / "scan.nxs", "w") as file:
        file.require_group("entry").attrs["NX_class"] = "NXentry"
        far = h5py.ExternalLink("store/raw.h5", "/x/data")
        if kind == "group":
            file["entry/data"] = h5py.ExternalLink("store/raw.h5", "/x")
        elif kind == "file":
            file["all"] = h5py.ExternalLink("store/raw.h5", "/")
            file["entry/data"] = h5py.SoftLink("/all/x")
        else:
            if kind == "soft":
                file["entry/instrument/detector/data"] = raw
            else:
                file["entry/instrument/detector/data"] = far
            link = far if kind == "external" else h5py.SoftLink("/entry/instrument/detector/data")
            file["entry/data/data"] = link
            file["entry/data/data_scaling_factor"] = 2.0
            file["entry/data/data_mask"] = np.eye(6, 8, dtype="u1")
    which = "/all/x/data" if kind == "file" else "/entry/data/data"
    run("create", tmp_path / "v.h5", "--raw", tmp_path / "scan.nxs", "--detector", which)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with h5py.File("../v.h5") as file:
        check(file[which][()], raw, np.eye(6, 8, dtype="u1") != 0)
