"""Raw data whose storage was never written is missing, however it is stored and read."""

import forged
import h5calib
import h5py
import hdf5plugin
import numpy as np
import pytest

N, NY, NX = 6, 8, 12
FILTERS = {
    "plain": {},
    "gzip": {"compression": "gzip"},
    "shuffle": {"shuffle": True, "compression": "gzip"},
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
    "fill value": {"fillvalue": 700},
}
CHUNKS = [(1, NY, NX), (2, NY, NX), (1, 3, NX), (1, NY, 5), (4, 8, 7)]


def view(path, raw, unwritten="missing", values=1, frames=None, **options):
    with h5py.File(path, "a") as f:
        if values == 2:
            constants = {"cell_ids": np.zeros(len(f[raw]), "u2")}
            ones = np.ones((1, 3, NY, NX), "f4")
            calibration = h5calib.Agipd(
                pedestal=100 * ones, gain=ones, fixed_gain=0, unwritten=unwritten
            )
        else:
            constants = {}
            pedestal = np.full((NY, NX), 100, "f4")
            calibration = h5calib.Pedestal(pedestal, unwritten=unwritten, **options)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw, calibration, frames=frames, **constants
        )
    forged.settle()


def check(path, expected, frames=None):
    """By chunks, in parts, all at once, and directly."""
    expected = expected if frames is None else expected[frames]
    with h5py.File(path) as f:
        d = f["calibrated"]
        assert np.array_equal(d[...], expected, equal_nan=True)
    with h5py.File(path) as f:
        d = f["calibrated"]
        assert np.array_equal(h5calib.read(d, np.s_[:]), expected, equal_nan=True)
        assert np.array_equal(h5calib.read(d, np.s_[2:5]), expected[2:5], equal_nan=True)
        assert np.array_equal(d[1:, 2:5, 3:], expected[1:, 2:5, 3:], equal_nan=True)


def written_parts(rng, chunk):
    """Which chunks are written, as an array of pixels."""
    grid = [-(-n // c) for n, c in zip((N, NY, NX), chunk, strict=True)]
    which = rng.random(grid) < 0.5
    which.flat[0], which.flat[-1] = True, False
    for axis, c in enumerate(chunk):
        which = which.repeat(c, axis)
    return which[:N, :NY, :NX]


@pytest.mark.parametrize("frames", [None, [5, 0, 1, 1, 4, 2]])
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("never", [False, True])
def test_chunks(tmp_path, rng, filters, chunk, never, frames):
    written = written_parts(rng, chunk)
    numbers = rng.integers(200, 4000, (N, NY, NX), dtype="u2")
    options = {"fill_time": "never"} if never else {}
    with h5py.File(tmp_path / "a.h5", "w") as f:
        d = f.create_dataset("raw", (N, NY, NX), "u2", chunks=chunk, **FILTERS[filters], **options)
        for part in d.iter_chunks():
            if written[part].all():
                d[part] = numbers[part]
    view(tmp_path / "a.h5", "raw", frames=frames)
    check(tmp_path / "a.h5", np.where(written, numbers - np.float32(100), np.nan), frames)


@pytest.mark.parametrize("filters", ["plain", "gzip", "fill value"])
def test_where_the_view_wants_the_fill_value(tmp_path, filters):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        d = f.create_dataset("raw", (N, NY, NX), "u2", chunks=(1, NY, NX), **FILTERS[filters])
        d[:2] = 300
    view(tmp_path / "a.h5", "raw", unwritten="fill")
    expected = np.full((N, NY, NX), 600 if filters == "fill value" else -100, "f4")
    expected[:2] = 200
    check(tmp_path / "a.h5", expected)


@pytest.mark.parametrize("written", [False, True])
def test_contiguous(tmp_path, written):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        d = f.create_dataset("raw", (N, NY, NX), "u2")
        if written:
            d[...] = 300
    view(tmp_path / "a.h5", "raw")
    check(tmp_path / "a.h5", np.full((N, NY, NX), 200 if written else np.nan, "f4"))


@pytest.mark.parametrize("output", ["value", "mask"])
def test_masked_value_and_mask(tmp_path, output):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_dataset("raw", (N, NY, NX), "u2", chunks=(1, NY, NX))[:2] = 300
    view(tmp_path / "a.h5", "raw", output=output, masked_value=-7)
    expected = np.full((N, NY, NX), -7 if output == "value" else 1, "f4")
    expected[:2] = 200 if output == "value" else 0
    check(tmp_path / "a.h5", expected)


@pytest.mark.parametrize("chunk", [(1, 2, NY, NX), (1, 1, NY, NX), (2, 2, 5, NX)])
def test_two_values_of_a_pixel(tmp_path, chunk):
    """Either is enough."""
    with h5py.File(tmp_path / "a.h5", "w") as f:
        d = f.create_dataset("raw", (N, 2, NY, NX), "u2", chunks=chunk)
        d[:2] = 300
        if chunk[1] == 1:
            d[3, 0] = 300
            d[4, 1] = 300
    view(tmp_path / "a.h5", "raw", values=2)
    expected = np.full((N, NY, NX), np.nan, "f4")
    expected[:2] = 200
    check(tmp_path / "a.h5", expected)


MAPPINGS = {
    "frames": (np.s_[1:3], np.s_[0:2]),
    "every other": (np.s_[::2], np.s_[0:3]),
    "a part": (np.s_[0:4, 2:6, 1:9], np.s_[0:4, 2:6, 1:9]),
    "all": (np.s_[...], np.s_[...]),
}


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_what_no_source_covers(tmp_path, rng, mapping):
    to, of = MAPPINGS[mapping]
    numbers = rng.integers(200, 4000, (N, NY, NX), dtype="u2")
    with h5py.File(tmp_path / "source.h5", "w") as f:
        f["raw"] = numbers
    expected = np.full((N, NY, NX), np.nan, "f4")
    expected[to] = numbers[of] - np.float32(100)
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as f:
        layout = h5py.VirtualLayout((N, NY, NX), "u2")
        layout[to] = h5py.VirtualSource("source.h5", "raw", (N, NY, NX))[of]
        f.create_virtual_dataset("raw", layout, fillvalue=17)
    view(tmp_path / "a.h5", "raw")
    check(tmp_path / "a.h5", expected)
