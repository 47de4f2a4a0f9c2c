"""Real JUNGFRAU frames against an outside reference, through h5py and through h5dump.

Four frames of one module with the photon counts that another program computed
(PSI's test data, kept outside this repository). Bounds per gain stage are those
found for the reference, in photons.
"""

import os
import shutil
import subprocess
from pathlib import Path

import h5calib
import h5py
import numpy as np
import pytest

DATA = Path(
    os.environ.get(
        "H5CALIB_JUNGFRAU_DATA",
        Path(__file__).resolve().parents[2] / "shared/data/jungfrau_mod5.npz",
    )
)
BOUNDS = {0: 2.3e-6, 1: 4.2e-5, 3: 4.1e-4}  # gain code -> photons

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="no real JUNGFRAU frames here (set H5CALIB_JUNGFRAU_DATA)"
)


@pytest.fixture(scope="module")
def real():
    with np.load(DATA) as data:
        return {name: data[name] for name in data}


@pytest.fixture(scope="module")
def real_view(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jungfrau")
    with h5py.File(folder / "raw.h5", "w") as f:
        f.create_dataset("data/raw", data=real["raw"], chunks=(1, 512, 1024))
    calibration = h5calib.Jungfrau(pedestal=real["pedestal"], gain=real["gain_adu_per_photon"])
    with h5py.File(folder / "view.h5", "w") as f:
        for dtype in ("f4", "f8"):
            h5calib.create_calibrated_dataset(
                f, dtype, raw=f"{folder / 'raw.h5'}:/data/raw", calibration=calibration, dtype=dtype
            )
    return folder / "view.h5"


def check(real, values, slack):
    """Held-out frames, where the reference's gain is known and the pixel is not saturated."""
    checked = 0
    for frame in np.flatnonzero(real["heldout"]):
        raw = real["raw"][frame]
        for code, bound in BOUNDS.items():
            stage = {0: 0, 1: 1, 3: 2}[code]
            pedestal = real["pedestal"][stage]
            good = (raw >> 14 == code) & (raw != 0xC000) & (real["gain_adu_per_photon"][stage] != 0)
            good &= (pedestal != 0) & (pedestal != 16383)
            difference = np.abs(values[frame] - real["conv"][frame])[good]
            scale = slack * np.abs(real["conv"][frame][good])
            assert (difference <= bound + scale).all(), (frame, code, difference.max())
            checked += good.sum()
    assert checked > 900_000  # of two frames with 524288 pixels each


def test_through_h5py(real, real_view):
    with h5py.File(real_view) as f:
        check(real, f["f8"][...], 0)
        check(real, f["f4"][...], 4 * np.finfo("f4").eps)
        assert np.isnan(
            f["f8"][...][:, real["gain_adu_per_photon"][0] == 0][
                real["raw"][:, real["gain_adu_per_photon"][0] == 0] < 0x4000
            ]
        ).all()


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed (hdf5-tools)")
def test_through_h5dump(real, real_view, tmp_path, plugin_dir):
    command = ["h5dump", "-d", "/f8", "-b", "LE", "-o", str(tmp_path / "out.bin"), str(real_view)]
    environment = {"PATH": os.environ["PATH"], "HDF5_PLUGIN_PATH": plugin_dir}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    check(real, np.fromfile(tmp_path / "out.bin", "f8").reshape(real["raw"].shape), 0)
