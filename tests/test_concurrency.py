"""Threads, forked and spawned processes."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from support import make_single, make_view, same


def read_frame(arguments):
    path, i = arguments
    with h5py.File(path) as f:
        return f["calibrated"][i]


def test_threads_on_one_file(view):
    with h5py.File(view.path) as f, concurrent.futures.ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda i: f["calibrated"][i % 12], range(200)))
    assert all(same(frame, view.values[i % 12]) for i, frame in enumerate(frames))


def test_threads_on_many_files(tmp_path, detector):
    paths = []
    for i in range(6):
        (tmp_path / str(i)).mkdir()
        paths.append(make_view(tmp_path / str(i), detector).path)
    jobs = [(paths[i % 6], i % 12) for i in range(120)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for (_, i), frame in zip(jobs, pool.map(read_frame, jobs), strict=True):
            assert same(frame, detector.values[i])


TWO_LIBRARIES = """
import sys, threading
import h5py, numpy as np, tables
path, values = sys.argv[1], np.load(sys.argv[2])
good = []

def through(read):
    frames = [read(i % 12) for i in range(150)]
    same = [np.array_equal(a, values[i % 12], equal_nan=True) for i, a in enumerate(frames)]
    good.append(all(same))

with h5py.File(path) as f, tables.open_file(path) as t:
    node = t.root.calibrated
    reads = (lambda i: f["calibrated"][i], lambda i: node[i])
    threads = [threading.Thread(target=through, args=(read,)) for read in reads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(good)
"""


def test_threads_in_two_libraries(tmp_path, view, plugin_dir):
    """Two callbacks at a time, each with the lock of its own libhdf5."""
    np.save(tmp_path / "values.npy", view.values)
    done = subprocess.run(
        [sys.executable, "-c", TWO_LIBRARIES, str(view.path), str(tmp_path / "values.npy")],
        env={**os.environ, "HDF5_PLUGIN_PATH": plugin_dir},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[True, True]", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(view, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {method}")
    with h5py.File(view.path) as f:
        assert same(f["calibrated"][0], view.values[0])
        with multiprocessing.get_context(method).Pool(3) as pool:
            jobs = [(view.path, i % 12) for i in range(60)]
            for (_, i), frame in zip(jobs, pool.map(read_frame, jobs), strict=True):
                assert same(frame, view.values[i])
        assert same(f["calibrated"][...], view.values)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_shares_open_files_with_its_parent(tmp_path, detector):
    """Both read the same open files at the same time; neither disturbs the other's position."""
    path = make_single(tmp_path / "one.h5", detector, chunks=(1, 16, 24))
    with h5py.File(path) as f:
        assert same(f["calibrated"][0], detector.values[0])
        child = os.fork()
        good = all(same(f["calibrated"][i % 12], detector.values[i % 12]) for i in range(300))
        if child == 0:
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert good
