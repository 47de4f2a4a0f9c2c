"""Chunks, selections, raw storage and dtypes: the numbers are those of the rule."""

import h5calib
import h5py
import hdf5plugin
import numpy as np
import pytest
from support import same


def build(path, raw, calibration, *, chunks=None, dtype="f4", **raw_options):
    with h5py.File(path, "w") as f:
        f.create_dataset("raw", data=raw, **raw_options)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=calibration, chunks=chunks, dtype=dtype
        )
    return path


@pytest.mark.parametrize(
    "chunks",
    [(1, 16, 24), (5, 16, 24), (12, 16, 24), (1, 5, 24), (1, 7, 11), (4, 3, 24), (1, 1, 1), None],
)
def test_chunks_and_selections(tmp_path, detector, chunks, rng):
    path = build(tmp_path / "v.h5", detector.raw, detector.calibration, chunks=chunks)
    selections = [
        np.s_[2, 3, 4],
        np.s_[...],
        np.s_[0],
        np.s_[11, 15, 23],
        np.s_[::3, 1:9:2, 5],
        np.s_[4:7, :, -1],
        np.s_[[1, 5, 6]],
        np.s_[-1, ::-1] if False else np.s_[-1],
    ]
    for selection in selections:  # each the first read of a fresh file
        with h5py.File(path) as f:
            assert same(f["calibrated"][selection], detector.values[selection])
    with h5py.File(path) as f:
        for i in rng.permutation(12):
            assert same(f["calibrated"][i], detector.values[i])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (2, 1, 5), (2, 5, 1), (1, 2)])
def test_no_minimum_size(tmp_path, shape):
    raw = np.arange(np.prod(shape), dtype="u2").reshape(shape)
    calibration = h5calib.Pedestal(pedestal=np.full(shape[-2:], 0.5, "f4"))
    with h5py.File(build(tmp_path / "v.h5", raw, calibration)) as f:
        assert same(f["calibrated"][...], raw.astype("f4") - np.float32(0.5))


def test_frame_axes_beyond_one(tmp_path, rng):
    raw = rng.integers(0, 1000, (3, 4, 6, 8), dtype="u2")
    pedestal = rng.uniform(0, 10, (6, 8)).astype("f4")
    for chunks in [(1, 1, 6, 8), (2, 3, 6, 8), (2, 3, 4, 5)]:
        path = build(tmp_path / "v.h5", raw, h5calib.Pedestal(pedestal=pedestal), chunks=chunks)
        with h5py.File(path) as f:
            assert f["calibrated"][2, 3, 5, 7] == np.float32(raw[2, 3, 5, 7]) - pedestal[5, 7]
            assert same(f["calibrated"][...], raw.astype("f4") - pedestal)


RAW_STORAGE = {
    "contiguous": {},
    "chunked": {"chunks": (1, 16, 24)},
    "chunks across frames": {"chunks": (5, 7, 10)},
    "gzip": {"chunks": (2, 16, 24), "compression": "gzip"},
    "lzf, shuffle": {"chunks": (2, 16, 24), "compression": "lzf", "shuffle": True},
    "fletcher32": {"chunks": (2, 16, 24), "fletcher32": True},
    "bitshuffle": {"chunks": (1, 16, 24), **hdf5plugin.Bitshuffle()},
    "blosc2": {"chunks": (1, 16, 24), **hdf5plugin.Blosc2()},
    "zstd": {"chunks": (1, 16, 24), **hdf5plugin.Zstd()},
}


@pytest.mark.parametrize("storage", RAW_STORAGE)
def test_raw_storage(tmp_path, detector, storage):
    path = build(tmp_path / "v.h5", detector.raw, detector.calibration, **RAW_STORAGE[storage])
    with h5py.File(path) as f:
        assert f["calibrated"][2, 3, 4] == detector.values[2, 3, 4]
        assert same(f["calibrated"][...], detector.values)


def test_raw_in_an_external_binary_file(tmp_path, detector):
    (tmp_path / "raw.bin").write_bytes(detector.raw.tobytes())
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f.create_dataset(
            "raw",
            detector.shape,
            "u2",
            external=[(str(tmp_path / "raw.bin"), 0, h5py.h5f.UNLIMITED)],
        )
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration
        )
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["calibrated"][...], detector.values)


def test_big_endian_raw(tmp_path, detector):
    path = build(tmp_path / "v.h5", detector.raw.astype(">u2"), detector.calibration)
    with h5py.File(path) as f:
        assert same(f["calibrated"][...], detector.values)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_dtypes(tmp_path, rng, kind, dtype):
    raw = rng.integers(0, 100, (3, 4, 5)).astype(kind)
    pedestal = rng.uniform(0, 10, (4, 5))
    path = build(tmp_path / "v.h5", raw, h5calib.Pedestal(pedestal=pedestal), dtype=dtype)
    with h5py.File(path) as f:
        assert f["calibrated"].dtype == dtype
        assert same(f["calibrated"][...], raw.astype(dtype) - pedestal.astype(dtype))


def test_frame_selection(tmp_path, detector):
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = detector.raw
        frames = [7, 0, 3, 4, 5, 5, 11]
        h5calib.create_calibrated_dataset(
            f,
            "calibrated",
            raw="raw",
            calibration=detector.calibration,
            frames=frames,
            chunks=(3, 16, 24),
        )
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["calibrated"][...], detector.values[frames])


def test_cells(tmp_path, rng):
    """Constants of the cell that cell_ids names, not of the frame's number."""
    raw = rng.integers(0, 1000, (9, 4, 6), dtype="u2")
    pedestal = rng.uniform(0, 10, (5, 4, 6)).astype("f4")
    cell_ids = np.array([4, 4, 0, 1, 3, 3, 2, 0, 4], "u2")
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = raw
        f["cellId"] = cell_ids[:, None]
        calibration = h5calib.CellPedestal(pedestal=pedestal)
        for name, ids in (("array", cell_ids), ("linked", f["cellId"])):
            h5calib.create_calibrated_dataset(
                f, name, raw="raw", calibration=calibration, cell_ids=ids, chunks=(2, 4, 6)
            )
    with h5py.File(tmp_path / "v.h5") as f:
        for name in ("array", "linked"):
            assert same(f[name][...], raw.astype("f4") - pedestal[cell_ids])
