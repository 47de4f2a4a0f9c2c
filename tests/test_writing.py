"""Files that this process, or another one, has open for writing: never stale, never disturbed."""

import subprocess
import sys
import textwrap

import h5calib
import h5py
import numpy as np
import pytest
import tables
from support import forget_fingerprints, make_single, make_view, same

LIBVERS = pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])


@LIBVERS
def test_read_in_the_session_that_creates(tmp_path, detector, libver):
    with h5py.File(tmp_path / "one.h5", "w", libver=libver) as f:
        f["raw"] = detector.raw
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration, chunks=(1, 16, 24)
        )
        assert dataset[2, 3, 4] == detector.values[2, 3, 4]
        assert same(dataset[...], detector.values)


@LIBVERS
def test_writes_to_raw_and_constants_show_at_once(tmp_path, detector, libver):
    path = make_single(tmp_path / "one.h5", detector, libver=libver)
    with h5py.File(path, "r+", libver=libver) as f:
        for value in range(40):
            f["raw"][1] = value
            f["pedestal"][0, 0, 0] = value
            pedestal = detector.pedestal[0].copy()
            pedestal[0, 0] = value
            expected = (np.float32(value) - pedestal) / detector.gain[0]
            assert same(f["calibrated"][1], expected)
    with h5py.File(path) as f:
        assert same(f["calibrated"][1], expected)


@LIBVERS
def test_writes_to_an_external_raw_file_show_at_once(tmp_path, detector, libver):
    paths = make_view(tmp_path, detector, libver=libver, chunks=(1, 16, 24))
    with h5py.File(paths.raw_path, "r+", libver=libver) as raw, h5py.File(paths.path) as f:
        assert same(f["calibrated"][...], detector.values)
        for value in range(20):
            raw["data/raw"][1] = value
            expected = (np.float32(value) - detector.pedestal[0]) / detector.gain[0]
            assert same(f["calibrated"][1], expected)


def test_compressed_raw_in_a_writable_file(tmp_path, detector):
    options = {"chunks": (5, 16, 24), "compression": "gzip", "shuffle": True}
    path = make_single(tmp_path / "one.h5", detector, libver="latest", **options)
    with h5py.File(path, "r+") as f:
        raw = f["raw"]
        for value in range(10):
            raw[4:7] = value
            expected = (np.float32(value) - detector.pedestal[0]) / detector.gain[0]
            assert same(f["calibrated"][5], expected)
            assert same(f["calibrated"][7:], detector.values[7:])


# Releases before open a source with file locking: what somebody has open cannot be read.
SHARES_SOURCES = h5py.version.hdf5_version_tuple >= (1, 14, 5)


def test_virtual_raw_whose_source_is_being_written(tmp_path, detector):
    with h5py.File(tmp_path / "source.h5", "w") as f:
        f["frames"] = detector.raw
    layout = h5py.VirtualLayout(shape=detector.shape, dtype="u2")
    layout[...] = h5py.VirtualSource("source.h5", "frames", shape=detector.shape)
    with h5py.File(tmp_path / "raw.h5", "w") as f:
        f.create_virtual_dataset("raw", layout)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration
        )
    with h5py.File(tmp_path / "raw.h5") as f, h5py.File(tmp_path / "source.h5", "r+") as source:
        if not SHARES_SOURCES:
            with pytest.raises(OSError, match="a source of virtual raw data, while it is in use"):
                f["calibrated"][...]
            return
        assert same(f["calibrated"][...], detector.values)
        for value in range(10):
            source["frames"][2] = value
            expected = (np.float32(value) - detector.pedestal[0]) / detector.gain[0]
            assert same(f["calibrated"][2], expected)


def test_virtual_raw_with_a_source_missing(tmp_path, detector):
    """HDF5 takes a missing source for fill values; calibrated, they would look like numbers."""
    names = [f"part{i}.h5" for i in range(3)]
    layout = h5py.VirtualLayout(shape=detector.shape, dtype="u2")
    for i, name in enumerate(names):
        with h5py.File(tmp_path / name, "w") as f:
            f["frames"] = detector.raw[4 * i : 4 * i + 4]
        layout[4 * i : 4 * i + 4] = h5py.VirtualSource(name, "frames", shape=(4, 16, 24))
    with h5py.File(tmp_path / "view.h5", "w") as f:
        f.create_virtual_dataset("raw", layout)
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=detector.calibration
        )
    with h5py.File(tmp_path / "view.h5") as f:
        assert same(f["calibrated"][...], detector.values)
    with h5py.File(tmp_path / names[1], "r+") as f:
        f.move("frames", "elsewhere")
    with (
        h5py.File(tmp_path / "view.h5") as f,
        pytest.raises(OSError, match=r"'frames', is not in '.*part1.h5'"),
    ):
        f["calibrated"][...]
    (tmp_path / names[1]).unlink()
    with (
        h5py.File(tmp_path / "view.h5") as f,
        pytest.raises(OSError, match=r"part1.h5' cannot be opened"),
    ):
        f["calibrated"][...]


def test_nested_virtual_raw_over_calibrated_sources(tmp_path, detector):
    """raw is virtual over virtual over calibrated datasets in further files."""
    (tmp_path / "a").mkdir()
    make_view(tmp_path / "a", detector)
    for name, source, dataset in (
        ("inner.h5", "a/view.h5", "calibrated"),
        ("outer.h5", "inner.h5", "v"),
    ):
        layout = h5py.VirtualLayout(shape=detector.shape, dtype="f4")
        layout[...] = h5py.VirtualSource(source, dataset, shape=detector.shape)
        with h5py.File(tmp_path / name, "w") as f:
            f.create_virtual_dataset("v", layout)
    with h5py.File(tmp_path / "top.h5", "w") as f:
        one = h5calib.Pedestal(pedestal=np.ones((16, 24), "f4"))
        h5calib.create_calibrated_dataset(
            f, "top", raw=f"{tmp_path / 'outer.h5'}:/v", calibration=one
        )
    for _ in range(2):
        with h5py.File(tmp_path / "top.h5") as f:
            if SHARES_SOURCES:
                assert same(f["top"][...], detector.values - np.float32(1))
            else:
                with pytest.raises(OSError, match=r"raw|identity"):
                    f["top"][...]


def test_reopened_for_writing_after_reading(view):
    for _ in range(3):
        with h5py.File(view.path) as f:
            assert same(f["calibrated"][0], view.values[0])
        for path in (view.path, view.raw_path):
            with h5py.File(path, "r+") as f:
                f.attrs["touched"] = 1


def test_reopened_for_writing_while_a_view_is_kept(view):
    """What the plugin keeps open must hold no lock."""
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][0], view.values[0])
        with h5py.File(view.raw_path, "r+") as raw:
            raw["data/raw"][0] = 5
            assert same(f["calibrated"][0], (np.float32(5) - view.pedestal[0]) / view.gain[0])


def test_raw_file_replaced_under_the_same_name(view, detector):
    forget_fingerprints(view.path)
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][...], view.values)
        other = view.folder / "new.h5"
        with h5py.File(other, "w") as g:
            g["data/raw"] = np.full_like(detector.raw, 9)
        other.replace(view.raw_path)
        assert same(f["calibrated"][3], (np.float32(9) - view.pedestal[0]) / view.gain[0])


def test_raw_file_changed_by_another_process(view):
    script = "import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as f: f['data/raw'][...] = 11\n"
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][...], view.values)
        subprocess.run([sys.executable, "-c", script, str(view.raw_path)], check=True)
        assert same(f["calibrated"][3], (np.float32(11) - view.pedestal[0]) / view.gain[0])


def test_raw_open_for_writing_in_another_library(view):
    """What PyTables holds back the library of h5py cannot know: an error, not old numbers."""
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][0], view.values[0])
        with tables.open_file(str(view.raw_path), "a") as other:
            other.root.data.raw[0] = 5
            with pytest.raises(OSError, match="open for writing in this program through another"):
                f["calibrated"][0]
        assert same(f["calibrated"][0], (np.float32(5) - view.pedestal[0]) / view.gain[0])


WRITER = textwrap.dedent(
    """
    import sys, h5py
    with h5py.File(sys.argv[1], "r+", libver="latest") as f:
        f.swmr_mode = True
        raw = f["raw"]
        print("ready", flush=True)
        for line in sys.stdin:
            frame, value = map(int, line.split())
            raw[frame] = value
            raw.flush()
            print("written", flush=True)
    """
)


def test_swmr_reader(tmp_path, detector):
    """Another process writes raw data; the view is read with SWMR, and sees each frame."""
    path = make_single(tmp_path / "one.h5", detector, libver="latest", chunks=(1, 16, 24))
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout.readline() == "ready\n"
        with h5py.File(path, swmr=True) as f:
            assert same(f["calibrated"][...], detector.values)
            for value in range(20):
                print(value % 12, value, file=writer.stdin, flush=True)
                assert writer.stdout.readline() == "written\n"
                expected = (np.float32(value) - detector.pedestal[0]) / detector.gain[0]
                assert same(f["calibrated"][value % 12], expected)
        writer.stdin.close()
        assert writer.wait(30) == 0


def test_external_raw_written_with_swmr(tmp_path, detector):
    """The raw file grows in another process; the view is opened plainly."""
    with h5py.File(tmp_path / "one.h5", "w", libver="latest") as f:
        f.create_dataset("raw", data=detector.raw, chunks=(1, 16, 24), maxshape=(None, 16, 24))
    with h5py.File(tmp_path / "view.h5", "w") as f:
        h5calib.create_calibrated_dataset(
            f, "calibrated", raw=f"{tmp_path / 'one.h5'}:/raw", calibration=detector.calibration
        )
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "one.h5")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout.readline() == "ready\n"
        with h5py.File(tmp_path / "view.h5") as f:
            for value in range(20):
                print(3, value, file=writer.stdin, flush=True)
                assert writer.stdout.readline() == "written\n"
                expected = (np.float32(value) - detector.pedestal[0]) / detector.gain[0]
                assert same(f["calibrated"][3], expected)
        writer.stdin.close()
        assert writer.wait(30) == 0


def test_a_calibrated_dataset_cannot_be_written(tmp_path, detector):
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path, "r+") as f:
        with pytest.raises(OSError, match="cannot be written"):
            f["calibrated"][0] = 1
        assert same(f["calibrated"][...], detector.values)
    with h5py.File(path) as f:
        assert same(f["calibrated"][...], detector.values)


def test_a_calibrated_dataset_cannot_be_made_by_hand(tmp_path, detector):
    """Its filter parameters in another dataset's creation are refused."""
    path = make_single(tmp_path / "one.h5", detector)
    with h5py.File(path) as f, h5py.File(tmp_path / "two.h5", "w") as g:
        plist = f["calibrated"].id.get_create_plist()
        space = h5py.h5s.create_simple(detector.shape)
        with pytest.raises(
            (OSError, ValueError, RuntimeError), match="cannot be written or created anew"
        ):
            h5py.h5d.create(g.id, b"copy", h5py.h5t.NATIVE_FLOAT, space, plist)
