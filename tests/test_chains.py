"""Calibrated datasets made of calibrated datasets, and those that would be made of themselves."""

import ctypes
import time

import h5calib
import h5py
import numpy as np
import pytest
from support import make_single, make_view, same


def shifted(values, by):
    return values - np.float32(by)


def minus(by, shape=(16, 24)):
    return h5calib.Pedestal(pedestal=np.full(shape, by, "f4"))


def test_chain_in_one_file(tmp_path, detector):
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path, "r+") as f:
        h5calib.create_calibrated_dataset(
            f, "second", raw="calibrated", calibration=minus(1), chunks=(5, 16, 24)
        )
        h5calib.create_calibrated_dataset(
            f, "third", raw="second", calibration=minus(2), chunks=(1, 16, 24)
        )
        assert same(f["third"][3], shifted(shifted(detector.values[3], 1), 2))
    with h5py.File(path) as f:
        assert f["third"][2, 3, 4] == shifted(shifted(detector.values[2, 3, 4], 1), 2)
        assert same(f["third"][...], shifted(shifted(detector.values, 1), 2))


def test_chain_over_files(tmp_path, detector):
    paths = make_view(tmp_path, detector)
    with h5py.File(tmp_path / "second.h5", "w") as f:
        h5calib.create_calibrated_dataset(
            f, "second", raw=f"{paths.path}:/calibrated", calibration=minus(1)
        )
    for _ in range(2):
        with h5py.File(tmp_path / "second.h5") as f:
            assert same(f["second"][...], shifted(detector.values, 1))
            with h5py.File(paths.path) as g:
                assert same(g["calibrated"][1], detector.values[1])
                assert same(f["second"][2], shifted(detector.values[2], 1))


def test_chunks_prepared_ahead_of_a_chain(tmp_path, rng, monkeypatch):
    """Reading one chunk of the outer dataset prepares the next of the inner one, of a number that
    the outer one has as well."""
    monkeypatch.setenv("H5CALIB_NUM_THREADS", "2")
    raw = rng.integers(0, 1000, (30, 200, 200), dtype="u2")
    with h5py.File(tmp_path / "one.h5", "w") as f:
        f["raw"] = raw
        for name, source, frames in (("inner", "raw", 1), ("outer", "inner", 3)):
            h5calib.create_calibrated_dataset(
                f,
                name,
                raw=source,
                calibration=minus(1, (200, 200)),
                chunks=(frames, 200, 200),
            )
    time.sleep(0.1)  # what was set up from a file is kept if that is not so young
    for first in range(2):
        with h5py.File(tmp_path / "one.h5", rdcc_nbytes=0) as f:
            for chunk in (first, 3 * first + 3, 3 * first + 4, first + 1):
                frames = slice(3 * chunk, 3 * chunk + 3)
                assert same(f["outer"][frames], raw[frames].astype("f4") - 2)
            assert same(f["inner"][3 * first : 3 * first + 5],
                        raw[3 * first : 3 * first + 5].astype("f4") - 1)  # fmt: skip


def relink(file, dataset, target):
    """Point the raw link of a calibrated dataset elsewhere, as a careless user could."""
    for group in file["h5calib"].values():
        if group["dataset"] == dataset:
            del group["raw"]
            group["raw"] = h5py.SoftLink(target)
            return
    raise AssertionError("not a calibrated dataset")


def two(path, detector):
    """`a` and `b`, both float32 over `raw`."""
    with h5py.File(path, "w") as f:
        f["raw"] = detector.raw.astype("f4")
        for name in "ab":
            h5calib.create_calibrated_dataset(
                f, name, raw="raw", calibration=minus(1), chunks=(2, 16, 24)
            )
    return path


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_its_own_raw_data(tmp_path, detector, libver):
    path = two(tmp_path / "two.h5", detector)
    with h5py.File(path, "r+", libver=libver) as f:
        relink(f, f["a"], "/a")
    for mode in ("r", "r+"):
        with h5py.File(path, mode) as f:
            for selection in (np.s_[2, 3, 4], np.s_[...]):
                with pytest.raises(OSError, match="computed from itself"):
                    f["a"][selection]
            assert same(f["b"][...], shifted(detector.raw.astype("f4"), 1))


def test_its_own_raw_data_through_another(tmp_path, detector):
    path = two(tmp_path / "two.h5", detector)
    with h5py.File(path, "r+") as f:
        relink(f, f["a"], "/b")
        relink(f, f["b"], "/a")
    with h5py.File(path) as f:
        for name in "ab":
            with pytest.raises(OSError, match="computed from itself"):
                f[name][1]


def test_its_own_raw_data_through_a_virtual_dataset(tmp_path, detector):
    path = two(tmp_path / "two.h5", detector)
    layout = h5py.VirtualLayout(shape=detector.shape, dtype="f4")
    layout[...] = h5py.VirtualSource(".", "a", shape=detector.shape)
    with h5py.File(path, "r+") as f:
        f.create_virtual_dataset("v", layout)
        relink(f, f["a"], "/v")
    with h5py.File(path) as f:
        for name in "av":
            with pytest.raises(OSError, match=r"computed from itself|Can't|can't"):
                f[name][1]


def test_too_long_a_chain_is_an_error(tmp_path, detector):
    with h5py.File(tmp_path / "long.h5", "w") as f:
        f["0"] = detector.raw.astype("f4")
        for i in range(20):
            h5calib.create_calibrated_dataset(f, str(i + 1), raw=str(i), calibration=minus(1))
    with h5py.File(tmp_path / "long.h5") as f:
        with pytest.raises(OSError, match="computed from one another"):
            f["20"][0]
        expected = detector.raw.astype("f4")
        for _ in range(10):
            expected = shifted(expected, 1)
        assert same(f["10"][...], expected)


def read_multi():
    try:
        function = ctypes.CDLL(h5py.defs.__file__).H5Dread_multi
    except AttributeError:
        return None
    hids = ctypes.POINTER(ctypes.c_int64)
    function.argtypes = (ctypes.c_size_t, hids, hids, hids, hids, ctypes.c_int64, ctypes.c_void_p)
    return function


@pytest.mark.skipif(read_multi() is None, reason="H5Dread_multi came with HDF5 1.14")
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize(
    "order", [["raw", "calibrated", "pedestal"], ["calibrated", "pedestal", "raw"]]
)
def test_read_multi_over_raw_and_calibrated(tmp_path, detector, mode, libver, order):
    """One call over a calibrated dataset and what it is made of."""
    path = make_single(tmp_path / "one.h5", detector, libver=libver, chunks=(2, 16, 24))
    kinds = {
        "raw": (detector.raw, h5py.h5t.NATIVE_UINT16),
        "calibrated": (detector.values, h5py.h5t.NATIVE_FLOAT),
        "pedestal": (detector.pedestal, h5py.h5t.NATIVE_FLOAT),
    }
    with h5py.File(path, mode) as f:
        datasets = [f[name] for name in order]
        ids = (ctypes.c_int64 * 3)(*(dataset.id.id for dataset in datasets))
        types = (ctypes.c_int64 * 3)(*(kinds[name][1].id for name in order))
        everything = (ctypes.c_int64 * 3)(0, 0, 0)
        out = [np.zeros_like(kinds[name][0]) for name in order]
        pointers = (ctypes.c_void_p * 3)(*(a.ctypes.data for a in out))
        for _ in range(3):
            assert (
                read_multi()(
                    3, ids, types, everything, everything, 0, ctypes.cast(pointers, ctypes.c_void_p)
                )
                == 0
            )
            for name, got in zip(order, out, strict=True):
                assert same(got, kinds[name][0])
                got[...] = 0
