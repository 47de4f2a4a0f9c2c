"""h5calib.read gives what h5py gives, bit for bit."""

import shutil
import threading

import h5calib
import h5py
import hdf5plugin
import numpy as np
import pytest
from support import make_single, make_view, same

SELECTIONS = [
    np.s_[...],
    np.s_[2],
    np.s_[2, 3, 4],
    np.s_[1:5, 3:9, 2:20],
    np.s_[::3, ::2, 1:20:4],
    np.s_[-1, -1],
    np.s_[[0, 3, 4, 5, 11]],
    np.s_[np.arange(12) % 3 == 0],
    np.s_[5:5],
    np.s_[..., 7],
    np.s_[4:, 2:7],
]


@pytest.mark.parametrize("chunks", [(1, 16, 24), (5, 16, 24), (1, 7, 11)])
@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"chunks": (1, 16, 24)},
        {"chunks": (5, 4, 24)},
        {"chunks": (5, 4, 7)},
        {"chunks": (3, 16, 24), "compression": "gzip"},
        {"chunks": (5, 16, 24), **hdf5plugin.Bitshuffle()},
        {"chunks": (1, 16, 24), **hdf5plugin.Zstd()},
    ],
)
def test_selections(tmp_path, detector, chunks, raw):
    with h5py.File(tmp_path / "one.h5", "w") as f:
        f.create_dataset("raw", data=detector.raw, **raw)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration, chunks=chunks
        )
    with h5py.File(tmp_path / "one.h5") as f:
        for selection in SELECTIONS:
            for threads in (1, 3):
                got = h5calib.read(f["calibrated"], selection, threads=threads)
                assert same(got, detector.values[selection])
                assert got.shape == detector.values[selection].shape


def test_into_an_array(view):
    out = np.full((4, 16, 24), 5, "f4")
    with h5py.File(view.path) as f:
        assert h5calib.read(f["calibrated"], np.s_[3:7], out=out) is out
        assert same(out, view.values[3:7])
        for bad in (
            np.empty((4, 16, 23), "f4"),
            np.empty((4, 16, 24), "f8"),
            np.empty((4, 16, 48), "f4")[:, :, ::2],
        ):
            with pytest.raises(ValueError, match="out"):
                h5calib.read(f["calibrated"], np.s_[3:7], out=bad)


def test_cells_and_frames(tmp_path, rng):
    raw = rng.integers(0, 1000, (40, 8, 6), dtype="u2")
    pedestal = rng.uniform(0, 10, (5, 8, 6)).astype("f2")
    cell_ids = rng.integers(0, 5, 40)
    frames = rng.permutation(40)[:23]
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f.create_dataset("raw", data=raw, chunks=(3, 8, 6))
        h5calib.create_calibrated_dataset(
            f,
            "v",
            raw="raw",
            calibration=h5calib.CellPedestal(pedestal=pedestal),
            cell_ids=cell_ids,
            frames=frames,
        )
    expected = (raw.astype("f4") - pedestal.astype("f4")[cell_ids])[frames]
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(h5calib.read(f["v"]), expected)
        assert same(f["v"][...], expected)


def test_a_cache_smaller_than_the_constants(tmp_path, rng, monkeypatch):
    raw = rng.integers(0, 1000, (60, 32, 32), dtype="u2")
    pedestal = rng.uniform(0, 10, (20, 32, 32)).astype("f4")
    cell_ids = np.arange(60) % 20
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = raw
        h5calib.create_calibrated_dataset(
            f,
            "v",
            raw="raw",
            calibration=h5calib.CellPedestal(pedestal=pedestal),
            cell_ids=cell_ids,
        )
    monkeypatch.setenv("H5CALIB_CACHE_BYTES", str(3 * 4096))
    with h5py.File(tmp_path / "v.h5") as f:
        expected = raw.astype("f4") - pedestal[cell_ids]
        assert same(h5calib.read(f["v"]), expected)
        assert same(f["v"][...], expected)


def test_among_byte_copies_the_very_file(tmp_path, detector):
    """Unlike the filter, a direct read knows its file."""
    one = make_single(tmp_path / "one.h5", detector)
    two = shutil.copy(one, tmp_path / "two.h5")
    with h5py.File(two, "r+") as f:
        f["raw"][...] = 7
    with h5py.File(one) as f, h5py.File(two) as g:
        assert same(h5calib.read(f["calibrated"]), detector.values)
        assert same(
            h5calib.read(g["calibrated"], 0),
            (np.float32(7) - detector.pedestal[0]) / detector.gain[0],
        )


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_never_stale(tmp_path, detector, libver):
    path = make_single(tmp_path / "one.h5", detector, libver=libver)
    with h5py.File(path, "r+") as f:
        for value in range(10):
            f["raw"][1] = value
            assert same(
                h5calib.read(f["calibrated"], 1),
                (np.float32(value) - detector.pedestal[0]) / detector.gain[0],
            )


@pytest.mark.parametrize("axis", [0, 1])
def test_virtual_dataset_over_modules(tmp_path, detector, axis):
    shape = (3, 12, 16, 24) if axis == 0 else (12, 3, 16, 24)
    layout = h5py.VirtualLayout(shape=shape, dtype="f4")
    for m in range(3):
        (tmp_path / str(m)).mkdir()
        make_view(tmp_path / str(m), detector)
        place = (m,) if axis == 0 else (slice(None), m)
        layout[place] = h5py.VirtualSource(f"{m}/view.h5", "calibrated", shape=(12, 16, 24))
    with h5py.File(tmp_path / "all.h5", "w") as f:
        f.create_virtual_dataset("all", layout)
    expected = np.stack([detector.values] * 3, axis)
    with h5py.File(tmp_path / "all.h5") as f:
        for selection in (
            np.s_[...],
            np.s_[1],
            np.s_[2:5, 1:],
            np.s_[1, 2, 3, 4],
            np.s_[:, :, 3:5, 2],
        ):
            assert same(h5calib.read(f["all"], selection), expected[selection])


def test_iterate(view):
    with h5py.File(view.path) as f:
        blocks = list(h5calib.iterate(f["calibrated"], frames=5))
    assert [where for where, _ in blocks] == [slice(0, 5), slice(5, 10), slice(10, 12)]
    assert same(np.concatenate([block for _, block in blocks]), view.values)


def test_threads(view):
    failures = []

    def work():
        for i in range(60):
            if not same(h5calib.read(f["calibrated"], i % 12), view.values[i % 12]):
                failures.append(i)
            if not same(f["calibrated"][i % 12], view.values[i % 12]):
                failures.append(i)

    with h5py.File(view.path) as f:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert not failures


def test_what_cannot_be_read(tmp_path, view):
    with h5py.File(tmp_path / "plain.h5", "w") as f:
        f["x"] = np.zeros((2, 2))
        with pytest.raises(h5calib.NotCalibratedError, match="not a calibrated dataset"):
            h5calib.read(f["x"])
    with h5py.File(view.path) as f, pytest.raises(IndexError):
        h5calib.read(f["calibrated"], 12)
    view.raw_path.unlink()
    with h5py.File(view.path) as f, pytest.raises(OSError, match="looked for its file"):
        h5calib.read(f["calibrated"])


@pytest.mark.parametrize("compression", [{}, hdf5plugin.Bitshuffle(), {"compression": "gzip"}])
def test_pairs_of_values(tmp_path, rng, compression):
    """AGIPD as on disk: signal and gain voltage in planes; several frames a raw chunk."""
    raw = rng.integers(0, 8000, (11, 2, 8, 6), dtype="u2")
    shape = (4, 3, 8, 6)
    constants = {
        "threshold": np.stack([np.full((4, 8, 6), v, "f4") for v in (2500, 5000)], 1),
        "pedestal": rng.uniform(0, 4000, shape).astype("f4"),
        "gain": rng.uniform(1, 40, shape).astype("f4"),
    }
    cells = rng.integers(0, 4, 11)
    calibration = h5calib.Agipd(**constants)
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f.create_dataset("raw", data=raw, chunks=(4, 2, 8, 6), **compression)
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=cells, chunks=(3, 8, 6)
        )
    stage = (raw[:, 1] > 2500).astype(int) + (raw[:, 1] > 5000)
    pedestal, gain = (
        np.take_along_axis(constants[name][cells], stage[:, None], 1)[:, 0]
        for name in ("pedestal", "gain")
    )
    expected = (raw[:, 0].astype("f4") - pedestal) / gain
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["v"][...], expected)
        assert same(h5calib.read(f["v"], threads=3), expected)
