"""Numbers from a file whose products wrap around, or that ask for more memory than is allowed."""

import ctypes

import forged
import h5calib
import h5py
import hdf5plugin
import numpy as np
import pytest
from h5calib.reading import direct

TWO_64 = 2**64


def refused(path, match, name="calibrated", selection=np.s_[0]):
    forged.settle()
    with h5py.File(path) as f, pytest.raises(OSError, match=match):
        f[name][selection]


@pytest.mark.parametrize(
    ("chunk", "match"),
    [
        # products of 2^64 + 16, 2^64, 2^32 + 4 and 5 * 2^30 elements
        ((16 * 17 * 241, 61681, 4562284561), "chunks of more bytes than memory can have"),
        ((2**22, 2**21, 2**21), "chunks of more bytes than memory can have"),
        ((2**40, 2**30, 1), "chunks of more bytes than memory can have"),
        ((1, 4, 2**30 + 1), "would take .* bytes, more than the 4294967296 that H5CALIB_MAX_BYTES"),
        ((5, 2**15, 2**15), "would take .* bytes, more than the 4294967296 that H5CALIB_MAX_BYTES"),
    ],
)
def test_chunks_of_calibrated_values(tmp_path, chunk, match):
    path = forged.make(tmp_path / "a.h5", (1, 1, 64))
    with h5py.File(path, "r+", libver="latest") as f:
        try:
            forged.with_words_of(f, "forged", (1, 1, 64), chunk, unlimited=True)
        except ValueError as error:  # older HDF5
            pytest.skip(f"this HDF5 makes no such chunks: {error}")
        home = forged.home_of(f)
        del home["dataset"]
        home["dataset"] = f["forged"]
    refused(path, match, "forged", np.s_[0, :1, :3])


@pytest.mark.parametrize("filters", ["bitshuffle", "deflate"])
@pytest.mark.parametrize("nx", [241, 17])
def test_raw_chunks(tmp_path, filters, nx):
    """Compressed raw chunks whose elements wrap to 16: the rest would be what lies behind them."""
    chunk = (16 * 17 * 241 * 61681 // nx, 4562284561, nx)
    assert chunk[0] * chunk[1] * chunk[2] % TWO_64 == 16
    path = forged.make(tmp_path / "a.h5", (1, 1, nx))
    options = {"bitshuffle": hdf5plugin.Bitshuffle(nelems=16, cname="lz4")}
    options = options.get(filters, {"compression": "gzip"})
    with h5py.File(path, "r+", libver="latest") as f:
        small = f.create_dataset("small", data=np.arange(16, dtype="u2"), chunks=(16,), **options)
        f.flush()
        number, _, values, _ = small.id.get_create_plist().get_filter(0)
        if number == 32008:
            values = values[3:]  # set_local puts its own before them
        del f["raw"]
        try:
            raw = forged.dataset(f, "raw", (1, 1, nx), chunk, "u2", [(number, values)], True)
        except ValueError as error:
            pytest.skip(f"this HDF5 makes no such chunks: {error}")
        raw.write_direct_chunk((0, 0, 0), small.id.read_direct_chunk((0,))[1])
    refused(path, "a compressed chunk would take more bytes than there are in any memory")


def test_rows_beyond_32_bits(tmp_path):
    """2^32 + 4 rows are not 4 rows."""
    path = tmp_path / "a.h5"
    ny, nx = 2**32 + 4, 4
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("raw", data=np.zeros((4, 4), "u2"), chunks=(4, 4))
        f["pedestal"] = np.arange(4, dtype="f4")
        pedestal = h5calib.Constant(f["pedestal"], axes="x")
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=h5calib.Pedestal(pedestal), chunks=(4, 4)
        )
    with h5py.File(path, "r+", libver="latest") as f:
        home = forged.home_of(f)
        forged.with_words_of(f, "forged", (ny, nx), (4096, 4))
        del f["raw"], home["dataset"]
        home["dataset"] = f["forged"]
        f.create_dataset("raw", shape=(ny, nx), dtype="u2", chunks=(4096, 4), fillvalue=5)
    refused(path, "frames or a shape of more bytes than memory can have", "forged", np.s_[:4])


def select_one_frame(path, n):
    """A view of frame `n - 3` of raw data that has n frames of one pixel."""
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("raw", data=np.zeros((2, 1, 1), "u1"), chunks=(1, 1, 1))
        h5calib.create_calibrated_dataset(
            *(f, "calibrated"),
            raw="raw",
            frames=[0],
            calibration=h5calib.Pedestal(pedestal=np.ones((1, 1), "f4")),
            chunks=(1, 1, 1),
        )
    with h5py.File(path, "r+", libver="latest") as f:
        del f["raw"]
        forged.dataset(f, "raw", (n, 1, 1), (1, 1, 1), "u1")
        forged.home_of(f)["frames"][...] = n - 3
    forged.settle()


@pytest.mark.parametrize("n", [2**40, 2**61 + 1, 2**62 + 2, 2**63 - 1])
def test_the_table_of_raw_chunks(tmp_path, n):
    """A table for so many would be of a few bytes; HDF5 finds the chunk."""
    select_one_frame(tmp_path / "a.h5", n)
    with h5py.File(tmp_path / "a.h5") as f:
        assert np.isnan(f["calibrated"][0])  # never written
        assert np.isnan(h5calib.read(f["calibrated"], np.s_[:]))


@pytest.mark.parametrize("name", ["frames", "cell_ids", "raw", "constants/pedestal"])
@pytest.mark.parametrize("extra", [2**61, 2**62, 2**60])
def test_lengths_of_what_a_dataset_is_made_of(tmp_path, name, extra):
    """Eight bytes each, or as stored: as many elements as wrap to a few bytes."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as f:
        f["raw"] = np.full((4, 2, 3), 7, "u2")
        h5calib.create_calibrated_dataset(
            *(f, "calibrated"),
            raw="raw",
            frames=[0, 1, 2],
            cell_ids=np.zeros(4, "u2"),
            calibration=h5calib.CellPedestal(pedestal=np.ones((2, 2, 3), "f4")),
            chunks=(1, 2, 3),
        )
    with h5py.File(path, "r+", libver="latest") as f:
        home = forged.home_of(f)
        old = home[name]
        shape = (old.shape[0] + extra, *old.shape[1:])
        forged.dataset(f, "forged", shape, (1, *old.shape[1:]), "u8" if old.ndim == 1 else "f4")
        del home[name]
        home[name] = f["forged"]
    refused(path, "bytes|does not fit|cell ids for|do not have the shape|no longer has the shape")


def test_the_bound(tmp_path, monkeypatch):
    path = forged.make(tmp_path / "a.h5", (4, 64, 128), chunks=(2, 64, 128))
    forged.settle()
    needed = 2 * 64 * 128 * (4 + 2) + 2 * 128  # values, raw data, and what is noted of frames
    monkeypatch.setenv("H5CALIB_MAX_BYTES", str(needed))
    with h5py.File(path) as f:
        assert (f["calibrated"][...] == 6).all()
    path = path.rename(tmp_path / "b.h5")  # or what was set up would be used again
    monkeypatch.setenv("H5CALIB_MAX_BYTES", str(needed - 1))
    refused(path, f"would take {needed} bytes, more than the {needed - 1} that H5CALIB_MAX_BYTES")


@pytest.mark.parametrize("text", ["-1", "4G", "0x10", "", " 5", "99999999999999999999", "0"])
def test_a_bound_that_is_no_number(tmp_path, monkeypatch, text):
    path = forged.make(tmp_path / "a.h5")
    monkeypatch.setenv("H5CALIB_MAX_BYTES", text)
    forged.settle()
    if not text:
        with h5py.File(path) as f:
            assert (f["calibrated"][0] == 6).all()
    else:
        refused(path, f"H5CALIB_MAX_BYTES is '{text}': it must be a number of bytes")


def read_box(dataset, start, count, out):
    """The plugin's exported function, which takes any numbers."""
    extent = ctypes.c_uint64 * len(start)
    message = ctypes.create_string_buffer(1024)
    with h5py._objects.phil:
        failed = direct._read_function()(
            *(direct._any_hdf5_function(), dataset.id.id, len(start)),
            *(extent(*start), extent(*count), out.ctypes.data, 0, 1, None, None),
            *(message, len(message)),
        )
    return message.value.decode() if failed else None


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("start", "count"), [(0, 9), (9, 1), (2**63, 1), (1, TWO_64 - 1), (TWO_64 - 1, 2), (2, 2**61)]
)
@pytest.mark.parametrize("frames", [None, [0, 2, 1]])
def test_selections_beyond_the_dataset(tmp_path, frames, axis, start, count, monkeypatch):
    """Of the exported function: nothing is looked up for frames that are none."""
    monkeypatch.setenv("H5CALIB_CACHE_BYTES", "100")  # so that cells are counted beforehand
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["raw"] = np.full((3, 2, 3), 7, "u2")
        h5calib.create_calibrated_dataset(
            *(f, "calibrated"),
            raw="raw",
            frames=frames,
            cell_ids=np.zeros(3, "u2"),
            calibration=h5calib.CellPedestal(pedestal=np.ones((4, 2, 3), "f4")),
        )
    forged.settle()
    with h5py.File(tmp_path / "a.h5") as f:
        out = np.zeros((3, 2, 3), "f4")
        assert read_box(f["calibrated"], [0, 0, 0], [3, 2, 3], out) is None
        assert (out == 6).all()
        first, n = [0, 0, 0], [1, 2, 3]
        first[axis], n[axis] = start, count
        assert "the selection lies outside the dataset" in read_box(f["calibrated"], first, n, out)
