"""H5CALIB_EXTERNAL: which other files a file may lead to, by every way that leads to one."""

import os
import shutil

import forged
import h5calib
import h5py
import numpy as np
import pytest

WAYS = ["raw", "constants", "virtual", "nested virtual", "storage"]
NUMBERS = np.full((3, 4, 5), 7, "u2")


def build(way, folder, other):
    """folder/v.h5, of which one thing lies in the folder `other`."""
    folder.mkdir()
    other.mkdir(exist_ok=True)
    pedestal = np.ones((4, 5), "f4")
    raw = "raw"
    with h5py.File(folder / "v.h5", "w", libver="latest") as f:
        if way == "raw":
            with h5py.File(other / "other.h5", "w") as g:
                g["raw"] = NUMBERS
            raw = f"{other / 'other.h5'}:/raw"
        elif "virtual" in way:
            with h5py.File(other / "other.h5", "w") as g:
                g["raw"] = NUMBERS
            layout = h5py.VirtualLayout(NUMBERS.shape, "u2")
            layout[...] = h5py.VirtualSource(other / "other.h5", "raw", NUMBERS.shape)
            f.create_virtual_dataset("inner" if "nested" in way else "raw", layout)
            if "nested" in way:
                layout = h5py.VirtualLayout(NUMBERS.shape, "u2")
                layout[...] = h5py.VirtualSource(f["inner"])
                f.create_virtual_dataset("raw", layout)
        elif way == "storage":
            (other / "other.bin").write_bytes(NUMBERS.tobytes())
            external = [(os.fsencode(other / "other.bin"), 0, h5py.h5f.UNLIMITED)]
            f.create_dataset("raw", NUMBERS.shape, "u2", external=external)
        else:
            f["raw"] = NUMBERS
        if way == "constants":
            with h5py.File(other / "other.h5", "w") as g:
                g["pedestal"] = pedestal
            pedestal = f"{other / 'other.h5'}:/pedestal"
        h5calib.create_calibrated_dataset(f, "calibrated", raw, h5calib.Pedestal(pedestal))
    forged.settle()
    return folder / "v.h5"


def read(path):
    with h5py.File(path) as f:
        first = f["calibrated"][...]
        assert np.array_equal(first, h5calib.read(f["calibrated"], np.s_[:]))
        return first


def allowed(path):
    assert (read(path) == 6).all()


def refused(path, match="which H5CALIB_EXTERNAL=.* does not allow"):
    with pytest.raises(OSError, match=match):
        read(path)


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.mark.parametrize("policy", [None, "", "any"])
def test_any(tmp_path, way, policy, monkeypatch):
    path = build(way, tmp_path / "view", tmp_path / "elsewhere")
    if policy is not None:
        monkeypatch.setenv("H5CALIB_EXTERNAL", policy)
    allowed(path)


def test_none(tmp_path, way, monkeypatch):
    path = build(way, tmp_path / "view", tmp_path / "other")
    monkeypatch.setenv("H5CALIB_EXTERNAL", "none")
    refused(path)


def test_below(tmp_path, way, monkeypatch):
    outside = build(way, tmp_path / "view", tmp_path / "view2")
    inside = build(way, tmp_path / "second", tmp_path / "second")
    monkeypatch.setenv("H5CALIB_EXTERNAL", "below")
    refused(outside)
    if way == "storage":  # whose files are not looked at
        refused(inside)
    else:
        allowed(inside)


def test_a_link_out_of_the_folder_is_followed_first(tmp_path, monkeypatch):
    path = build("raw", tmp_path / "view", tmp_path / "view")
    outside = tmp_path / "outside.h5"
    shutil.move(tmp_path / "view/other.h5", outside)
    (tmp_path / "view/other.h5").symlink_to(outside)
    allowed(path)
    monkeypatch.setenv("H5CALIB_EXTERNAL", "below")
    refused(path.rename(tmp_path / "view/again.h5"))


def test_folders(tmp_path, monkeypatch):
    path = build("raw", tmp_path / "view", tmp_path / "data")
    other = build("raw", tmp_path / "view2", tmp_path / "data-of-others")
    folders = os.pathsep.join([str(tmp_path / "nowhere"), f"{tmp_path / 'data'}/"])
    monkeypatch.setenv("H5CALIB_EXTERNAL", folders)
    allowed(path)
    refused(other)  # begins with the same letters


@pytest.mark.parametrize("policy", ["nothing", "data", "/data:data", "../data"])
def test_what_is_no_policy(tmp_path, policy, monkeypatch):
    path = build("raw", tmp_path / "view", tmp_path / "data")
    monkeypatch.setenv("H5CALIB_EXTERNAL", policy.replace(":", os.pathsep))
    refused(path, "H5CALIB_EXTERNAL is '.*': it must be any, below, none or absolute folders")
