"""ADIOS2 files: what a kill leaves, and what `recover` makes of it."""

import os
import pickle
import subprocess
import sys

import numpy as np
import openpmd_ccd
import pytest
from conftest import by_api, frame
from openpmd_ccd import CCD, RecoveryError, ScanBusyError, ScanExistsError, SettingError

pytest.importorskip("openpmd_api")

DIE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from conftest import frame
from openpmd_ccd import CCD
scan = CCD(sys.argv[2], blocking=eval(sys.argv[3]))
for number in range(6): scan.add(number, frame(number), metadata={"n": number})
scan.flush()
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("cut", [0, 20])
def test_kill_and_recover(blocking, cut, tmp_path):
    path = tmp_path / "cam.bp"
    here = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", DIE, here, path, str(blocking)], timeout=60)
    with pytest.raises(OSError, match="openpmd-ccd recover"):
        openpmd_ccd.open_scan(path)
    if cut:
        os.truncate(path / "md.idx", (path / "md.idx").stat().st_size - cut)
    result = openpmd_ccd.recover(path)
    expected = list(range(6 if not cut else 5))
    assert (result.shots, result.lost) == (expected, [5] if cut else [])
    shots = by_api(path)
    assert sorted(shots) == expected
    for number, shot in shots.items():
        np.testing.assert_array_equal(shot["planes"][""], frame(number))
        assert shot["metadata"] == {"n": number}
    with openpmd_ccd.open_scan(path) as scan:
        assert scan.numbers == expected
    assert openpmd_ccd.recover(path).shots == expected


def test_existing_and_busy(tmp_path):
    path = tmp_path / "cam.bp"
    with CCD(path) as scan:
        scan.add(0, frame(0))
        with pytest.raises(ScanBusyError):
            CCD(path, overwrite=True)
    with pytest.raises(ScanExistsError):
        CCD(path)
    with CCD(path, overwrite=True) as scan:
        scan.add(3, frame(3))
    assert sorted(by_api(path)) == [3]


@pytest.mark.parametrize("compression", ["gzip", "blosc2", "bitshuffle"])
def test_compression(compression, tmp_path):
    path = tmp_path / "cam.bp"
    with CCD(path, compression=compression) as scan:
        scan.add(0, frame(0, (300, 300)))
    np.testing.assert_array_equal(by_api(path)[0]["planes"][""], frame(0, (300, 300)))
    assert sum(p.stat().st_size for p in path.iterdir()) < 0.95 * 2 * 300 * 300


@pytest.mark.parametrize("suffix", [".h5", ".bp"])
def test_arrays_from_elsewhere(suffix, tmp_path):
    """Out of a pickle (another process), read-only (a camera's buffer), strided."""
    path = tmp_path / f"cam{suffix}"
    given = [pickle.loads(pickle.dumps(frame(0))), frame(1), frame(2, (128, 64))[::2].T]
    given[1].flags.writeable = False
    with CCD(path) as scan:
        for number, image in enumerate(given):
            scan.add(number, image)
    for number, shot in by_api(path).items():
        np.testing.assert_array_equal(shot["planes"][""], given[number])


def test_bad_options(tmp_path):
    for option in ({"swmr": True}, {"compression": "zip"}):
        with pytest.raises(SettingError):
            CCD(tmp_path / "cam.bp", **option)
    with pytest.raises(RecoveryError, match="no ADIOS2 file"):
        openpmd_ccd.recover(tmp_path / "nope.bp")
    assert not list(tmp_path.iterdir())


def test_nothing_is_printed(tmp_path, capfd):
    with CCD(tmp_path / "cam.bp", fsync=True) as scan:
        scan.add(0, frame(0))
    assert capfd.readouterr() == ("", "")
