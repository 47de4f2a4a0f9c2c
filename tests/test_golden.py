"""Files of every format version ever released read the same numbers for ever.

The values are computed here, from raw data and constants in the files, by the
formulas of docs/file-format.md and docs/detectors.md.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
from support import same

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def version0():
    with h5py.File(GOLDEN / "version0.h5") as f:
        yield f


@pytest.fixture
def version1():
    with h5py.File(GOLDEN / "version1.h5") as f:
        yield f


def test_version0_pedestal(version0):
    f = version0
    assert same(f["pedestal_v1"][...], f["raw"][...].astype("f4") - f["dark"][...].astype("f4"))


def test_version0_agipd_v1(version0):
    f = version0
    darks = f["darks"][...][[0, 1, 2, 0, 1]]
    assert f["AGIPD_v1"][2, 3, 4] == np.float32(f["raw"][2, 3, 4]) - darks[2, 3, 4]
    assert same(f["AGIPD_v1"][...], f["raw"][...].astype("f4") - darks)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_version0_agipd_v2(version0):
    f = version0
    signal, voltage = np.moveaxis(f["pairs"][...].astype("f4"), -1, 0)
    constants = f["constants"][...].astype("f4")[[0, 1, 2, 0, 1]]
    stage = np.where(voltage > constants[..., 0], 1, 0)
    stage = np.where(voltage > constants[..., 1], 2, stage)
    pedestal, gain = (
        np.take_along_axis(constants, (first + 2 * stage)[..., None], -1)[..., 0]
        for first in (2, 3)
    )
    values = (signal - pedestal) / gain
    assert np.isinf(values).any()  # a gain of zero, which the first h5calib divided by
    assert same(f["AGIPD_v2"][...], values)


def test_version1_pedestal(version1):
    f = version1
    values = f["raw"][...].astype("f4") - f["pedestal"][...]
    assert same(f["out/pedestal"][...], np.where(f["mask"][...] != 0, np.float32(np.nan), values))


def test_version1_cell_pedestal(version1):
    f = version1
    values = f["raw"][...].astype("f8") - f["pedestals"][...].astype("f8")[f["cells"][...]]
    assert f["out/cell_pedestal"].dtype == "f8"
    assert same(f["out/cell_pedestal"][...], values)


def test_version1_jungfrau(version1):
    f = version1
    raw = f["jungfrau_raw"][...][[6, 0, 3]]
    adc, code = (raw & 0x3FFF).astype("f4"), raw >> 14
    pedestal, gain = f["stage_pedestal"][...], f["stage_gain"][...].astype("f4")
    values = np.select(
        [code == 0, code == 1],
        [(adc - pedestal[0]) / gain[0], (adc - pedestal[1]) / gain[1]],
        (adc - pedestal[2]) / gain[2],
    ) / np.float32(9.5)
    assert same(f["out/jungfrau"][...], np.where(f["mask"][...] != 0, np.float32(-1), values))


def test_version1_agipd(version1):
    f = version1
    signal, voltage = np.moveaxis(f["agipd_raw"][...].astype("f4"), 1, 0)
    cells = f["cells"][...]
    stage = (voltage > 2000).astype(int)
    stage[voltage > 5000] = 2
    pedestal, gain = (
        np.take_along_axis(f[name][...][cells], stage[:, None], 1)[:, 0]
        for name in ("agipd_pedestal", "agipd_gain")
    )
    assert same(f["out/agipd"][...], (signal - pedestal) / gain)


def test_every_dataset_of_the_golden_files_is_tested(version0, version1):
    assert {name for name in version0 if version0[name].dtype == "f4" and "_v" in name} == {
        "pedestal_v1",
        "AGIPD_v1",
        "AGIPD_v2",
    }
    assert set(version1["out"]) == {"pedestal", "cell_pedestal", "jungfrau", "agipd"}
