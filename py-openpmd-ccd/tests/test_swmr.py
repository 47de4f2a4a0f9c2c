"""``swmr=True``: read by another process while it is written."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import CCD, ImageError, ShotNumberError, open_scan

READ = """
import sys, h5py, numpy as np
from openpmd_ccd import open_scan
with h5py.File(sys.argv[1], "r", swmr=True) as file:
    live = file["live"]
    print(live["number"][()].tolist(), live["raw"].shape, int(live["raw"][-1].sum()))
with open_scan(sys.argv[1], live=True) as scan:
    print(scan.numbers, int(scan.shot(scan.numbers[-1]).pixels.sum()), len(scan.table["time"]))
"""


def read_elsewhere(path):
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_another_process_reads_while_shots_are_taken(compression, scan_path):
    with CCD(scan_path, swmr=True, compression=compression) as scan:
        for number in range(4):
            scan.add(10 * number, frame(number))
            numbers = [10 * n for n in range(number + 1)]
            total = int(frame(number).sum())
            assert read_elsewhere(scan_path) == [
                f"{numbers} ({number + 1}, 64, 64) {total}",
                f"{numbers} {total} {number + 1}",
            ]
    assert validator(scan_path) == (0, 0)
    for number, shot in by_api(scan_path).items():
        np.testing.assert_array_equal(shot["planes"][""], frame(number // 10))


def test_refresh_in_one_process(scan_path):
    with CCD(scan_path, swmr=True) as scan:
        scan.add(0, frame(0, (5, 6, 3)))
        # HDF5 opens a file once per process: the live reader needs one of its own
    with h5py.File(scan_path) as file:
        assert sorted(file) == ["data", "live"]
        assert file["data/0/shots/raw/r"].is_virtual


def test_before_the_first_shot(scan_path):
    scan = CCD(scan_path, swmr=True)
    done = subprocess.run([sys.executable, "-c", READ, scan_path], capture_output=True, text=True)
    assert done.returncode != 0
    scan.close()
    assert open_scan(scan_path).numbers == []


def test_all_shots_have_one_form(scan_path):
    with CCD(scan_path, swmr=True) as scan:
        scan.add(0, frame(0))
        with pytest.raises(ImageError, match="shape and type of the first"):
            scan.add(1, frame(1, (3, 4)))
        with pytest.raises(ImageError, match="shape and type of the first"):
            scan.add(1, frame(1, dtype="f4"))
        with pytest.raises(ShotNumberError):
            scan.add(0, frame(0))
        scan.recalibrate(resolution=2e-6)
        scan.add(1, frame(1))
    shots = by_api(scan_path)
    assert sorted(shots) == [0, 1]
    np.testing.assert_allclose(shots[1]["spacing"], [2e-6, 2e-6])
    np.testing.assert_allclose(shots[0]["spacing"], [1, 1])


def test_moved_file(scan_path):
    with CCD(scan_path, swmr=True) as scan:
        scan.add(0, frame(0))
    moved = scan_path.with_name("moved.h5")
    scan_path.rename(moved)
    np.testing.assert_array_equal(by_api(moved)[0]["planes"][""], frame(0))
