"""Damaged, foreign and incomplete files: a clear error, no numbers, no crash."""

import re
import shutil
import struct
import zlib
from pathlib import Path

import h5calib
import h5py
import numpy as np
import pytest
from support import make_single, same

GOLDEN = Path(__file__).parent / "golden"


def fails(path, match, dataset="calibrated", selection=np.s_[0]):
    with h5py.File(path) as f, pytest.raises(OSError, match=match):
        f[dataset][selection]


def set_stub(path, chunk, stub, dataset="calibrated"):
    with h5py.File(path, "r+") as f:
        f[dataset].id.write_direct_chunk(chunk, stub)


@pytest.fixture
def single(tmp_path, detector):
    return make_single(tmp_path / "one.h5", detector)


@pytest.mark.parametrize(
    "stub", [b"H5CS", b"", b"H5CS" + bytes(12), bytes(16), b"x" * 5000, b"H5CS" + bytes(13)]
)
def test_foreign_stub(single, detector, stub):
    if stub:
        set_stub(single, (0, 0, 0), stub)
        fails(single, "not a stub|damaged stub")
    with h5py.File(single) as f:
        assert same(f["calibrated"][2:], detector.values[2:])


def test_stub_of_another_dataset(tmp_path, detector):
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path, "r+") as f:
        h5calib.create_calibrated_dataset(
            f, "b", raw="raw", calibration=detector.calibration, chunks=(2, 16, 24)
        )
        stub = f["b"].id.read_direct_chunk((0, 0, 0))[1]
    set_stub(path, (0, 0, 0), stub)
    fails(path, "that of another calibrated dataset")


def test_stub_of_another_chunk_is_that_chunk_or_nothing(single):
    """A valid stub in the wrong place cannot be told from the right one; one past the end can."""
    with h5py.File(single) as f:
        uuid = bytes.fromhex(next(iter(f["h5calib"])))
    number = struct.pack("<Q", 10**6)
    stub = b"H5CS" + struct.pack("<I", zlib.crc32(uuid + number)) + number
    set_stub(single, (0, 0, 0), stub)
    fails(single, "the dataset has fewer")


def edit_words(path, edit, fix_sum=True, dataset="calibrated"):
    """Change the filter parameters in the file's bytes."""
    with h5py.File(path) as f:
        words = list(f[dataset].id.get_create_plist().get_filter(0)[2])
    old = struct.pack(f"<{len(words)}I", *words)
    edit(words)
    if fix_sum:
        words[-1] = zlib.crc32(struct.pack(f"<{len(words) - 1}I", *words[:-1]))
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, struct.pack(f"<{len(words)}I", *words)))


def test_newer_format_version(single):
    edit_words(single, lambda words: words.__setitem__(0, 2))
    fails(single, "format version 2.*install a newer libh5calib")


def test_unknown_algorithm(single):
    edit_words(single, lambda words: words.__setitem__(2, 0x7FFF0001))
    fails(single, "0x7fff0001.*install a newer libh5calib")


def test_newer_version_of_a_known_algorithm(single):
    edit_words(single, lambda words: words.__setitem__(2, words[2] + 1))
    fails(single, "install a newer libh5calib")


def test_unknown_flag(single):
    edit_words(single, lambda words: words.__setitem__(1, 8))
    fails(single, "install a newer libh5calib")


def test_damaged_parameters(single):
    edit_words(single, lambda words: words.__setitem__(5, words[5] ^ 1), fix_sum=False)
    fails(single, "filter parameters of the dataset are damaged")


def test_identity_removed(single):
    with h5py.File(single, "r+") as f:
        del f.attrs["h5calib_file_uuid"]
    fails(single, "no open file carries the identity")


def test_calibration_group_deleted(single):
    with h5py.File(single, "r+") as f:
        del f["h5calib"]
    fails(single, "has no calibration /h5calib/")


def test_raw_deleted(single):
    with h5py.File(single, "r+") as f:
        del f["raw"]
    fails(single, "raw dataset '/raw' not found in '.*one.h5'")


def test_raw_moved(view):
    view.raw_path.rename(view.folder / "elsewhere.h5")
    fails(view.path, r"raw dataset '/data/raw': looked for its file at '.*raw\.h5'")


def test_raw_dataset_gone_from_its_file(view):
    with h5py.File(view.raw_path, "r+") as f:
        del f["data/raw"]
    fails(view.path, "raw dataset '/data/raw' not found in '.*raw.h5'")


def test_raw_file_is_no_hdf5_file(view):
    view.raw_path.write_bytes(b"no HDF5 here")
    fails(view.path, r"raw\.h5' cannot be opened by HDF5")


def test_raw_file_truncated(view):
    content = view.raw_path.read_bytes()
    view.raw_path.write_bytes(content[: len(content) // 2])
    fails(view.path, r"raw\.h5' cannot be (opened|read) by HDF5|cannot be read")


@pytest.mark.parametrize(
    "shape", [(12, 16, 25), (11, 16, 24), (12, 15, 24), (16, 24), (12, 2, 16, 24)]
)
def test_raw_of_another_shape(single, shape):
    with h5py.File(single, "r+") as f:
        del f["raw"]
        f["raw"] = np.zeros(shape, "u2")
    fails(single, "no longer has the shape")


@pytest.mark.parametrize("dtype", ["f4", "u4", "S3"])
def test_raw_of_another_dtype(single, dtype):
    with h5py.File(single, "r+") as f:
        del f["raw"]
        f["raw"] = np.zeros((12, 16, 24), dtype)
    fails(single, "must be uint16|does not hold integers or floating-point")


def test_constants_missing(single):
    with h5py.File(single, "r+") as f:
        del f["pedestal"]
    fails(single, "constants 'pedestal' '/pedestal' not found")


def test_constants_of_another_shape(single):
    with h5py.File(single, "r+") as f:
        del f["pedestal"]
        f["pedestal"] = np.zeros((3, 16, 23), "f4")
    fails(single, "constants 'pedestal' .*shape")


def group_of(f):
    return f["h5calib"][next(iter(f["h5calib"]))]


def test_axes_missing(single):
    with h5py.File(single, "r+") as f:
        del group_of(f)["constants"].attrs["axes_gain"]
    fails(single, "order of the axes of constants 'gain'")


@pytest.mark.parametrize("axes", [b"zyx", b"yyx", b"syxc", b"", b"x" * 40])
def test_axes_damaged(single, axes):
    with h5py.File(single, "r+") as f:
        attributes = group_of(f)["constants"].attrs
        del attributes["axes_gain"]
        attributes["axes_gain"] = np.bytes_(axes) if axes else np.bytes_(b" ")
    fails(single, "constants 'gain'")


def test_link_to_the_dataset_missing(single):
    with h5py.File(single, "r+") as f:
        del group_of(f)["dataset"]
    fails(single, "no link to its dataset")


def test_dataset_of_another_shape(single):
    """HDF5 does not check how much a filter returns; the plugin looks at the dataset itself."""
    with h5py.File(single, "r+") as f:
        stub = f["calibrated"].id.read_direct_chunk((0, 0, 0))[1]
        words = list(f["calibrated"].id.get_create_plist().get_filter(0)[2])
        words[1] |= 1
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2, 160, 24))
        plist.set_filter(57836, 0, tuple(words))
        space = h5py.h5s.create_simple((12, 160, 24))
        forged = h5py.h5d.create(f.id, b"forged", h5py.h5t.IEEE_F64LE, space, plist)
        forged.write_direct_chunk((0, 0, 0), stub)
        del f["calibrated"], group_of(f)["dataset"]
        group_of(f)["dataset"] = f["forged"]
    fails(single, "no longer has the shape", "forged")


def test_cell_id_out_of_range(tmp_path, rng):
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = rng.integers(0, 100, (4, 3, 5), dtype="u2")
        f["cells"] = np.array([0, 1, 1, 0], "u2")
        calibration = h5calib.CellPedestal(pedestal=rng.uniform(0, 1, (2, 3, 5)).astype("f4"))
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=f["cells"], chunks=(1, 3, 5)
        )
        masked = h5calib.CellPedestal(pedestal=np.zeros((2, 3, 5), "f4"), bad_cell="nan")
        h5calib.create_calibrated_dataset(
            f, "masked", raw="raw", calibration=masked, cell_ids=f["cells"], chunks=(1, 3, 5)
        )
        f["cells"][2] = 7
    fails(
        tmp_path / "v.h5",
        "frame 2 was stored in memory cell 7, the constants have cells 0 to 1",
        "v",
        2,
    )
    with h5py.File(tmp_path / "v.h5") as f:
        assert np.isfinite(f["v"][3]).all()
        assert np.isnan(f["masked"][2]).all()
        assert np.isfinite(f["masked"][1]).all()


# ---- files of the first h5calib -----------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    return shutil.copy(GOLDEN / "version0.h5", tmp_path / "old.h5")


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda h: h[:10], "no header of the first h5calib"),
        (lambda h: bytes(len(h)), "no header of the first h5calib"),
        (lambda h: h[:8] + struct.pack("<I", 9) + h[12:], "unknown calibration algorithm"),
        (lambda h: h[:12] + struct.pack("<I", 99) + h[16:], "raw frame 99"),
        (lambda h: h[:16] + struct.pack("<I", 400) + h[20:], "could belong to"),
        (lambda h: h[:24] + b"/nope\0/dark\0", "raw dataset '/nope' not found"),
        (lambda h: h[:24] + b"/raw", "no header of the first h5calib"),
        (lambda h: h[:4] + struct.pack("<I", 5) + h[8:], "no open file carries the identity"),
        (lambda h: h[:24] + b"/pedestal_v1\0/dark\0", "computed from itself"),
    ],
)
def test_damaged_chunk_of_the_first_h5calib(old, edit, match):
    with h5py.File(old) as f:
        header = f["pedestal_v1"].id.read_direct_chunk((0, 0, 0))[1]
    set_stub(old, (0, 0, 0), edit(header), "pedestal_v1")
    fails(old, match, "pedestal_v1")
    with h5py.File(old) as f:
        assert same(f["pedestal_v1"][1], f["raw"][1].astype("f4") - f["dark"][0].astype("f4"))


def test_magic_of_the_first_h5calib_in_two_files(tmp_path, old):
    """The old identity is 32 bits wide: equal copies agree, others are refused."""
    two = shutil.copy(old, tmp_path / "two.h5")
    with h5py.File(old) as f, h5py.File(two) as g:
        assert same(f["pedestal_v1"][...], g["pedestal_v1"][...])
    with h5py.File(two, "r+") as g:
        g["raw"][0] = 1
    with (
        h5py.File(old) as f,
        h5py.File(two),
        pytest.raises(OSError, match="carry the same identity"),
    ):
        f["pedestal_v1"][0]


def test_random_damage_never_crashes(tmp_path, detector, rng):
    """A short form of fuzzing: flipped bytes give numbers HDF5 believes, or an error."""
    for libver in ("earliest", "latest"):
        content = bytearray(make_single(tmp_path / "one.h5", detector, libver=libver).read_bytes())
        start = content.find(b"TREE") if libver == "earliest" else 0
        for _ in range(60):
            damaged = bytearray(content)
            for at in rng.integers(start, len(content), 8):
                damaged[at] ^= int(rng.integers(1, 256))
            path = tmp_path / "damaged.h5"
            path.write_bytes(damaged)
            try:
                with h5py.File(path) as f:
                    f["calibrated"][...]
            except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
                assert not re.search("MemoryError", str(error))


@pytest.mark.parametrize(
    ("put", "match"),
    [
        (np.arange(8), "there are 8 cell ids for 9 raw frames"),
        (np.zeros((9, 2), "u2"), "there are 18 cell ids for 9 raw frames"),
        (np.zeros(9), "'cell_ids' in '.*' does not hold integers"),
        (h5py.ExternalLink("gone.h5", "/ids"), "gone.h5"),
        (h5py.SoftLink("/nowhere"), "cell_ids"),
        (None, "does not say which cell each frame was stored in"),
    ],
    ids=["too few", "too many", "no integers", "file gone", "link to nothing", "none"],
)
def test_cell_ids(tmp_path, rng, put, match):
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as f:
        f["raw"] = rng.integers(0, 1000, (9, 4, 6), dtype="u2")
        calibration = h5calib.CellPedestal(pedestal=rng.uniform(0, 10, (5, 4, 6)).astype("f4"))
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=calibration, cell_ids=np.arange(9) % 5
        )
        (group,) = f["h5calib"].values()
        del group["cell_ids"]
        if put is not None:
            group["cell_ids"] = put
    fails(path, match)
