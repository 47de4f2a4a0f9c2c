"""Which file is being read: found by identity, never by guess."""

import os
import shutil

import h5calib
import h5py
import numpy as np
import pytest
from support import make_single, make_view, same


def test_view_over_external_raw(view):
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][...], view.values)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_one_file(tmp_path, detector, libver):
    with h5py.File(make_single(tmp_path / "one.h5", detector, libver=libver)) as f:
        assert same(f["calibrated"][...], detector.values)


def test_two_equal_copies_open_at_once(tmp_path, detector):
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(one) as f, h5py.File(two) as g:
        assert same(f["calibrated"][...], detector.values)
        assert same(g["calibrated"][...], detector.values)


def test_an_edited_copy_is_not_mixed_up(tmp_path, detector):
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(two, "r+") as f:
        f["raw"][3] = 100
    with h5py.File(one) as f, h5py.File(two) as g:
        for file in (f, g):
            assert same(file["calibrated"][0:2], detector.values[0:2])  # equal in both
            with pytest.raises(OSError, match=r"one\.h5.*two\.h5.*new-identity|two\.h5.*one\.h5"):
                file["calibrated"][3]
    with h5py.File(two) as g:  # alone it is certain again
        edited = detector.raw.copy()
        edited[3] = 100
        assert same(g["calibrated"][3], (np.float32(100) - detector.pedestal[0]) / detector.gain[0])


@pytest.mark.parametrize("how", ["next", "after a device", "after a file"])
def test_an_edited_copy_opened_between_chunks(tmp_path, detector, how):
    """The list of open files is not made anew where nothing can have been opened: here it was,
    also under the number of a descriptor that was another thing before."""
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(two, "r+") as f:
        f["raw"][3] = 100
    before = os.open(os.devnull if how == "after a device" else __file__, os.O_RDONLY)
    with h5py.File(one) as f:
        for i in (0, 1, 0):
            assert same(f["calibrated"][i], detector.values[i])
        if how != "next":
            os.close(before)
        with h5py.File(two), pytest.raises(OSError, match="new-identity"):
            f["calibrated"][3]
        assert same(f["calibrated"][3], detector.values[3])
        with h5py.File(two) as g, pytest.raises(OSError, match="new-identity"):
            g["calibrated"][3]
    if how == "next":
        os.close(before)


def test_copies_one_after_the_other(tmp_path, detector):
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(two, "r+") as f:
        f["raw"][...] = 7
    seven = np.broadcast_to(
        (np.float32(7) - detector.pedestal[0]) / detector.gain[0], detector.shape
    )
    for _ in range(3):
        with h5py.File(one) as f:
            assert same(f["calibrated"][...], detector.values)
        with h5py.File(two) as f:
            assert same(f["calibrated"][...], seven)


def test_new_identity_separates_an_edited_copy(tmp_path, detector):
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(two, "r+") as f:
        f["raw"][...] = 7
    h5calib.new_identity(two)
    with h5py.File(one) as f, h5py.File(two) as g:
        assert same(f["calibrated"][...], detector.values)
        assert same(g["calibrated"][0], (np.float32(7) - detector.pedestal[0]) / detector.gain[0])


def test_dataset_copied_into_another_file(tmp_path, detector):
    """With the same paths there: the original's numbers or an error, never the other raw data."""
    one = make_single(tmp_path / "one.h5", detector)
    with h5py.File(one) as f, h5py.File(tmp_path / "other.h5", "w") as g:
        g["raw"] = np.zeros_like(detector.raw)
        g["pedestal"] = np.zeros_like(detector.pedestal)
        f.copy("calibrated", g)
        assert same(g["calibrated"][...], detector.values)
    with (
        h5py.File(tmp_path / "other.h5") as g,
        pytest.raises(OSError, match="no open file carries the identity"),
    ):
        g["calibrated"][...]


def test_dataset_copied_into_another_view(tmp_path, detector):
    """The other file has an identity, but not this one."""
    one = make_single(tmp_path / "one.h5", detector)
    two = make_single(tmp_path / "two.h5", detector)
    with h5py.File(one) as f, h5py.File(two, "r+") as g:
        f.copy("calibrated", g, "copy")
    with h5py.File(two) as g, pytest.raises(OSError, match="no open file carries the identity"):
        g["copy"][...]


def test_renamed_and_copied_within_the_file(tmp_path, detector):
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path, "r+") as f:
        f.copy("calibrated", "entry/copy")
        f.move("calibrated", "entry/renamed")
    with h5py.File(path) as f:
        assert same(f["entry/renamed"][...], detector.values)
        assert same(f["entry/copy"][...], detector.values)


def test_file_closed_but_dataset_alive(view):
    fapl = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    fapl.set_fclose_degree(h5py.h5f.CLOSE_WEAK)
    fid = h5py.h5f.open(bytes(view.path), h5py.h5f.ACC_RDONLY, fapl)
    dataset = h5py.h5d.open(fid, b"calibrated")
    fid.close()
    out = np.empty(view.shape, "f4")
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, out)
    assert same(out, view.values)


def test_file_renamed_while_open(view):
    with h5py.File(view.path) as f:
        view.path.rename(view.folder / "renamed.h5")
        assert same(f["calibrated"][...], view.values)


def test_file_deleted_while_open(tmp_path, detector):
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path) as f:
        path.unlink()
        assert same(f["calibrated"][...], detector.values)


def test_through_an_external_link(tmp_path, view):
    with h5py.File(tmp_path / "top.h5", "w") as f:
        f["link"] = h5py.ExternalLink("view.h5", "/calibrated")
    with h5py.File(tmp_path / "top.h5") as f:
        assert same(f["link"][...], view.values)


def virtual(path, sources, shape):
    layout = h5py.VirtualLayout(shape=(len(sources), *shape), dtype="f4")
    for i, (file, dataset) in enumerate(sources):
        layout[i] = h5py.VirtualSource(file, dataset, shape=shape)
    with h5py.File(path, "w") as f:
        f.create_virtual_dataset("all", layout)
    return path


def test_virtual_dataset_over_calibrated_ones(tmp_path, detector):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_single(tmp_path / name / "m.h5", detector)
    sources = [("a/m.h5", "calibrated"), ("b/m.h5", "calibrated")]
    top = virtual(tmp_path / "top.h5", sources, detector.shape)
    with h5py.File(top) as f:
        assert f["all"][1, 2, 3, 4] == detector.values[2, 3, 4]
        assert same(f["all"][...], np.stack([detector.values] * 2))


def test_nested_virtual_datasets_after_moving_the_folder(tmp_path, detector):
    work = tmp_path / "here"
    work.mkdir()
    make_view(work, detector)
    virtual(work / "inner.h5", [("view.h5", "calibrated")] * 2, detector.shape)
    virtual(work / "outer.h5", [("inner.h5", "all")], (2, *detector.shape))
    work.rename(tmp_path / "there")
    with h5py.File(tmp_path / "there" / "outer.h5") as f:
        assert f["all"][0, 1, 2, 3, 4] == detector.values[2, 3, 4]
        assert same(f["all"][0, 0], detector.values)


def test_the_folder_of_another_process_is_never_searched(tmp_path, detector, monkeypatch):
    """A raw file that moved is an error even if the current folder has one of that name."""
    (tmp_path / "view").mkdir()
    paths = make_view(tmp_path / "view", detector)
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    with h5py.File(decoy / "raw.h5", "w") as f:
        f["data/raw"] = np.zeros_like(detector.raw)
    paths.raw_path.unlink()
    monkeypatch.chdir(decoy)
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(decoy))
    with (
        h5py.File(paths.path) as f,
        pytest.raises(OSError, match=r"looked for its file at '.*/view/raw.h5'"),
    ):
        f["calibrated"][0]


def test_in_memory_files(detector):
    """Drivers without a descriptor: the core driver."""
    with h5py.File("nowhere.h5", "w", driver="core", backing_store=False) as f:
        f["raw"] = detector.raw
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration
        )
        assert same(f["calibrated"][...], detector.values)
        f["raw"][0] = 7
        assert same(f["calibrated"][0], (np.float32(7) - detector.pedestal[0]) / detector.gain[0])


def test_python_file_objects(tmp_path, detector):
    import io

    content = make_single(tmp_path / "one.h5", detector).read_bytes()
    with h5py.File(io.BytesIO(content)) as f:
        assert same(f["calibrated"][...], detector.values)
