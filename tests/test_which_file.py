"""The very file that is read: none that was open before, lies elsewhere, or has a name like it."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import time

import h5calib
import h5py
import numpy as np
import pytest
from support import forget_fingerprints, make_single, make_view, same

DIFFER = "give different values"


def edited_copy(path, copy, raw_path="raw"):
    """A byte copy with the same identity and other raw data; what it must read as is unknown."""
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as f:
        f[raw_path][...] = 7
    time.sleep(0.05)
    return copy


# ---- files opened while other descriptors were taken -----------------------------------------


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("frame", [0, 5, 11])
def test_opened_behind_a_file_that_is_closed(tmp_path, detector, chunks, frame):
    """The lowest free descriptor says nothing about higher ones."""
    path = make_single(tmp_path / "a.h5", detector, chunks=(chunks, 16, 24), libver="latest")
    copy = edited_copy(path, tmp_path / "b.h5")
    with h5py.File(tmp_path / "outer.h5", "w") as f:
        f["link"] = h5py.ExternalLink("b.h5", "/calibrated")
    time.sleep(0.05)
    with h5py.File(path) as f:
        for i in (0, 3, 6, 9):
            assert same(f["calibrated"][i], detector.values[i])
        outer = h5py.File(tmp_path / "outer.h5")
        dataset = outer["link"]
        outer.close()
        with pytest.raises(OSError, match=DIFFER):
            dataset[frame]
    assert copy.exists()


def test_one_descriptor_closed_and_another_opened(tmp_path, detector):
    """As many are open as before, and one of them is of another file."""
    path = make_single(tmp_path / "a.h5", detector)
    copy = edited_copy(path, tmp_path / "b.h5")
    with h5py.File(path) as f:
        spare = os.open(os.devnull, os.O_RDONLY)
        high = os.dup2(spare, 200)
        assert same(f["calibrated"][0], detector.values[0])
        os.close(high)
        with h5py.File(copy) as second, pytest.raises(OSError, match=DIFFER):
            second["calibrated"][4]
        os.close(spare)


# ---- names that are long, relative, or lead elsewhere ----------------------------------------


def deep_folder(tmp_path, length):
    folder = tmp_path
    while len(str(folder)) + 100 < length:
        folder = folder / ("x" * 99)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def link_raw_to(view_path, file_name, object_path):
    with h5py.File(view_path, "r+") as f:
        (home,) = f["h5calib"].values()
        del home["raw"]
        home["raw"] = h5py.ExternalLink(file_name, object_path)


@pytest.mark.parametrize("length", [600, 1022, 1023, 1024, 1300, 3000])
def test_long_paths(tmp_path, detector, monkeypatch, length):
    """Also where another file has the beginning of the path as its name."""
    folder = deep_folder(tmp_path, length - 10)
    monkeypatch.chdir(folder)
    name = "r" * max(1, length - len(str(folder)) - 1 - 3) + ".h5"
    with h5py.File(name, "w") as f:
        f["raw"] = detector.raw
    whole = f"{folder}/{name}"
    for cut in (1023, 1022):
        if len(str(folder)) + 1 < cut < len(whole):
            with h5py.File(whole[len(str(folder)) + 1 : cut], "w") as f:
                f["raw"] = detector.raw[::-1].copy()
    monkeypatch.chdir(tmp_path)
    paths = make_view(tmp_path, detector)
    link_raw_to(paths.path, whole, "/raw")
    forget_fingerprints(paths.path)
    with h5py.File(paths.path) as f:
        assert same(f["calibrated"][...], detector.values)


LINKS = {
    "short": lambda name: (name, "/data/raw"),
    "long": lambda name: (name, "/" + "./" * 1100 + "data/raw"),
    "soft": lambda name: (".", "/soft"),
    "folder": lambda name: (".", "/group/raw"),
}


@pytest.mark.parametrize("variable", ["HDF5_EXT_PREFIX", None])
@pytest.mark.parametrize("kind", sorted(LINKS))
def test_links_are_followed_from_the_folder_of_the_view(tmp_path, detector, kind, variable):
    """Neither HDF5_EXT_PREFIX nor the current folder leads to another file of that name."""
    paths = make_view(tmp_path, detector)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with h5py.File(elsewhere / "raw.h5", "w") as f:
        f["data/raw"] = detector.raw[::-1].copy()
    with h5py.File(paths.path, "r+") as f:
        f["group"] = h5py.ExternalLink("raw.h5", "/data")
        f["outside"] = h5py.ExternalLink("raw.h5", "/data/raw")
        f["soft"] = h5py.SoftLink("/outside")
        (home,) = f["h5calib"].values()
        del home["raw"]
        name, target = LINKS[kind]("raw.h5")
        home["raw"] = h5py.SoftLink(target) if name == "." else h5py.ExternalLink(name, target)
    forget_fingerprints(paths.path)
    code = f"import h5py, h5calib, numpy; f = h5py.File({str(paths.path)!r}); "
    code += f"numpy.save({str(tmp_path / 'out.npy')!r}, f['calibrated'][...])"
    environment = {**os.environ, **({variable: str(elsewhere)} if variable else {})}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=elsewhere, check=True)
    assert same(np.load(tmp_path / "out.npy"), detector.values)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_opened_by_a_relative_name_and_gone_elsewhere(tmp_path, detector, monkeypatch, mode):
    paths = make_view(tmp_path, detector)
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    with h5py.File("view.h5", mode) as f:
        monkeypatch.chdir("b")
        assert same(f["calibrated"][...], detector.values)
        assert same(h5calib.read(f["calibrated"]), detector.values)
    assert paths.path.exists()


# ---- in memory, or through a Python object ---------------------------------------------------


def open_object(path, how):
    return io.BytesIO(path.read_bytes()) if how == "bytes" else open(path, "rb")


@pytest.mark.parametrize("how", ["bytes", "object"])
@pytest.mark.parametrize("links", ["relative", "absolute"])
@pytest.mark.parametrize("folder", ["own", "other", "root"])
def test_a_file_without_a_folder(tmp_path, detector, monkeypatch, how, links, folder):
    """The current folder is searched for nothing, though a file of that name lies there."""
    with h5py.File(tmp_path / "raw.h5", "w") as f:
        f["data/raw"] = detector.raw
    path = tmp_path / "view.h5"
    with h5py.File(path, "w") as f:
        h5calib.create_calibrated_dataset(
            f, "c", f"{tmp_path}/raw.h5:/data/raw", detector.calibration, links=links
        )
    forget_fingerprints(path)
    (tmp_path / "b").mkdir()
    with h5py.File(tmp_path / "b" / "raw.h5", "w") as f:
        f["data/raw"] = detector.raw[::-1].copy()
    monkeypatch.chdir({"own": tmp_path, "other": tmp_path / "b", "root": "/"}[folder])
    with open_object(path, how) as source, h5py.File(source, "r") as f:
        if links == "absolute":
            assert same(f["c"][...], detector.values)
        else:
            with pytest.raises(OSError, match="nothing tells the folder"):
                f["c"][0]


# ---- what passes is not remembered -----------------------------------------------------------


def test_no_descriptor_left_for_a_while(tmp_path, detector):
    path = make_single(tmp_path / "a.h5", detector)
    time.sleep(0.05)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    with h5py.File(path) as f:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        try:
            with pytest.raises(OSError, match="no file descriptor is left"):
                f["calibrated"][0]
        finally:
            for fd in held:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert same(f["calibrated"][...], detector.values)


# ---- nothing waits for ever ------------------------------------------------------------------


def read_apart(path, seconds=20):
    """What a process of its own says; it must end in time."""
    code = f"import h5py, h5calib; h5py.File({str(path)!r})['calibrated'][0]"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds
    )
    return done.stderr


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "link"])
def test_raw_data_in_what_is_no_file(tmp_path, detector, kind):
    paths = make_view(tmp_path, detector)
    target = tmp_path / "pipe.h5"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "link":
        os.mkfifo(tmp_path / "pipe")
        target.symlink_to("pipe")
    else:
        target = "/dev/zero"
    link_raw_to(paths.path, str(target), "/data/raw")
    assert "is no regular file" in read_apart(paths.path)


@pytest.mark.parametrize("eighths", range(1, 9))
def test_raw_data_of_which_the_end_is_missing(tmp_path, detector, eighths):
    """With metadata behind the cut: SWMR access would wait for it 100 times, twice as long each."""
    paths = make_view(tmp_path, detector)
    with h5py.File(paths.raw_path, "w", libver="latest") as f:
        f["a"] = np.arange(3000)
        f.create_dataset("data/raw", data=detector.raw, chunks=(1, 16, 24))
        for i in range(20):
            f[f"data/x{i}"] = i
    content = paths.raw_path.read_bytes()
    forget_fingerprints(paths.path)
    paths.raw_path.write_bytes(content[: min(len(content) * eighths // 8, len(content) - 1)])
    said = read_apart(paths.path)
    assert "OSError" in said or eighths == 8


def nested(path, detector, levels, each):
    """`each` mappings on every level, all to the level below."""
    with h5py.File(path, "w", libver="latest") as f:
        f["raw"] = f["l0"] = detector.raw
        n = len(detector.raw)
        for i in range(1, levels + 1):
            layout = h5py.VirtualLayout(shape=detector.raw.shape, dtype="u2")
            for j in range(each):
                part = slice(j * n // each, (j + 1) * n // each)
                layout[part] = h5py.VirtualSource(".", f"l{i - 1}", shape=layout.shape)[part]
            f.create_virtual_dataset(f"l{i}", layout)
        h5calib.create_calibrated_dataset(f, "calibrated", "raw", detector.calibration)
        (home,) = f["h5calib"].values()
        del home["raw"]
        home["raw"] = h5py.SoftLink(f"/l{levels}")


def test_a_source_of_many_mappings_is_looked_at_once(tmp_path, detector):
    nested(tmp_path / "v.h5", detector, levels=8, each=6)
    start = time.monotonic()
    with h5py.File(tmp_path / "v.h5") as f:
        assert same(f["calibrated"][...], detector.values)
    assert time.monotonic() - start < 10


def test_nested_too_deeply_by_a_way_that_was_looked_at(tmp_path, detector):
    nested(tmp_path / "v.h5", detector, levels=17, each=2)
    with h5py.File(tmp_path / "v.h5") as f, pytest.raises(OSError, match="nested too deeply"):
        f["calibrated"][0]


# ---- the program's own files -----------------------------------------------------------------


def test_other_files_are_not_written_out(tmp_path, detector):
    """A file that this program writes, and that the dataset is not computed from."""
    paths = make_view(tmp_path, detector)
    with h5py.File(tmp_path / "out.h5", "w") as out, h5py.File(paths.path) as f:
        stored = out.create_dataset("x", shape=(12, 16, 24), dtype="f4", chunks=(12, 16, 24))
        out.flush()
        before = (tmp_path / "out.h5").read_bytes()
        for i in range(12):
            stored[i] = f["calibrated"][i]
        assert (tmp_path / "out.h5").read_bytes() == before, "its chunk was written out"


def writing_mode(way):
    """HDF5 opens a file once more only as it is open already."""
    return "r" if way == "raw" else "r+"


@pytest.mark.parametrize("way", ["view", "raw", "constants"])
def test_what_it_is_computed_from_is_written_out(tmp_path, detector, way):
    path = make_single(tmp_path / "one.h5", detector)
    if way == "raw":
        path = make_view(tmp_path, detector).path
    with h5py.File(path) as f:
        before = f["calibrated"][3]
    raw_path = tmp_path / "raw.h5" if way == "raw" else path
    with h5py.File(raw_path, "r+") as writing, h5py.File(path, writing_mode(way)) as f:
        if way == "constants":
            writing["pedestal"][...] = detector.pedestal + np.float32(1)
        else:
            writing["data/raw" if way == "raw" else "raw"][3] = detector.raw[4]
        after = f["calibrated"][3]
    assert not same(before, after)
    if way != "constants":
        code = detector.raw[4] >> 14
        stage = np.minimum(code, 2)
        pedestal = np.take_along_axis(detector.pedestal, stage[None], 0)[0]
        gain = np.take_along_axis(detector.gain, stage[None], 0)[0]
        expected = ((detector.raw[4] & 0x3FFF).astype("f4") - pedestal) / gain
        assert same(after, np.where(code == 2, np.float32(np.nan), expected))
