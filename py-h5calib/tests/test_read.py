"""Calibrated datasets read with h5py give what the kernels and the references give."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.reading import direct

CREATE = h5calib.create_calibrated_dataset


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("chunks", [None, (1, 12, 16), (3, 12, 16), (2, 5, 16), (2, 5, 7)])
def test_jungfrau(view, jungfrau, calibration, chunks, dtype):
    dataset = CREATE(view, "calibrated", "raw", calibration, chunks=chunks, dtype=dtype)
    expected = calibration.reference(jungfrau[0], dtype=dtype)
    assert np.array_equal(dataset[()], expected, equal_nan=True)
    for selection in (np.s_[3], np.s_[6, 11, 15], np.s_[::2, 3:9, ::5], np.s_[-1, ..., 1]):
        assert np.array_equal(dataset[selection], expected[selection], equal_nan=True)


def test_a_single_element_as_the_first_read(view, jungfrau, calibration, tmp_path):
    expected = calibration.reference(jungfrau[0], dtype="f4")[5, 11, 3]
    CREATE(view, "calibrated", "raw", calibration)
    view.close()
    with h5py.File(tmp_path / "view.h5") as file:
        assert np.array_equal(file["calibrated"][5, 11, 3], expected, equal_nan=True)


RAW_STORAGE = {
    "contiguous": {},
    "chunked": {"chunks": (2, 5, 16)},
    "gzip": {"chunks": (2, 12, 16), "compression": "gzip", "shuffle": True},
    "checksum": {"chunks": (3, 12, 16), "fletcher32": True},
}


@pytest.mark.parametrize("storage", RAW_STORAGE)
def test_storage_of_raw(tmp_path, jungfrau, calibration, storage):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("raw", data=jungfrau[0], **RAW_STORAGE[storage])
    with h5py.File(tmp_path / "view.h5", "w") as file:
        CREATE(file, "calibrated", f"{tmp_path}/raw.h5:/raw", calibration)
    with h5py.File(tmp_path / "view.h5") as file:
        expected = h5calib.calibrate(jungfrau[0], calibration)
        assert np.array_equal(file["calibrated"][()], expected, equal_nan=True)


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", ">i2", "u2", "i4", ">u4", "i8", "u8", "f2", "f4", ">f8"]
)
def test_dtypes_of_raw_and_constants(view, dtype, rng):
    raw = rng.integers(0, 100, (3, 4, 5)).astype(dtype)
    pedestal = rng.integers(0, 100, (4, 5)).astype(dtype)
    view["numbers"], view["dark"] = raw, pedestal
    expected = raw.astype("f4") - pedestal.astype("f4")
    for name, constant in {"array": pedestal, "linked": "dark"}.items():
        dataset = CREATE(view, name, "numbers", h5calib.Pedestal(constant))
        assert np.array_equal(dataset[()], expected)


def test_agipd_as_in_the_files_of_the_european_xfel(tmp_path, agipd):
    """Trains of frames, cellId (n, 1), constants transposed in a file of their own."""
    raw, constants, cells = agipd
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        image = file.create_group("INSTRUMENT/SPB/DET/0CH0:xtdf/image")
        image.create_dataset("data", data=raw, chunks=(1, 2, 8, 16))
        image["cellId"] = cells.reshape(-1, 1)
    with h5py.File(tmp_path / "constants.h5", "w") as file:
        for name, values in constants.items():
            file[name] = values.transpose(3, 2, 0, 1).astype("f8")
    linked = {
        name: h5calib.Constant(f"{tmp_path}/constants.h5:/{name}", axes="xycs")
        for name in constants
    }
    source = f"{tmp_path}/raw.h5:/INSTRUMENT/SPB/DET/0CH0:xtdf/image"
    with h5py.File(tmp_path / "view.h5", "w") as file:
        calibration = h5calib.Agipd(**linked, masked_value=-1)
        CREATE(file, "a", f"{source}/data", calibration, cell_ids=f"{source}/cellId")
        CREATE(file, "b", f"{source}/data", calibration, cells, frames=[9, 2, 2], dtype="f8")
    expected = calibration.reference(raw, cells)
    with h5py.File(tmp_path / "view.h5") as file:
        single = h5calib.Agipd(**constants).reference(raw, cells, "f4")
        assert np.array_equal(file["a"][()], single)
        assert np.array_equal(file["b"][()], expected[[9, 2, 2]])


def test_several_frame_axes(view, agipd):
    raw, constants, cells = agipd
    view["trains"] = raw.reshape(2, 5, 2, 8, 16)
    calibration = h5calib.Agipd(**constants)
    dataset = CREATE(
        view, "calibrated", "trains", calibration, cell_ids=cells, chunks=(1, 2, 8, 16)
    )
    expected = calibration.reference(raw, cells, "f4").reshape(2, 5, 8, 16)
    assert np.array_equal(dataset[()], expected)


def test_one_frame_without_frame_axes(view, jungfrau, calibration):
    view["frame"] = jungfrau[0][0]
    dataset = CREATE(view, "calibrated", "frame", calibration)
    expected = calibration.reference(jungfrau[0][0], dtype="f4")
    assert np.array_equal(dataset[()], expected, equal_nan=True)


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4"])
def test_photons_as_integers(view, jungfrau, dtype):
    calibration = h5calib.Jungfrau(**jungfrau[1], rounding="half_even", photon_energy=9.2)
    dataset = CREATE(view, "calibrated", "raw", calibration, dtype=dtype)
    assert dataset.dtype == dtype
    assert np.array_equal(dataset[()], h5calib.calibrate(jungfrau[0], calibration, dtype=dtype))


def test_bad_cells_become_nan(view, rng):
    view["frames"] = rng.integers(0, 100, (4, 3, 5))
    calibration = h5calib.CellPedestal(np.ones((2, 3, 5), "f4"), bad_cell="nan")
    dataset = CREATE(view, "calibrated", "frames", calibration, cell_ids=[0, 7, 1, -1])
    assert np.isnan(dataset[()]).all(axis=(1, 2)).tolist() == [False, True, False, True]


def test_frame_selection_in_chunks(view, jungfrau, calibration):
    chosen = [6, 0, 3, 3, 1]
    dataset = CREATE(view, "calibrated", "raw", calibration, frames=chosen, chunks=(2, 12, 16))
    expected = calibration.reference(jungfrau[0], dtype="f4")[chosen]
    assert np.array_equal(dataset[()], expected, equal_nan=True)


def test_a_chain_of_calibrations(view, rng):
    view["frames"] = rng.integers(0, 100, (4, 3, 5))
    CREATE(view, "first", "frames", h5calib.Pedestal(2.0))
    second = CREATE(view, "second", "first", h5calib.Pedestal(np.ones((3, 5))))
    assert np.array_equal(second[()], view["frames"][()] - 3.0)


def test_a_folder_that_moves(tmp_path, jungfrau, calibration):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "raw").mkdir(parents=True)
    with h5py.File(here / "raw" / "run.h5", "w") as file:
        file["raw"] = jungfrau[0]
    with h5py.File(here / "view.h5", "w") as file:
        CREATE(file, "calibrated", f"{here}/raw/run.h5:/raw", calibration)
    shutil.move(here, there)
    with h5py.File(there / "view.h5") as file:
        expected = h5calib.calibrate(jungfrau[0], calibration)
        assert np.array_equal(file["calibrated"][()], expected, equal_nan=True)


def test_raw_data_is_only_read(tmp_path, jungfrau, calibration):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = jungfrau[0]
    before, time = path.read_bytes(), os.stat(path).st_mtime_ns
    with h5py.File(tmp_path / "view.h5", "w") as file:
        CREATE(file, "calibrated", f"{path}:/raw", calibration)[()]
    assert path.read_bytes() == before
    assert os.stat(path).st_mtime_ns == time


def test_writing_is_refused(view, calibration):
    dataset = CREATE(view, "calibrated", "raw", calibration)
    before = dataset[()]
    with pytest.raises(OSError, match="cannot be written"):
        dataset[0] = 0
    assert np.array_equal(dataset[()], before, equal_nan=True)


def test_a_raw_file_that_is_gone(tmp_path, jungfrau, calibration):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["raw"] = jungfrau[0]
    with h5py.File(tmp_path / "view.h5", "w") as file:
        CREATE(file, "calibrated", f"{tmp_path}/raw.h5:/raw", calibration)
    os.rename(tmp_path / "raw.h5", tmp_path / "moved.h5")
    with (
        h5py.File(tmp_path / "view.h5") as file,
        pytest.raises(OSError, match=str(tmp_path / "raw.h5")),
    ):
        file["calibrated"][0]


def test_after_a_failed_overwrite_the_old_values_are_read(view, jungfrau, calibration, monkeypatch):
    from h5calib.creating import write as _write

    dataset = CREATE(view, "calibrated", "raw", calibration)
    monkeypatch.setattr(_write, "_write_attributes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        CREATE(view, "calibrated", "raw", h5calib.Pedestal(1.0), overwrite=True)
    expected = h5calib.calibrate(jungfrau[0], calibration)
    assert np.array_equal(dataset[()], expected, equal_nan=True)
    assert np.array_equal(view["calibrated"][()], expected, equal_nan=True)


@pytest.mark.parametrize(
    ("options", "cut"), [({}, False), ({"common_mode": 2}, True), ({"common_mode": 0}, False)]
)
def test_a_region_goes_through_hdf5_only_with_a_common_mode(
    view, jungfrau, monkeypatch, options, cut
):
    calibration = h5calib.Jungfrau(**jungfrau[1], **options)
    whole = (1, *jungfrau[0].shape[1:])
    dataset = h5calib.create_calibrated_dataset(view, "v", "raw", calibration, chunks=whole)
    expected = dataset[1:5, 3:9, 2:11]
    asked = []
    function = direct._read_function()
    monkeypatch.setattr(
        direct, "_read_function", lambda: lambda *a: asked.append(a) or function(*a)
    )
    read = h5calib.read(dataset, np.s_[1:5, 3:9, 2:11])
    assert np.array_equal(read, expected, equal_nan=True)
    assert (not asked) == cut
