"""Raw data compressed by bitshuffle-LZ4, which the plugin decodes itself; hdf5plugin writes it."""

import h5calib
import h5py
import hdf5plugin
import numpy as np
import pytest
from support import same

FRAMES, NY, NX = 9, 101, 87  # several blocks of 8 KB and a rest
DECODES = [
    {},
    {"nelems": 64},
    {"nelems": 65536},
    {"nelems": 1 << 20},  # left to HDF5's plugin
    {"cname": "none"},
    {"cname": "zstd"},
]


@pytest.fixture
def pedestal(rng):
    return rng.uniform(0, 100, (NY, NX)).astype("f4")


def frames_of(rng, kind, n=FRAMES):
    return (100 + 3 * rng.standard_normal((n, NY, NX))).astype(kind)


def make(path, raw, pedestal, frames_a_chunk=1, chunks=None, **options):
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset(
            "raw", data=raw, chunks=(frames_a_chunk, NY, NX), **hdf5plugin.Bitshuffle(**options)
        )
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=h5calib.Pedestal(pedestal=pedestal), chunks=chunks
        )
    return path


@pytest.mark.parametrize("options", DECODES, ids=str)
@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "f4", "f8"])
def test_every_kind(tmp_path, rng, pedestal, kind, options):
    raw = frames_of(rng, kind)
    path = make(tmp_path / "v.h5", raw, pedestal, **options)
    expected = raw.astype("f4") - pedestal
    with h5py.File(path) as f:
        assert same(f["v"][...], expected)
        for threads in (1, 2, 3):
            assert same(h5calib.read(f["v"], threads=threads), expected)


@pytest.mark.parametrize("frames_a_chunk", [1, 4])
@pytest.mark.parametrize("chunks", [(1, NY, NX), (3, NY, NX), (1, 10, NX), (2, 40, 30)])
def test_parts(tmp_path, rng, pedestal, frames_a_chunk, chunks):
    raw = frames_of(rng, "u2")
    path = make(tmp_path / "v.h5", raw, pedestal, frames_a_chunk, chunks)
    expected = raw.astype("f4") - pedestal
    with h5py.File(path) as f:
        for i in (8, 0, 5, 4, 3, 2, 1):
            assert same(f["v"][i], expected[i])
        for where in (np.s_[2:7, 30:60, 20:50], np.s_[:, 99:], np.s_[:, ::7], np.s_[3, 50]):
            assert same(f["v"][where], expected[where])
            assert same(h5calib.read(f["v"], where, threads=2), expected[where])


def test_chunk_stored_as_it_is(tmp_path, rng, pedestal):
    """HDF5 lets a writer leave a filter out for a chunk."""
    raw = frames_of(rng, "u2")
    path = make(tmp_path / "v.h5", raw, pedestal)
    raw[3] += 7
    with h5py.File(path, "r+") as f:
        f["raw"].id.write_direct_chunk((3, 0, 0), raw[3].tobytes(), filter_mask=1)
    with h5py.File(path) as f:
        assert same(f["v"][...], raw.astype("f4") - pedestal)
        assert same(h5calib.read(f["v"], threads=2), raw.astype("f4") - pedestal)


def spoil(data, how):
    """A chunk with something wrong that can be told from the chunk alone."""
    spoilt = bytearray(data)
    if how == "size":
        spoilt[7] ^= 1
    elif how == "block size":
        spoilt[8:12] = b"\0\0\0\0"
    elif how == "huge block":
        spoilt[8:12] = b"\x7f\xff\xff\xf8"
    elif how == "size of a block":
        spoilt[12:16] = b"\xff\xff\xff\xff"
    elif how == "cut":
        del spoilt[len(spoilt) // 2 :]
    elif how == "empty":
        del spoilt[1:]
    else:
        spoilt[16:] = b"\xff" * (len(spoilt) - 16)
    return bytes(spoilt)


@pytest.mark.parametrize(
    "how", ["size", "block size", "huge block", "size of a block", "cut", "empty", "rubbish"]
)
def test_damaged_chunk(tmp_path, rng, pedestal, how):
    raw = frames_of(rng, "u2")
    path = make(tmp_path / "v.h5", raw, pedestal, chunks=(1, NY, NX))
    with h5py.File(path, "r+") as f:
        data = f["raw"].id.read_direct_chunk((4, 0, 0))[1]
        f["raw"].id.write_direct_chunk((4, 0, 0), spoil(data, how))
    expected = raw.astype("f4") - pedestal
    with h5py.File(path) as f:
        assert same(f["v"][:4], expected[:4])
        for _ in range(2):
            with pytest.raises(OSError, match="a compressed chunk is damaged"):
                f["v"][3:6]
        with pytest.raises(OSError, match="a compressed chunk is damaged"):
            h5calib.read(f["v"], threads=2)
        assert same(f["v"][5:], expected[5:])


def test_any_damage_is_no_crash(tmp_path, rng, pedestal):
    """LZ4 has no check sum: wrong bytes may decode. They never make the program read or write
    elsewhere."""
    raw = frames_of(rng, "u2", 2)
    path = make(tmp_path / "v.h5", raw, pedestal, chunks=(1, NY, NX))
    with h5py.File(path) as f:
        data = f["raw"].id.read_direct_chunk((1, 0, 0))[1]
    for _ in range(200):
        spoilt = bytearray(data)
        for at in rng.integers(0, len(data), 5):
            spoilt[at] ^= int(rng.integers(1, 256))
        with h5py.File(path, "r+") as f:
            f["raw"].id.write_direct_chunk((1, 0, 0), bytes(spoilt))
        with h5py.File(path) as f:
            assert same(f["v"][0], raw[0].astype("f4") - pedestal)
            try:
                assert f["v"][1].shape == (NY, NX)
            except OSError as error:
                assert "a compressed chunk is damaged" in str(error)
