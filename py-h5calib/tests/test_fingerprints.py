"""A view that finds other files of the same names and shapes where its links lead: an error."""

from __future__ import annotations

import json
import shutil
import zlib

import h5py
import numpy as np
import pytest
from facilities import run, same

import h5calib
from h5calib.contents.fingerprint import _box

SHAPE = (5, 12, 300)
OTHER = "is not the data that the calibrated dataset was made with"


def raw_of(seed):
    return np.random.default_rng(seed).integers(0, 9000, SHAPE, dtype="u2")


def dark_of(seed, dtype="f4"):
    return np.random.default_rng(seed).integers(0, 2000, SHAPE[1:]).astype(dtype)


def write_sources(folder, dark, raw, raw_options=(), **options):
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "c.h5", "w") as file:
        file.create_dataset("dark", data=dark, **options)
    with h5py.File(folder / "r.h5", "w") as file:
        file.create_dataset("raw", data=raw, **dict(raw_options))


def write_view(folder, axes=None, frames=None):
    with h5py.File(folder / "v.h5", "w") as file:
        pedestal = h5calib.Constant("c.h5:/dark", axes) if axes is not None else "c.h5:/dark"
        h5calib.create_calibrated_dataset(
            *(file, "v", "r.h5:/raw", h5calib.Pedestal(pedestal)), frames=frames
        )


def both_ways(folder):
    """Through the filter, and past it."""
    with h5py.File(folder / "v.h5") as file:
        values = file["v"][()]
        assert same(h5calib.read(file["v"]), values)
        return values


def refused(folder, what):
    with h5py.File(folder / "v.h5") as file:
        for read in (lambda: file["v"][0, 0, 0], lambda: h5calib.read(file["v"])):
            with pytest.raises(OSError, match=rf"'{what}' in '.*\.h5' {OTHER}"):
                read()


def recorded(folder, name):
    with h5py.File(folder / "v.h5") as file:
        (home,) = file["h5calib"].values()
        group = home if name == "raw" else home["constants"]
        text = group.attrs.get(f"fingerprint_{name}")
    return text.decode() if text is not None else None


def replace_by_copy(path):
    """The same contents, another file."""
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two folders with files of the same names; the working folder is the first."""
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    return tmp_path / "one", tmp_path / "two"


KINDS = {
    "plain": ("f4", {}),
    "big-endian": (">f4", {}),
    "big-endian integers": (">u2", {}),
    "float16": ("f2", {}),
    "float64": ("f8", {}),
    "compressed": ("f4", {"chunks": (5, 70), "compression": "gzip"}),
    "chunked": ("f4", {"chunks": (5, 70)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_constants(here, kind):
    one, two = here
    dtype, options = KINDS[kind]
    write_sources(one, dark_of(1, dtype), raw_of(1), **options)
    write_sources(two, dark_of(2, dtype), raw_of(1), **options)
    write_view(one)
    assert same(both_ways(one), raw_of(1).astype("f4") - dark_of(1).astype(dtype).astype("f4"))
    shutil.move(one / "v.h5", two / "v.h5")
    refused(two, "pedestal")


def test_the_same_bytes_of_another_type(here):
    one, two = here
    write_sources(one, dark_of(1), raw_of(1))
    write_sources(two, dark_of(1).view("i4"), raw_of(1))
    write_view(one)
    shutil.move(one / "v.h5", two / "v.h5")
    refused(two, "pedestal")


def test_a_chain(here):
    """Calibrated data has fingerprints of its own, and cannot be sampled for one."""
    one, two = here
    write_sources(one, dark_of(1), raw_of(1))
    write_sources(two, dark_of(2), raw_of(1))
    write_view(one)
    with h5py.File(one / "w.h5", "w") as file:
        h5calib.create_calibrated_dataset(file, "w", "v.h5:/v", h5calib.Pedestal("c.h5:/dark"))
        (home,) = file["h5calib"].values()
        assert list(home.attrs) == []
    with h5py.File(one / "w.h5") as file:
        before = raw_of(1).astype("f4") - dark_of(1)
        assert same(file["w"][()], before - dark_of(1))
    shutil.copy(one / "c.h5", two / "c.h5")
    shutil.move(one / "w.h5", two / "w.h5")
    shutil.move(one / "v.h5", two / "v.h5")
    write_sources(two, dark_of(1), raw_of(2))  # what the first link of the chain leads to
    with h5py.File(two / "w.h5") as file, pytest.raises(OSError, match=f"'raw' in .*{OTHER}"):
        file["w"][()]


@pytest.mark.parametrize("axes", ["yx", "xy", "y", "x", ""])
def test_orders_of_axes(here, axes):
    one, two = here
    dark = {"yx": dark_of(1), "xy": dark_of(1).T, "y": dark_of(1)[:, 0], "x": dark_of(1)[0]}
    value = dark.get(axes, np.float32(7))
    write_sources(one, value, raw_of(1))
    write_sources(two, value + np.float32(1), raw_of(1))
    write_view(one, axes)
    full = {"xy": dark_of(1), "y": value[:, None] if axes == "y" else 0}.get(axes, value)
    assert same(both_ways(one), raw_of(1).astype("f4") - full)
    shutil.move(one / "v.h5", two / "v.h5")
    refused(two, "pedestal")


def test_virtual_constants(here):
    one, two = here
    for folder, seed in ((one, 1), (two, 2)):
        write_sources(folder, dark_of(seed), raw_of(1))
        (folder / "c.h5").rename(folder / "part.h5")
        layout = h5py.VirtualLayout(SHAPE[1:], "f4")
        layout[...] = h5py.VirtualSource("part.h5", "dark", SHAPE[1:])
        with h5py.File(folder / "c.h5", "w") as file:
            file.create_virtual_dataset("dark", layout)
    write_view(one)
    assert same(both_ways(one), raw_of(1).astype("f4") - dark_of(1))
    shutil.move(one / "v.h5", two / "v.h5")
    refused(two, "pedestal")


@pytest.mark.parametrize("raw_options", [{}, {"chunks": (1, 12, 300), "compression": "gzip"}])
def test_other_raw_data(here, raw_options):
    one, two = here
    write_sources(one, dark_of(1), raw_of(1), raw_options)
    write_sources(two, dark_of(1), raw_of(2), raw_options)
    write_view(one)
    assert len(recorded(one, "raw").split()) == (5 if raw_options else 6)
    assert same(both_ways(one), raw_of(1).astype("f4") - dark_of(1))
    shutil.move(one / "v.h5", two / "v.h5")
    refused(two, "raw")
    arguments = ("relink", f"{two}/v.h5:/v", "--raw", f"{two}/r.h5:/raw")
    assert "it has other values" in run(*arguments, status=1)
    refused(two, "raw")
    run(*arguments, "--changed")
    assert same(both_ways(two), raw_of(2).astype("f4") - dark_of(1))


def test_raw_data_that_grows(here):
    one, _ = here
    options = {"maxshape": (None, *SHAPE[1:]), "chunks": (1, *SHAPE[1:])}
    write_sources(one, dark_of(1), raw_of(1), options)
    write_view(one, frames=[4, 0])
    with h5py.File(one / "r.h5", "r+") as file:
        file["raw"].resize(9, axis=0)
        file["raw"][5:] = 77
    assert same(both_ways(one), raw_of(1)[[4, 0]].astype("f4") - dark_of(1))
    replace_by_copy(one / "r.h5")
    assert same(both_ways(one), raw_of(1)[[4, 0]].astype("f4") - dark_of(1))
    with h5py.File(one / "r.h5", "r+") as file:
        file["raw"].resize(4, axis=0)
    refused(one, "raw")


def test_raw_data_that_is_not_written_yet(here):
    """Frames that were allocated when the view was made, and filled later."""
    one, _ = here
    raw = raw_of(1)
    raw[3:] = 0
    write_sources(one, dark_of(1), raw)
    write_view(one)
    assert len(recorded(one, "raw").split()) == 5  # the first frame
    with h5py.File(one / "r.h5", "r+") as file:
        file["raw"][3:] = raw_of(2)[3:]
    replace_by_copy(one / "r.h5")
    assert same(both_ways(one)[3:], raw_of(2)[3:].astype("f4") - dark_of(1))
    write_sources(one, dark_of(1), np.zeros(SHAPE, "u2"))
    write_view(one)
    assert recorded(one, "raw") is None
    write_sources(one, dark_of(1), raw_of(1))
    assert same(both_ways(one), raw_of(1).astype("f4") - dark_of(1))


def test_files_without_fingerprints(here):
    """Those written before there were any."""
    one, two = here
    write_sources(one, dark_of(1), raw_of(1))
    write_sources(two, dark_of(2), raw_of(2))
    write_view(one)
    with h5py.File(one / "v.h5", "r+") as file:
        (home,) = file["h5calib"].values()
        del home.attrs["fingerprint_raw"], home["constants"].attrs["fingerprint_pedestal"]
    assert same(both_ways(one), raw_of(1).astype("f4") - dark_of(1))
    shutil.move(one / "v.h5", two / "v.h5")
    assert same(both_ways(two), raw_of(2).astype("f4") - dark_of(2))


def test_nothing_is_recorded_of_the_file_itself(here):
    one, _ = here
    with h5py.File(one / "v.h5", "w") as file:
        file["raw"], file["dark"] = raw_of(1), dark_of(1)
        h5calib.create_calibrated_dataset(file, "v", "raw", h5calib.Pedestal("dark"))
        (home,) = file["h5calib"].values()
        assert not home.attrs
        assert list(home["constants"].attrs) == ["axes_pedestal"]


def test_constants_that_were_edited(here):
    """In the file that was linked to, that is seen at once; in a copy of it, it is refused."""
    one, _ = here
    write_sources(one, dark_of(1), raw_of(1))
    write_view(one)
    edited = dark_of(1)
    edited[0, 0] += 1
    with h5py.File(one / "v.h5") as file:
        assert same(file["v"][()], raw_of(1).astype("f4") - dark_of(1))
        with h5py.File(one / "c.h5", "r+") as constants:
            constants["dark"][0, 0] += 1
        assert same(h5calib.read(file["v"]), raw_of(1).astype("f4") - edited)
    assert same(both_ways(one), raw_of(1).astype("f4") - edited)
    replace_by_copy(one / "c.h5")
    refused(one, "pedestal")
    constant = f"pedestal={one}/c.h5:/dark"
    text = run("relink", f"{one}/v.h5:/v", "--constant", constant, status=1)
    assert "give changed=True (--changed)" in text
    refused(one, "pedestal")
    run("relink", f"{one}/v.h5:/v", "--constant", constant, "--changed")
    assert same(both_ways(one), raw_of(1).astype("f4") - edited)
    with h5py.File(one / "v.h5") as file:
        assert all(f.ok in (True, None) for f in h5calib.verify(file["v"], values=True))
        kept = json.loads(file["v"].attrs["h5calib_constants"])["pedestal"]
    (before,) = kept["replaced"]
    assert before["sha256"] != kept["sha256"]
    assert before["until"].startswith("20")


@pytest.mark.parametrize("value", [dark_of(1)[:6], dark_of(1, "f8")])
def test_what_changed_does_not_take(here, value):
    one, _ = here
    write_sources(one, dark_of(1), raw_of(1))
    write_view(one)
    write_sources(one, value, raw_of(1))
    with (
        h5py.File(one / "v.h5", "r+") as file,
        pytest.raises(ValueError, match=r"was made with float32 and \(12, 300\): create a new"),
    ):
        h5calib.relink(file["v"], constants={"pedestal": "c.h5:/dark"}, changed=True)


DAMAGED = ["", "f4", "f4 12x300", "f4 12x300 zz 0+1", "f4 12x300 12345678", "f4 12x300 1 0+1 x",
           "f4 12x300 1 0+1x", "f4 12x300 1 0+1 =", "f4 12x300 1 0+1 =1:2x",
           "f4 12x300 1 0+301", "f4 12x300 1 3599+2", "f4 12x300 1 0+0", "f4 12x300 1 -1+1",
           "f4 12x300 1 0+3600", "f4 12x300 1 3600+1", "f4 12x300 123456789 0+1",
           "f4 1x1x1x1x1x1x1x1x1 1 0+1", "f4 12x300 1" + 400 * " 0+1 1+1"]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged(here, text):
    one, _ = here
    write_sources(one, dark_of(1), raw_of(1))
    write_view(one)
    with h5py.File(one / "v.h5", "r+") as file:
        (home,) = file["h5calib"].values()
        home["constants"].attrs["fingerprint_pedestal"] = np.bytes_(text.encode() or b" ")
    with h5py.File(one / "v.h5") as file:
        for read in (lambda: file["v"][0], lambda: h5calib.read(file["v"])):
            with pytest.raises(OSError, match="the fingerprint of 'pedestal', linked to in"):
                read()


def test_as_the_format_says(here):
    """Computed anew from the page: samples are runs of elements in C order, little-endian."""
    one, _ = here
    write_sources(one, dark_of(1, ">f4"), raw_of(1))
    write_view(one)
    for name, data in (("pedestal", dark_of(1)), ("raw", raw_of(1))):
        kind, shape, crc, *samples, file = recorded(one, name).split()
        found = (one / f"{'c' if name == 'pedestal' else 'r'}.h5").stat()
        assert file == f"={found.st_dev}:{found.st_ino}"
        assert kind == data.dtype.str[1:]
        assert tuple(map(int, shape.split("x"))) == data.shape
        found = 0
        for sample in samples:
            first, n = map(int, sample.split("+"))
            found = zlib.crc32(
                data.reshape(-1)[first : first + n].astype(data.dtype).tobytes(), found
            )
        assert int(crc, 16) == found
        if name == "pedestal":
            assert len(samples) == 16
            assert samples[0].startswith("0+")
            assert sum(map(int, samples[-1].split("+"))) == data.size


@pytest.mark.parametrize(
    "shape", [(), (1,), (700,), (3, 5, 7), (2, 1, 300), (4, 6, 128), (9, 2000)]
)
def test_samples_are_runs(shape, rng):
    data = rng.integers(0, 99, shape)
    for place in {0, data.size // 3, data.size - 1}:
        for axis in range(max(1, len(shape))):
            first, n, selection = _box(shape, place, 128, axis)
            assert first <= place
            assert 1 <= n <= 128
            assert np.array_equal(np.ravel(data[selection]), data.reshape(-1)[first : first + n])
            inside = int(np.prod(shape[axis:]))  # one item of the axes before
            assert first // inside == (first + n - 1) // inside
