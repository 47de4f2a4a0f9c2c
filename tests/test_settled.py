"""What is kept from call to call: set-up datasets, the next chunk. Their files must be old
enough to be trusted, and frames large enough for helper threads, or nothing is kept."""

import subprocess
import sys
import time

import h5calib
import h5py
import numpy as np
import pytest
from support import same

SETTLED = 0.15  # seconds; views are kept for files older than some ticks of the file clock
SHAPE = (12, 256, 512)


@pytest.fixture
def large(tmp_path, rng, request):
    """raw.h5 and view.h5 of frames with several blocks each, and the values."""
    raw = rng.integers(0, 60000, SHAPE, dtype="u2")
    pedestal = rng.uniform(0, 100, SHAPE[1:]).astype("f4")
    with h5py.File(tmp_path / "raw.h5", "w") as f:
        f.create_dataset("raw", data=raw, **getattr(request, "param", {}))
    with h5py.File(tmp_path / "view.h5", "w") as f:
        h5calib.create_calibrated_dataset(
            f,
            "v",
            raw=f"{tmp_path / 'raw.h5'}:/raw",
            calibration=h5calib.Pedestal(pedestal=pedestal),
            chunks=(1, *SHAPE[1:]),
        )
    time.sleep(SETTLED)
    return tmp_path, raw.astype("f4") - pedestal, pedestal


@pytest.mark.parametrize(
    "large", [{}, {"chunks": (1, 256, 512)}, {"chunks": (5, 100, 512)}], indirect=True
)
def test_any_order_of_frames(large):
    """The chunk prepared ahead is used for no other."""
    folder, values, _ = large
    orders = [range(12), range(11, -1, -1), [0, 1, 2, 7, 3, 4, 5, 0], range(0, 12, 2), [3, 3, 3]]
    with h5py.File(folder / "view.h5") as f:
        for order in orders:
            for i in order:
                assert same(f["v"][i], values[i])
        assert same(h5calib.read(f["v"], threads=3), values)


WRITE = "import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as f: f['raw'][3] = 11\n"


@pytest.mark.parametrize("who", ["this process", "another process"])
def test_a_change_after_settling_shows(large, who):
    folder, values, pedestal = large
    with h5py.File(folder / "view.h5") as f:
        for i in range(3):  # steady steps: frame 3 is being prepared
            assert same(f["v"][i], values[i])
        if who == "this process":
            with h5py.File(folder / "raw.h5", "r+") as g:
                g["raw"][3] = 11
        else:
            subprocess.run([sys.executable, "-c", WRITE, str(folder / "raw.h5")], check=True)
        assert same(f["v"][3], np.float32(11) - pedestal)
