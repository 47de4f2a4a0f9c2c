"""Arrays that are read piece by piece: through dask in threads and processes, through xarray."""

import os
import pickle

import h5py
import numpy as np
import pytest
from dask.base import tokenize

import h5calib
from h5calib.lazy.files import OpenFiles
from h5calib.lazy.xarray_backend import H5calibBackend


@pytest.fixture
def view(tmp_path, rng):
    """A view of two modules of 20 frames with the whole of them; and its values."""
    raw = rng.integers(0, 1000, (2, 20, 6, 8)).astype("u2")
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((20, 2, 6, 8), "f4")
        for m in range(2):
            file[f"raw{m}"] = raw[m]
            calibration = h5calib.Pedestal(np.full((6, 8), m + 1, "f4"))
            h5calib.create_calibrated_dataset(
                file, f"m{m}/data", f"raw{m}", calibration, chunks=(3, 6, 8)
            )
            file[f"m{m}/trainId"] = np.arange(20) + 100
            layout[:, m] = h5py.VirtualSource(".", f"m{m}/data", (20, 6, 8), "f4")
        whole = file.create_group("DET")
        whole.create_virtual_dataset("data", layout, fillvalue=np.nan)
        whole["trainId"], whole["module"] = np.arange(20) + 100, [0, 3]
    values = raw.astype("f4") - np.array([1, 2], "f4")[:, None, None, None]
    return path, values.transpose(1, 0, 2, 3)


def test_an_array_that_can_be_pickled(view):
    path, values = view
    lazy = pickle.loads(pickle.dumps(h5calib.LazyArray(path, "DET/data")))
    assert (lazy.shape, lazy.ndim, lazy.size, len(lazy)) == ((20, 2, 6, 8), 4, values.size, 20)
    assert lazy.nbytes == values.nbytes
    assert np.array_equal(lazy[3:9, 1], values[3:9, 1])
    assert np.array_equal(np.asarray(lazy), values)
    assert h5calib.LazyArray(path, "m0/data").chunks == (3, 6, 8)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("raw0", h5calib.NotCalibratedError, "ordinary"), ("m0", h5calib.NotCalibratedError, "group"),
     ("no", KeyError, "no")],
)  # fmt: skip
def test_only_calibrated_datasets(view, name, error, message):
    with pytest.raises(error, match=message):
        h5calib.LazyArray(view[0], name)


def test_the_token_tells_what_the_values_rest_on(view):
    path, _ = view
    first, same = (tokenize(h5calib.LazyArray(path, "m0/data")) for _ in range(2))
    assert first == same != tokenize(h5calib.LazyArray(path, "m1/data"))
    with h5py.File(path, "r+") as file:
        calibration = h5calib.Pedestal(np.full((6, 8), 9, "f4"))
        h5calib.create_calibrated_dataset(file, "m0/data", "raw0", calibration, overwrite=True)
    assert tokenize(h5calib.LazyArray(path, "m0/data")) != first


def test_a_replaced_file_is_opened_anew(view, tmp_path):
    path, values = view
    lazy = h5calib.LazyArray(path, "m0/data")
    assert np.array_equal(lazy[0], values[0, 0])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["raw"] = np.zeros((20, 6, 8), "u2")
        calibration = h5calib.Pedestal(np.full((6, 8), 5, "f4"))
        h5calib.create_calibrated_dataset(file, "m0/data", "raw", calibration)
    os.replace(tmp_path / "other.h5", path)
    assert np.array_equal(lazy[0], np.full((6, 8), -5, "f4"))


def test_files_can_be_closed(view):
    path, values = view
    lazy = h5calib.LazyArray(path, "m0/data")
    assert np.array_equal(lazy[1], values[1, 0])
    h5calib.lazy.close_files()
    with h5py.File(path, "r+") as file:
        file.attrs["x"] = 1
    assert np.array_equal(lazy[2], values[2, 0])


def test_few_files_stay_open(tmp_path):
    files = OpenFiles(most=3)
    for i in range(10):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file["x"] = i
    for i in range(10):
        with files.use(str(tmp_path / f"{i}.h5")) as file:
            assert file["x"][()] == i
    assert len(files) == 3
    with files.use(str(tmp_path / "0.h5")) as held:
        for i in range(1, 10):
            with files.use(str(tmp_path / f"{i}.h5")):
                assert held["x"][()] == 0  # what is in use is not closed


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_dask(view, scheduler):
    path, values = view
    for place in (f"{path}:/DET/data", (path, "DET/data")):
        array = h5calib.dask_array(place, chunks=(7, 1, 6, 8))
        mean = array.mean(axis=0).compute(scheduler=scheduler)
        assert np.allclose(mean, values.mean(axis=0, dtype="f8"), rtol=1e-5)
    with h5py.File(path) as file:
        array = h5calib.dask_array(file["m1/data"])
        assert array.chunks[0] == (20,)
    assert np.array_equal(array.compute(scheduler=scheduler), values[:, 1])


@pytest.mark.filterwarnings("ignore")  # distributed's own, of its ports and event loop
def test_distributed(view):
    from distributed import Client, LocalCluster

    path, values = view
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
        ) as cluster,
        Client(cluster),
    ):
        array = h5calib.dask_array((path, "DET/data"), chunks=(5, 2, 6, 8))
        assert np.array_equal(array.compute(), values)


def test_xarray(view):
    xarray = pytest.importorskip("xarray")
    path, values = view
    data = xarray.open_dataset(path, engine=H5calibBackend)
    assert data["data"].dims == ("frame", "module", "y", "x")
    assert list(data["module"].values) == [0, 3]
    assert list(data["trainId"].values[:2]) == [100, 101]
    assert np.array_equal(data["data"][2:5, 1].values, values[2:5, 1])
    assert np.array_equal(data["data"][[7, 2]].values, values[[7, 2]])
    chunked = xarray.open_dataset(path, engine=H5calibBackend, name="m0/data", chunks={"frame": 6})
    assert np.array_equal(chunked["data"].mean("frame").values, values[:, 0].mean(axis=0))
    assert chunked["data"].sel(frame=3).shape == (6, 8)


def test_xarray_asks_which(view):
    xarray = pytest.importorskip("xarray")
    with h5py.File(view[0], "r+") as file:
        del file["DET"]
    with pytest.raises(
        ValueError, match=r"several calibrated datasets: give name=, one of m0/data"
    ):
        xarray.open_dataset(view[0], engine=H5calibBackend)
