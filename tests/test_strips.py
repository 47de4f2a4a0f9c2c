"""The first frame of a memory cell: its constants pass by in strips of rows and are not kept."""

import os
import subprocess
import sys
import time
from pathlib import Path

import h5calib
import h5py
import numpy as np
import pytest
from support import jungfrau_rule, same

CELLS, NY, NX = 5, 333, 160  # strips of 51 rows in float16, the last one overlaps


def agipd_rule(raw, cells, threshold, pedestal, gain, bad):
    """In float32, for the tests alone."""
    out = np.empty((len(raw), NY, NX), "f4")
    for i, (cell, (signal, voltage)) in enumerate(zip(cells, raw, strict=True)):
        high, low = threshold[cell].astype("f4")
        stage = np.where(voltage > low, 2, np.where(voltage > high, 1, 0))[None]
        take = [np.take_along_axis(a[cell], stage, 0)[0] for a in (pedestal, gain, bad)]
        a, b = (x.astype("f4") for x in take[:2])
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (signal.astype("f4") - a) / b
        value[(take[2] != 0) | ~np.isfinite(a) | ~np.isfinite(b) | (b == 0)] = np.nan
        out[i] = value
    return out


@pytest.fixture
def agipd_constants(rng):
    def of(kind, ids=None, **parameters):
        ids = np.arange(2 * CELLS) % CELLS if ids is None else np.asarray(ids)
        shape = (CELLS, 3, NY, NX)
        threshold = np.array([5000, 7000], "f4").reshape(1, 2, 1, 1)
        threshold = (threshold + rng.uniform(-900, 900, (CELLS, 2, NY, NX))).astype(kind)
        pedestal = rng.uniform(3000, 5000, shape).astype(kind)
        gain = rng.uniform(1, 8, shape).astype(kind)
        bad = (rng.uniform(0, 1, shape) < 0.01).astype("u4") << 7
        gain[rng.uniform(0, 1, shape) < 0.002] = 0
        pedestal[rng.uniform(0, 1, shape) < 0.002] = np.nan
        raw = rng.integers(4000, 8000, (len(ids), 2, NY, NX), dtype="u2")
        constants = {"threshold": threshold, "pedestal": pedestal, "gain": gain, "bad_pixels": bad}
        values = agipd_rule(raw, ids % CELLS, threshold, pedestal, gain, bad)
        return raw, ids, h5calib.Agipd(**constants, **parameters), values, constants

    return of


@pytest.fixture
def agipd(agipd_constants):
    def of(*arguments, **parameters):
        return agipd_constants(*arguments, **parameters)[:4]

    return of


def write(path, raw, ids, calibration, view_chunks=None, **raw_options):
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("raw", data=raw, **raw_options)
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=ids, chunks=view_chunks
        )
    return path


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("chunks", [None, (1, NY, NX), (4, NY, NX), (1, 40, NX), (2, 70, 33)])
def test_filter(tmp_path, agipd, kind, chunks, threads, monkeypatch):
    """Passing by and kept: the second frame of a cell finds its constants in memory."""
    monkeypatch.setenv("H5CALIB_NUM_THREADS", threads)
    raw, ids, calibration, values = agipd(kind)
    with h5py.File(write(tmp_path / "v.h5", raw, ids, calibration, chunks)) as f:
        for i in range(len(values)):
            assert same(f["v"][i], values[i])
        assert same(f["v"][...], values)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looked at in place on Linux alone"
)
@pytest.mark.parametrize("odd", [False, True], ids=["as it comes", "odd"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4"])
def test_where_the_system_keeps_them(tmp_path, agipd_constants, kind, odd):
    """Constants of a file that was not changed just now; at any address, and none is written to."""
    raw, ids, _, values, arrays = agipd_constants("f4" if kind == "i4" else kind)
    if kind == "i4":
        arrays = {name: np.nan_to_num(array).astype(kind) for name, array in arrays.items()}
        values = agipd_rule(raw, ids, *arrays.values())
    constants = tmp_path / "constants.h5"
    with h5py.File(constants, "w") as f:
        for i, (name, array) in enumerate(arrays.items()):
            f[name] = array
            if odd and f[name].id.get_offset() % 2 == 0:
                del f[name]
                f.flush()
                f[f"room/{i}"] = np.zeros(5001, "u1")
                f[name] = array
            assert not odd or f[name].id.get_offset() % 2
    with h5py.File(tmp_path / "v.h5", "w") as f, h5py.File(constants) as g:
        f["raw"] = raw
        linked = h5calib.Agipd(**{name: g[name] for name in arrays})
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=linked, cell_ids=ids, chunks=(1, NY, NX)
        )
    before = constants.read_bytes()
    time.sleep(0.1)
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["v"][0], values[0])
        maps = Path("/proc/self/maps").read_text()
        assert (str(constants) in maps) == (kind != "i4")  # integers are prepared as a whole
        for i in range(1, CELLS):
            assert same(f["v"][i], values[i])
    with h5py.File(tmp_path / "v.h5") as f:
        for i in range(CELLS):
            assert same(h5calib.read(f["v"], i), values[i])
    assert constants.read_bytes() == before


@pytest.mark.parametrize(
    "where",
    [np.s_[:], np.s_[3:], np.s_[::2], np.s_[4, 100:217], np.s_[1:4, 280:], np.s_[2:5, 50:53, 7:99]],
    ids=str,
)
@pytest.mark.parametrize("threads", [1, 2])
def test_direct(tmp_path, agipd, where, threads):
    raw, ids, calibration, values = agipd("f2")
    with h5py.File(write(tmp_path / "v.h5", raw, ids, calibration)) as f:
        for _ in range(3):
            assert same(h5calib.read(f["v"], where, threads=threads), values[where])


@pytest.mark.parametrize(
    "options", [{"chunks": (1, 2, NY, NX)}, {"chunks": (1, 2, 50, NX)}, {"chunks": (2, 2, 50, 31)},
                {"chunks": (1, 2, NY, NX), "compression": 1}], ids=str
)  # fmt: skip
def test_raw_storage(tmp_path, agipd, options):
    raw, ids, calibration, values = agipd("f2")
    with h5py.File(write(tmp_path / "v.h5", raw, ids, calibration, **options)) as f:
        assert same(f["v"][:3], values[:3])
        assert same(h5calib.read(f["v"]), values)


def test_unknown_cells(tmp_path, agipd):
    raw, ids, calibration, values = agipd("f2", ids=[0, 1, 1, CELLS + 2, 4, 3], bad_cell="nan")
    values[3] = np.nan
    with h5py.File(write(tmp_path / "v.h5", raw, ids, calibration)) as f:
        assert same(f["v"][...], values)


@pytest.mark.parametrize("shape", [(2000, 200), (30, 9000), (1, 60000)], ids=str)
def test_one_cell(tmp_path, rng, shape):
    """A frame of a dataset without memory cells; the widest has too long rows for strips."""
    raw = rng.integers(0, 1 << 16, (3, *shape), dtype="u2")
    raw[raw >> 14 == 2] = 5
    pedestal = rng.uniform(0, 1000, (3, *shape)).astype("f4")
    gain = rng.uniform(1, 40, (3, *shape)).astype("f4")
    values = jungfrau_rule(raw, pedestal, gain)
    calibration = h5calib.Jungfrau(pedestal=pedestal, gain=gain)
    for i, chunks in enumerate(((1, *shape), (1, max(1, shape[0] // 3), shape[1]))):
        path = write(tmp_path / f"{i}.h5", raw, None, calibration, chunks)
        with h5py.File(path) as f:
            assert same(f["v"][2], values[2])
            assert same(h5calib.read(f["v"]), values)


def test_stage_without_cells(tmp_path, rng):
    """Constants of which some have no memory cells, and some no stages."""
    raw, shape = rng.integers(4000, 6000, (CELLS, 2, NY, NX), dtype="u2"), (CELLS, 3, NY, NX)
    pedestal = rng.uniform(3000, 5000, shape).astype("f4")
    gain, flat = rng.uniform(1, 8, shape[1:]).astype("f4"), rng.uniform(1, 2, (NY, NX)).astype("f4")
    calibration = h5calib.Agipd(
        threshold=h5calib.Constant(np.full((2, NY, NX), 1e5, "f4"), axes="syx"),
        pedestal=pedestal,
        gain=h5calib.Constant(gain, axes="syx"),
        flat_field=h5calib.Constant(flat, axes="yx"),
    )
    expected = (raw[:, 0].astype("f4") - pedestal[:, 0]) / gain[0] * flat
    with h5py.File(write(tmp_path / "v.h5", raw, np.arange(CELLS), calibration)) as f:
        assert same(f["v"][...], expected)
        assert same(h5calib.read(f["v"]), expected)


def test_short_file(tmp_path, agipd_constants):
    """Constants that are no longer all there: an error, with the filter and directly."""
    raw, ids, _, _, arrays = agipd_constants("f4")
    constants = tmp_path / "constants.h5"
    with h5py.File(tmp_path / "v.h5", "w") as f, h5py.File(constants, "w") as g:
        f["raw"] = raw
        for name, array in arrays.items():
            g[name] = array
        linked = h5calib.Agipd(**{name: g[name] for name in arrays})
        h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=linked, cell_ids=ids)
        end = g["gain"].id.get_offset() + (3 * CELLS - 1) * NY * NX * 4
    with h5py.File(tmp_path / "v.h5") as f:
        f["v"][0]
        with open(constants, "r+b") as g:
            g.truncate(end)
        with pytest.raises(OSError, match="cannot be"):
            f["v"][CELLS - 1]
        with pytest.raises(OSError, match="cannot be"):
            h5calib.read(f["v"], CELLS - 1)


GROWTH = """
import sys, h5py, h5calib, numpy as np
def resident():
    with open("/proc/self/statm") as f:  # without pages of files, of raw data for example
        all_of_it, of_files = map(int, f.read().split()[1:3])
        return (all_of_it - of_files) * 4096 / 2**20
with h5py.File(sys.argv[1]) as f:
    out = np.ones(f["v"].shape, "f4")
    n = len(out) // 2
    h5calib.read(f["v"], np.s_[:1], out=out[:1])
    before = resident()
    h5calib.read(f["v"], np.s_[1:n], out=out[1:n])
    once = resident()
    h5calib.read(f["v"], np.s_[n:], out=out[n:])
    print(once - before, resident() - once)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory(tmp_path, rng):
    """Constants that a single frame needed stay out of memory; others are kept."""
    cells, shape = 40, (256, 512)
    raw = rng.integers(0, 1000, (2 * cells, *shape), dtype="u2")
    pedestal = rng.uniform(0, 100, (cells, *shape))  # 1 MiB a cell
    calibration = h5calib.CellPedestal(pedestal=pedestal)
    path = write(tmp_path / "v.h5", raw, np.arange(2 * cells) % cells, calibration)
    done = subprocess.run([sys.executable, "-c", GROWTH, str(path)], stdout=subprocess.PIPE,
                          check=True, text=True, env=os.environ)  # fmt: skip
    once, twice = map(float, done.stdout.split())
    assert once < 10
    assert 35 < twice < 60


def both_times(path, values):
    """Read each frame when its constants pass by, and again when they are kept."""
    with h5py.File(path) as f:
        for _ in range(2):
            for i in range(len(values)):
                assert same(f["v"][i], values[i])
    with h5py.File(path) as f:
        for i in range(len(values)):
            assert same(h5calib.read(f["v"], i), values[i])


@pytest.mark.parametrize("axes", ["cyx", "cxy", "ycx", "xyc"])
def test_order_of_axes(tmp_path, rng, axes):
    raw = rng.integers(0, 1000, (CELLS, 300, 400), dtype="u2")
    pedestal = rng.uniform(0, 1000, raw.shape).astype("f4")
    stored = np.ascontiguousarray(pedestal.transpose(["cyx".index(a) for a in axes]))
    calibration = h5calib.CellPedestal(pedestal=h5calib.Constant(stored, axes=axes))
    path = write(tmp_path / "v.h5", raw, np.arange(CELLS), calibration)
    both_times(path, raw.astype("f4") - pedestal)


def test_wide_integers(tmp_path, rng):
    """A masked pixel makes the constants of all its frame float64, which rounds them twice."""
    raw = rng.integers(0, 2, (CELLS, 300, 400), dtype="u2")
    pedestal = np.full(raw.shape, 2**60 + 2**36 + 1)  # just above the middle of two float32
    mask = np.zeros(raw.shape, "u1")
    mask[:, 5, 7] = 1
    calibration = h5calib.CellPedestal(pedestal=pedestal, pixel_mask=mask)
    values = raw - pedestal.astype("f8").astype("f4")
    values[:, 5, 7] = np.nan
    both_times(write(tmp_path / "v.h5", raw, np.arange(CELLS), calibration), values)


def test_between_cells(tmp_path, rng):
    """Flat fields between which frames are interpolated."""
    steps, flats = 4, rng.uniform(50, 100, (4, 250, 400))
    raw = rng.integers(0, 1000, (3 * steps + 1, 250, 400), dtype="u2")
    calibration = h5calib.FlatField(dark=np.zeros((250, 400)), flat=flats, steps=steps)
    at = np.arange(len(raw)) / steps
    low = np.minimum(at.astype(int), 2)
    weight = (at - low)[:, None, None]
    expected = raw / (flats[low] + (flats[low + 1] - flats[low]) * weight)
    path = write(tmp_path / "v.h5", raw, np.arange(len(raw)), calibration, (1, 250, 400))
    with h5py.File(path) as f:
        for _ in range(2):
            for i in (3, 5, 0, 12, 4, 7):
                np.testing.assert_allclose(f["v"][i], expected[i], rtol=2e-6)


@pytest.mark.parametrize("shape", [(512, 1024), (64, 256)], ids=str)
def test_whole_frames(tmp_path, rng, shape):
    """A common mode is that of its bank, a flat field is divided by the mean of all its pixels."""
    raw = rng.integers(2000, 2400, (2, *shape), dtype="u2")
    pedestal = rng.uniform(1900, 2100, (3, *shape)).astype("f4")
    gain, flat = rng.uniform(30, 40, (3, *shape)).astype("f4"), rng.uniform(0.5, 2, shape)
    mode = h5calib.Jungfrau(pedestal=pedestal, gain=gain, common_mode=4, common_mode_limit=1e9)
    for name, calibration in (("mode", mode), ("flat", h5calib.Ccd(bias=pedestal[0], flat=flat))):
        values = calibration.reference(raw)
        for chunks in ((1, *shape), (1, shape[0] // 4, shape[1])):
            if name == "mode" and chunks[1] < shape[0]:
                continue
            path = write(tmp_path / f"{name}-{chunks[1]}.h5", raw, None, calibration, chunks)
            with h5py.File(path) as f:
                for i in (1, 0):
                    np.testing.assert_allclose(f["v"][i], values[i], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["u1", "i2", "u4", "i4", "u8", "i8", ">i4", ">i8"])
def test_cell_ids_of_any_type(tmp_path, agipd, kind):
    raw, ids, calibration, values = agipd("f2")
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = raw
        f["ids"] = ids.astype(kind)
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=f["ids"]
        )
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["v"][...], values)


MANY = 10000  # cell ids are read some thousand at a time


@pytest.mark.parametrize("options", [{}, {"chunks": (700,)}, {"chunks": (999,), "compression": 1}],
                         ids=["plain", "chunks", "compressed"])  # fmt: skip
@pytest.mark.parametrize("kind", ["u1", "i2", ">i4", "i8", "u8"])
def test_many_cell_ids(tmp_path, rng, kind, options):
    """Of frames anywhere in a long run."""
    raw = rng.integers(0, 1000, (MANY, 2, 3), dtype="u2")
    ids = rng.integers(0, CELLS, MANY)
    pedestal = rng.uniform(0, 100, (CELLS, 2, 3)).astype("f4")
    calibration = h5calib.CellPedestal(pedestal=pedestal)
    values = raw.astype("f4") - pedestal[ids]
    with h5py.File(tmp_path / "v.h5", "w") as f:
        f["raw"] = raw
        stored = f.create_dataset("ids", data=ids.astype(kind), **options)
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=stored, chunks=(10, 2, 3)
        )
    for where in (MANY - 1, np.s_[4090:4100], np.s_[8185:], 0, np.s_[:]):
        with h5py.File(tmp_path / "v.h5") as f:
            assert same(f["v"][where], values[where])
            assert same(h5calib.read(f["v"], where), values[where])


def write_with_ids_of_their_own(folder, rng, ids, shape):
    """Pedestals by memory cell, and ids in another file; the values, and where the ids begin."""
    raw = rng.integers(0, 1000, (len(ids), *shape), dtype="u2")
    pedestal = rng.uniform(0, 100, (CELLS, *shape)).astype("f4")
    with h5py.File(folder / "v.h5", "w") as f, h5py.File(folder / "ids.h5", "w") as g:
        f["raw"] = raw
        g["ids"] = ids
        calibration = h5calib.CellPedestal(pedestal=pedestal)
        h5calib.create_calibrated_dataset(
            f, "v", raw="raw", calibration=calibration, cell_ids=g["ids"], chunks=(1, *shape)
        )
        return raw.astype("f4"), pedestal, g["ids"].id.get_offset()


def test_cell_ids_of_a_file_cut_short(tmp_path, rng):
    """Refused, whether its ids were asked for before or not; no cell is made up."""
    ids = rng.integers(0, CELLS, MANY)
    raw, pedestal, begin = write_with_ids_of_their_own(tmp_path, rng, ids, (2, 3))
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["v"][0], raw[0] - pedestal[ids[0]])
        with open(tmp_path / "ids.h5", "r+b") as g:
            g.truncate(begin + 5000 * 8)
        for read in (f["v"].__getitem__, lambda i: h5calib.read(f["v"], i)):
            for i in (1, MANY - 1):
                with pytest.raises(OSError, match=r"ids\.h5"):
                    read(i)


def test_cell_ids_that_change(tmp_path, rng):
    """Written to by this process, in a file of their own, after a frame was read."""
    ids = np.arange(9) % CELLS
    raw, pedestal, _ = write_with_ids_of_their_own(tmp_path, rng, ids, (4, 6))
    time.sleep(0.1)
    for wait in (0, 0.1):
        for i in range(9):
            with h5py.File(tmp_path / "v.h5") as f:
                assert same(f["v"][i], raw[i] - pedestal[ids[i]])
                assert same(h5calib.read(f["v"], i), raw[i] - pedestal[ids[i]])
                ids[i] = (ids[i] + 1) % CELLS
                with h5py.File(tmp_path / "ids.h5", "r+") as g:
                    g["ids"][i] = ids[i]
                time.sleep(wait)
                assert same(h5calib.read(f["v"], i), raw[i] - pedestal[ids[i]])
            with h5py.File(tmp_path / "v.h5") as f:
                assert same(f["v"][i], raw[i] - pedestal[ids[i]])
