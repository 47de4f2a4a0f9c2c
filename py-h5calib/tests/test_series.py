"""Many datasets that share constants: in one call of the plugin, and through h5py."""

import h5py
import numpy as np
import pytest

import h5calib
import h5calib.binding.hdf5
from h5calib.contents.descriptor import FILTER_ID, Descriptor, decode_stub
from h5calib.creating import series

SHAPES = [(6, 5), (4, 6, 5), (3000, 1000)]  # the last one has several chunks


@pytest.fixture(params=["one call", "h5py"])
def way(request, monkeypatch):
    """Both ways of creating; the second one is for an h5py whose libhdf5 cannot be called."""
    if request.param == "h5py":
        monkeypatch.setattr(series, "_functions", lambda: None)
    else:
        assert series._functions() is not None
    return request.param


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "series.h5", "w", libver=("v110", "v110")) as file:
        yield file


def start(file, shape, rng):
    """A Series of `pedestal`, and the pedestal."""
    pedestal = rng.uniform(0, 100, shape[-2:]).astype("f4")
    calibration = h5calib.Pedestal(pedestal)
    series.store_constants(file.create_group("constants"), calibration, shape[-2:])
    return series.Series(file["constants"], calibration), pedestal


ATTRIBUTES = [
    series.prepare("unitSI", np.float64(2.5)),
    series.prepare("axisLabels", np.array([b"y", b"x"])),
    series.prepare("text", np.bytes_(b"camera")),
    series.prepare("many", np.arange(14.0)[::2]),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_attributes_and_stubs(way, shape, file, rng):
    made, pedestal = start(file, shape, rng)
    attributes = ATTRIBUTES if way == "h5py" else series.Attributes(ATTRIBUTES)
    raws = rng.integers(0, 4000, (3, *shape)).astype("u2")
    for number, raw in enumerate(raws):
        group = file.create_group(f"shot {number}")
        group["raw"] = raw
        made.create(group, "calibrated", f"/shot {number}/raw", attributes, like="camera")
    file.flush()
    uuids = set()
    for number, raw in enumerate(raws):
        dataset = file[f"shot {number}/calibrated"]
        np.testing.assert_array_equal(dataset[()], raw.astype("f4") - pedestal)
        assert dataset.attrs["unitSI"] == 2.5
        assert dataset.attrs["axisLabels"].tolist() == [b"y", b"x"]
        assert dataset.attrs["text"] == b"camera"
        assert dataset.attrs["many"].tolist() == np.arange(14.0)[::2].tolist()
        assert h5calib.describe(dataset)["raw"]["path"] == f"/shot {number}/raw"
        filters = dataset.id.get_create_plist()
        words = Descriptor.decode(h5calib.binding.hdf5.filter_words(filters, FILTER_ID))
        uuids.add(words.dataset_uuid)
        home = file[f"h5calib/{words.dataset_uuid.hex()}"]
        assert sorted(home) == ["constants", "dataset", "raw"]
        assert home["dataset"] == dataset
        assert home["constants"] == file["constants"]
        infos = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
        assert len(infos) == np.prod(-(-np.array(shape) // dataset.chunks))
        stubs = [dataset.id.read_direct_chunk(info.chunk_offset)[1] for info in infos]
        assert sorted(decode_stub(words.dataset_uuid, s) for s in stubs) == list(range(len(infos)))
        with pytest.raises(OSError, match=r"."):
            dataset[...] = 1
    assert len(uuids) == len(raws)


def test_a_name_that_is_taken_leaves_nothing_behind(way, file, rng):
    made, _ = start(file, (6, 5), rng)
    file["raw"] = np.zeros((6, 5), "u2")
    made.create(file, "calibrated", file["raw"])
    with pytest.raises((RuntimeError, OSError), match=r"Olink failed|name already exists"):
        made.create(file, "calibrated", file["raw"], ATTRIBUTES)
    assert len(file["h5calib"]) == 1
    assert "calibrated" in file


def test_an_attribute_given_twice_leaves_nothing_behind(way, file, rng):
    made, _ = start(file, (6, 5), rng)
    file["raw"] = np.zeros((6, 5), "u2")
    held = h5py.h5f.get_obj_count(file.id, h5py.h5f.OBJ_DATASET)
    with pytest.raises((RuntimeError, OSError), match=r"H5Acreate2 failed|already exists"):
        made.create(file, "calibrated", "/raw", ATTRIBUTES + ATTRIBUTES[:1])
    assert len(file["h5calib"]) == 0
    assert "calibrated" not in file
    if way == "one call":  # h5py's identifier lives as long as the traceback
        assert h5py.h5f.get_obj_count(file.id, h5py.h5f.OBJ_DATASET) == held


def test_other_raw_data_are_refused(way, file, rng):
    made, _ = start(file, (6, 5), rng)
    file["raw"] = np.zeros((7, 5), "u2")
    with pytest.raises(ValueError, match="pedestal"):
        made.create(file, "calibrated", file["raw"])
    assert len(file["h5calib"]) == 0
