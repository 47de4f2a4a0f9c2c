"""Raw data is looked at where the system keeps it: the same numbers, and none of a file cut short.

What is read in a process of its own: `in_place=False` is the same without looking.
"""

import os
import subprocess
import sys
import time

import h5calib
import h5py
import numpy as np
import pytest
from support import jungfrau_rule, same

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looked at in place on Linux alone")

N, CELLS, NY, NX = 10, 4, 66, 500  # more pixels than one thread is given
MIB = 2**20


@pytest.fixture(autouse=True)
def _system_tells(tmp_path):
    """What is not known to be in memory is not looked at."""
    path = tmp_path / "probe"
    path.write_bytes(b"x")
    with open(path) as f:
        try:
            os.preadv(f.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            pytest.skip(f"no preadv2 with RWF_NOWAIT on the file system of {tmp_path}")


def jungfrau(rng):
    raw = rng.integers(0, 1 << 16, (N, NY, NX), dtype="u2")
    pedestal, gain = (rng.uniform(a, b, (3, NY, NX)).astype("f4") for a, b in ((0, 9000), (1, 40)))
    calibration = h5calib.Jungfrau(pedestal=pedestal, gain=gain)
    return raw, None, calibration, jungfrau_rule(raw, pedestal, gain)


def agipd(rng):
    """Signal and gain voltage in planes."""
    raw, cells = rng.integers(0, 8000, (N, 2, NY, NX), dtype="u2"), np.arange(N) % CELLS
    threshold = np.stack([np.full((CELLS, NY, NX), v, "f4") for v in (2500, 5000)], 1)
    pedestal, gain = (
        rng.uniform(a, b, (CELLS, 3, NY, NX)).astype("f4") for a, b in ((0, 4000), (1, 40))
    )
    calibration = h5calib.Agipd(threshold=threshold, pedestal=pedestal, gain=gain)
    stage = (raw[:, 1] > 2500).astype(int) + (raw[:, 1] > 5000)
    chosen = (np.take_along_axis(a[cells], stage[:, None], 1)[:, 0] for a in (pedestal, gain))
    return raw, cells, calibration, (raw[:, 0].astype("f4") - next(chosen)) / next(chosen)


def pedestal_of(kind):
    """Wider raw numbers, which may be off by more than a byte."""

    def pedestal(rng):
        raw, cells = rng.integers(0, 8000, (N, NY, NX)).astype(kind), np.arange(N) % CELLS
        constants = rng.uniform(0, 4000, (CELLS, NY, NX)).astype("f4")
        calibration = h5calib.CellPedestal(pedestal=constants)
        return raw, cells, calibration, raw.astype("f4") - constants[cells]

    return pedestal


DETECTORS = {
    "jungfrau": jungfrau,
    "agipd": agipd,
    "pedestal-u2": pedestal_of("u2"),
    "pedestal-f4": pedestal_of("f4"),
    "pedestal-f8": pedestal_of("f8"),
}

# frames and rows of a chunk; planes and columns are whole
STORAGE = {"contiguous": None, "a frame": (1, NY), "frames": (3, NY), "rows": (1, 25)}


def write_raw(path, raw, chunk=None, *, odd=False):
    """/raw in a file; `odd`: every chunk of it begins at an odd address."""
    chunks = None if chunk is None else (chunk[0], *raw.shape[1:-2], chunk[1], raw.shape[-1])
    with h5py.File(path, "w", libver="latest") as f:
        numbers = f.create_dataset("raw", raw.shape, raw.dtype, chunks=chunks)
        places = (
            [(0,) * raw.ndim]
            if chunks is None
            else [
                (i, *(0,) * (raw.ndim - 3), y, 0)
                for i in range(0, len(raw), chunk[0])
                for y in range(0, raw.shape[-2], chunk[1])
            ]
        )
        for i, place in enumerate(places):
            if odd:  # room that ends at an odd address
                f.flush()
                end = path.stat().st_size
                f[f"room/{i}"] = np.zeros(5001 - end % 2, "u1")
            if chunks is None:
                numbers[...] = raw
                continue
            block = np.zeros(chunks, raw.dtype)
            part = raw[tuple(slice(a, a + n) for a, n in zip(place, chunks, strict=True))]
            block[tuple(map(slice, part.shape))] = part
            numbers.id.write_direct_chunk(place, block.tobytes())
    return path


def addresses(path):
    with h5py.File(path) as f:
        numbers = f["raw"].id
        if f["raw"].chunks is None:
            return [numbers.get_offset()]
        return [numbers.get_chunk_info(i).byte_offset for i in range(numbers.get_num_chunks())]


def write_view(path, raw_path, cells, calibration, chunks=None):
    with h5py.File(path, "w") as f:
        h5calib.create_calibrated_dataset(
            f, "v", raw=f"{raw_path}:/raw", calibration=calibration, cell_ids=cells, chunks=chunks
        )
    return path


def in_process(code, *arguments, in_place=True, **environment):
    """What a program prints that ends as programs do."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "H5CALIB_IN_PLACE": "always" if in_place else "0", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.split()


READ = """
import sys
import h5calib, h5py, numpy as np
path, raw, out = sys.argv[1:]
with h5py.File(path) as f:
    v = f["v"]
    frames = np.stack([v[i] for i in range(len(v))])
    np.save(out, [frames, v[...], h5calib.read(v, threads=1), h5calib.read(v, threads=3)])
    rows = v[:, 7:31], h5calib.read(v, np.s_[:, 7:31])
    assert all(np.array_equal(a, frames[:, 7:31], equal_nan=True) for a in rows)
    with open("/proc/self/maps") as maps:
        print(sum(raw in line for line in maps))
"""


@pytest.mark.parametrize("odd", [False, True], ids=["as it comes", "odd"])
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("name", DETECTORS)
def test_same_numbers(tmp_path, rng, name, storage, odd):
    raw, cells, calibration, values = DETECTORS[name](rng)
    raw_path = write_raw(tmp_path / "numbers.h5", raw, STORAGE[storage], odd=odd)
    assert not odd or all(at % 2 for at in addresses(raw_path))
    path = write_view(tmp_path / "v.h5", raw_path, cells, calibration)
    for in_place in (True, False):
        out = tmp_path / "values.npy"
        (windows,) = in_process(READ, path, raw_path, out, in_place=in_place)
        assert (int(windows) > 0) == in_place
        assert all(same(one, values) for one in np.load(out))
    with h5py.File(path) as f:  # and beside everything else this process does
        assert same(f["v"][...], values)
        assert same(h5calib.read(f["v"]), values)


def test_chunks_not_of_whole_frames(tmp_path, rng):
    """Views in parts of frames, where rows do not join."""
    raw, cells, calibration, values = agipd(rng)
    raw_path = write_raw(tmp_path / "numbers.h5", raw, (3, 25), odd=True)
    path = write_view(tmp_path / "v.h5", raw_path, cells, calibration, (2, 40, 333))
    out = tmp_path / "values.npy"
    in_process(READ, path, raw_path, out)
    assert all(same(one, values) for one in np.load(out))


READ_ALONGSIDE = """
import sys, time
import h5calib, h5py, numpy as np
path, values = sys.argv[1], np.load(sys.argv[2])
counts = {"right": 0, "wrong": 0, "refused": 0}
print("reading", flush=True)
until = time.monotonic() + 5
with h5py.File(path) as f:
    v = f["v"]
    frames = [lambda i=i: v[i] for i in range(len(v))]
    reads = [lambda: np.stack([frame() for frame in frames]), lambda: v[...],
             lambda: h5calib.read(v), lambda: h5calib.read(v, threads=1)]
    while time.monotonic() < until:
        for read in reads:
            try:
                right = np.array_equal(read(), values, equal_nan=True)
                counts["right" if right else "wrong"] += 1
            except OSError:
                counts["refused"] += 1
print(*counts.values())
"""


@pytest.mark.parametrize("storage", ["contiguous", "frames", "constants"])
def test_file_cut_short_by_another(tmp_path, rng, storage):
    """Cut anywhere and written again: right numbers or an error, and no end by SIGBUS."""
    raw, cells, calibration, values = agipd(rng)
    raw_path = write_raw(tmp_path / "numbers.h5", raw, STORAGE.get(storage), odd=True)
    path, cut = tmp_path / "v.h5", raw_path
    if storage == "constants":  # each frame of a chunk of its own: they pass by (test_strips.py)
        cut = tmp_path / "constants.h5"
        with h5py.File(cut, "w") as f:
            for name, constant in calibration.constants.items():
                f[name] = constant.source
            linked = h5calib.Agipd(**{name: f[name] for name in f})
            first = min(f[name].id.get_offset() for name in f)
            write_view(path, raw_path, cells, linked, (1, NY, NX))
    else:
        first = min(addresses(raw_path))
        write_view(path, raw_path, cells, calibration)
    np.save(tmp_path / "values.npy", values)
    content = cut.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", READ_ALONGSIDE, path, tmp_path / "values.npy"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as reader, open(cut, "r+b", buffering=0) as f:  # fmt: skip
        assert reader.stdout.readline() == "reading\n"
        for _ in range(20000):
            if reader.poll() is not None:
                break
            size = int(rng.integers(first, len(content)))
            f.truncate(size)
            f.seek(size)
            time.sleep(rng.choice([0, 0, 0.03]))
            for _ in range(rng.integers(4)):  # ends in many pages
                size += f.write(content[size : size + int(rng.integers(1, 9000))])
            f.write(content[size:])
            time.sleep(rng.choice([0, 0.002, 0.05]))
        output, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, (reader.returncode, errors)
    right, wrong, refused = map(int, output.split())
    assert wrong == 0
    assert right > 0
    assert refused > 0
    print(f"{right} right, {refused} refused")


RESIDENT = """
import sys
import h5calib, h5py, numpy as np
path, raw = sys.argv[1:]
def resident():
    found, ours = 0, False
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if not line.split()[0].endswith(":"):
                ours = raw in line
            elif ours and line.startswith("Rss:"):
                found += int(line.split()[1]) * 1024
    return found
with h5py.File(path) as f:
    v = f["v"]
    out = np.empty((1, *v.shape[1:]), v.dtype)
    most = 0
    for i in range(len(v)):
        h5calib.read(v, np.s_[i : i + 1], out=out)
        most = max(most, resident())
        v.read_direct(out, np.s_[i : i + 1], np.s_[:])
        most = max(most, resident())
print(most)
"""

# the most memory of the process there ever was, from before its first read on
GROWTH = """
import sys
import h5calib, h5py, numpy as np
def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
with h5py.File(sys.argv[1]) as f:
    out = np.ones(f["v"].shape, "f4")
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = most()
    h5calib.read(f["v"], out=out)
    print(most() - before)
"""


@pytest.fixture
def large(tmp_path):
    """More raw data than a window holds."""
    raw = np.zeros((24, 1024, 2048), "u2")
    raw_path = write_raw(tmp_path / "numbers.h5", raw)
    calibration = h5calib.CellPedestal(pedestal=np.zeros(raw.shape[1:], "f4"))
    return write_view(tmp_path / "v.h5", raw_path, None, calibration), raw_path


@pytest.mark.parametrize("bound", [16, 40, 128], ids="{} MiB".format)
def test_mapped_pages_stay_within_the_bound(large, bound):
    """Of the cache; and they are used, where there is room for a window."""
    (most,) = in_process(RESIDENT, *large, H5CALIB_CACHE_BYTES=str(bound * MIB))
    assert int(most) <= bound * MIB
    assert int(most) > 0 or bound < 32


@pytest.mark.parametrize("bound", [16, 40], ids="{} MiB".format)
def test_one_long_read_stays_within_the_bound(large, bound):
    with_it, without = (
        int(in_process(GROWTH, large[0], in_place=yes, H5CALIB_CACHE_BYTES=str(bound * MIB))[0])
        for yes in (True, False)
    )
    assert with_it - without <= bound * MIB


@pytest.mark.parametrize("storage", STORAGE)
def test_changes_of_this_process(tmp_path, rng, storage):
    """A writer of raw data in this process, after it was looked at."""
    raw, cells, calibration, values = pedestal_of("u2")(rng)
    raw_path = write_raw(tmp_path / "numbers.h5", raw, STORAGE[storage], odd=True)
    path = write_view(tmp_path / "v.h5", raw_path, cells, calibration)
    with h5py.File(path) as f:
        for _ in range(2):
            assert same(f["v"][...], values)
            assert same(h5calib.read(f["v"]), values)
        for i in range(5):
            with h5py.File(raw_path, "r+") as g:
                g["raw"][i] = raw[i + CELLS]  # another frame of this cell
                values[i] = values[i + CELLS]
                g.flush()
                assert same(f["v"][i], values[i])
                assert same(h5calib.read(f["v"], i), values[i])
            assert same(f["v"][...], values)
            assert same(h5calib.read(f["v"]), values)
