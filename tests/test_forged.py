"""Datasets that carry the filter parameters of another: no byte of this process is given away."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import forged
import h5calib
import h5py
import numpy as np
import pytest

OLD = Path(__file__).parent / "golden/version0.h5"
MATCH = "has chunks of another size or type: one of them is a forgery, or damaged"


@pytest.fixture
def path(tmp_path):
    return forged.make(tmp_path / "a.h5")


def forge(path, shape, chunk, dtype="f4", name="forged"):
    with h5py.File(path, "r+") as f:
        forged.with_words_of(f, name, shape, chunk, dtype)
    forged.settle()


SHAPES = [
    ((1, 512, 2048), (1, 512, 2048), "f4"),  # larger: what lies behind our memory
    ((4, 6, 9), (1, 6, 9), "f4"),
    ((4, 6, 8), (1, 6, 8), "f8"),
    ((4, 6, 8), (1, 6, 4), "f4"),  # smaller
    ((4, 6, 32), (1, 6, 32), "u1"),  # as many bytes, of another type
    ((4, 48), (1, 48), "i4"),
]


@pytest.mark.parametrize(("shape", "chunk", "dtype"), SHAPES)
@pytest.mark.parametrize("honest_is_open", [False, True])
def test_read_through_hdf5(path, shape, chunk, dtype, honest_is_open):
    forge(path, shape, chunk, dtype)
    with h5py.File(path) as f:
        honest = f["calibrated"] if honest_is_open else None
        if honest:
            assert (honest[0] == 6).all()
        with pytest.raises(OSError, match=MATCH):
            f["forged"][0]
    with h5py.File(path) as f:
        assert (f["calibrated"][...] == 6).all()


@pytest.mark.parametrize(("shape", "chunk", "dtype"), SHAPES[:5])
def test_read_directly(path, shape, chunk, dtype):
    forge(path, shape, chunk, dtype)
    with h5py.File(path) as f, pytest.raises(OSError, match=MATCH):
        h5calib.read(f["forged"], np.s_[:1, :6, :4])


@pytest.mark.parametrize("where", ["same file", "another file"])
def test_read_as_a_virtual_source(path, tmp_path, where):
    """HDF5 opens it under no id."""
    forge(path, (1, 512, 2048), (1, 512, 2048))
    other = path if where == "same file" else tmp_path / "virtual.h5"
    with h5py.File(other, "a", libver="latest") as f:
        layout = h5py.VirtualLayout((1, 512, 2048), "f4")
        layout[...] = h5py.VirtualSource(path.name, "forged", (1, 512, 2048))
        f.create_virtual_dataset("virtual", layout)
        honest = h5py.VirtualLayout((4, 6, 8), "f4")
        honest[...] = h5py.VirtualSource(path.name, "calibrated", (4, 6, 8))
        f.create_virtual_dataset("honest", honest)
    forged.settle()
    with h5py.File(path) as f, h5py.File(other) as v:
        assert (f["calibrated"][0] == 6).all()
        with pytest.raises(OSError, match=MATCH):
            v["virtual"][...]


def test_honest_virtual_sources_and_copies(path, tmp_path):
    with h5py.File(path, "a") as f:
        f.copy("calibrated", "copy")
    with h5py.File(tmp_path / "virtual.h5", "w", libver="latest") as f:
        layout = h5py.VirtualLayout((2, 4, 6, 8), "f4")
        for i, name in enumerate(["calibrated", "copy"]):
            layout[i] = h5py.VirtualSource(path.name, name, (4, 6, 8))
        f.create_virtual_dataset("both", layout)
    forged.settle()
    with h5py.File(tmp_path / "virtual.h5") as f:
        assert (f["both"][...] == 6).all()
    with h5py.File(path) as f:
        assert (f["copy"][...] == 6).all()


def test_without_a_link(path):
    """Reached by a reference, under no name."""
    with h5py.File(path, "r+") as f:
        forged.with_words_of(f, "forged", (1, 512, 2048), (1, 512, 2048))
        f.attrs.create("to", f["forged"].ref, dtype=h5py.ref_dtype)
        f.create_group("box")
        f.move("forged", "box/forged")
    forged.settle()
    with h5py.File(path) as f, pytest.raises(OSError, match=MATCH):
        f[f.attrs["to"]][...]


def old_file(tmp_path):
    """The first h5calib's file with a dataset of larger chunks and the header of a smaller one."""
    path = shutil.copy(OLD, tmp_path / "old.h5")
    with h5py.File(path, "r+") as f:
        header = f["pedestal_v1"].id.read_direct_chunk((0, 0, 0))[1]
        shape = (1, 512, 2048)
        made = forged.dataset(f, "forged", shape, shape, filters=[(1, (1,))])  # deflate
        made.write_direct_chunk((0, 0, 0), header)
    content = bytearray(Path(path).read_bytes())
    at = content.find(b"deflate\0") - 8
    assert struct.unpack_from("<HHHH", content, at) == (1, 8, 0, 1)
    struct.pack_into("<HHHH", content, at, forged.FILTER, 8, 1, 0)  # no parameters
    Path(path).write_bytes(content)
    forged.settle()
    return path


def test_header_of_another_shape(tmp_path):
    path = old_file(tmp_path)
    with h5py.File(path) as f, pytest.raises(OSError, match=MATCH):
        f["forged"][...]


def test_header_of_another_shape_while_its_own_is_open(tmp_path):
    """Which of both is read cannot be told: the smaller is right, nothing is behind it."""
    path = old_file(tmp_path)
    with h5py.File(OLD) as f:
        right = f["pedestal_v1"][0]
    with h5py.File(path) as f:
        small, large = f["pedestal_v1"], f["forged"]
        assert np.array_equal(small[0], right, equal_nan=True)
        values = large[...].ravel()
        assert np.isnan(values[right.size :]).all()


CHUNKS = [(1, 64, 64), (2, 32, 64), (1, 64, 32)]
STORAGE = """
import sys, h5py, numpy as np
junk = [np.full(1 << 18, 0x7b, "u1") for _ in range(200)]; del junk
with h5py.File(sys.argv[1]) as f:
    try:
        a = f["calibrated"][...]
    except OSError as error:
        print(error); sys.exit(0)
sys.exit(not np.isin(np.nan_to_num(a, nan=-2), [int(sys.argv[2]), 4]).all())
"""


@pytest.mark.parametrize(
    ("chunk", "filters"),
    [(None, ()), *((c, f) for c in CHUNKS for f in ((), ((1, (1,)),), ((2, ()),)))],
)
@pytest.mark.parametrize(("unwritten", "value"), [("fill", -1), ("missing", -2)])
def test_what_was_never_allocated_is_no_memory_of_ours(tmp_path, chunk, filters, unwritten, value):
    """Fill time never: HDF5 leaves the buffer as it was."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if chunk:
            plist.set_chunk(chunk)
        for number, values in filters:
            plist.set_filter(number, 0, values)
        space = h5py.h5s.create_simple((6, 64, 64))
        h5py.h5d.create(f.id, b"raw", h5py.h5t.STD_U16LE, space, plist)
        if chunk:
            f["raw"][:4] = 5  # whole chunks
        pedestal = h5calib.Pedestal(np.ones((64, 64), "f4"), unwritten=unwritten)
        h5calib.create_calibrated_dataset(f, "calibrated", "raw", pedestal)
    forged.settle()
    command = [sys.executable, "-c", STORAGE, path, str(value)]
    run = subprocess.run(command, capture_output=True, check=False)
    assert run.returncode == 0, run
