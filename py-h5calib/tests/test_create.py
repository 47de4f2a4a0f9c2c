"""What a calibrated dataset consists of in the file, seen with h5py alone."""

from __future__ import annotations

import json
import os
import re
import struct

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.binding import plugin as _plugin
from h5calib.binding.hdf5 import filter_words
from h5calib.contents.descriptor import decode_stub

CREATE = h5calib.create_calibrated_dataset


def words_of(dataset):
    plist = dataset.id.get_create_plist()
    return *plist.get_filter(0)[:2], filter_words(plist, 57836)


def home_of(dataset):
    identity = struct.pack("<4I", *words_of(dataset)[2][7:11]).hex()
    return dataset.file[f"/h5calib/{identity}"]


def test_the_layout_of_the_file_format(view, jungfrau, calibration):
    dataset = CREATE(view, "calibrated", "raw", calibration)
    number, flags, words = words_of(dataset)
    assert (number, flags) == (57836, 0)
    assert words[:3] == (1, 2, 0x00030001)  # version; unwritten, no create flag; algorithm
    identity = view.attrs["h5calib_file_uuid"]
    assert struct.pack("<4I", *words[3:7]).hex() == identity.decode()
    kind = view.attrs.get_id("h5calib_file_uuid").get_type()
    assert (kind.get_size(), kind.is_variable_str()) == (32, False)
    assert kind.get_cset() == h5py.h5t.CSET_ASCII
    home = home_of(dataset)
    assert re.fullmatch("/h5calib/[0-9a-f]{32}", home.name)
    assert sorted(home) == ["constants", "dataset", "raw"]
    assert home["dataset"] == dataset
    assert isinstance(home.get("dataset", getlink=True), h5py.HardLink)
    assert home.get("raw", getlink=True).path == "/raw"
    assert home["constants"].attrs["axes_gain"] == b"syx"
    for name in ("pedestal", "gain"):
        stored = home["constants"][name]
        assert stored.chunks is None
        assert stored.dtype == "f4"
        assert np.array_equal(stored, jungfrau[1][name])


def test_one_stub_for_each_chunk(view, calibration):
    dataset = CREATE(view, "calibrated", "raw", calibration, chunks=(2, 5, 16))
    identity = struct.pack("<4I", *words_of(dataset)[2][7:11])
    assert dataset.id.get_num_chunks() == 4 * 3
    for number, place in enumerate(np.ndindex(4, 3, 1)):
        offset = tuple(np.multiply(place, dataset.chunks))
        mask, stub = dataset.id.read_direct_chunk(offset)
        assert mask == 0
        assert decode_stub(identity, stub) == number


def test_stubs_written_by_h5py_are_the_same(view, calibration, monkeypatch):
    fast = CREATE(view, "fast", "raw", calibration, chunks=(2, 5, 8))
    monkeypatch.setattr(_plugin, "_write_chunk_address", lambda: None)
    slow = CREATE(view, "slow", "raw", calibration, chunks=(2, 5, 8))
    assert slow.id.get_num_chunks() == fast.id.get_num_chunks() == 4 * 3 * 2
    for dataset in (fast, slow):
        identity = struct.pack("<4I", *words_of(dataset)[2][7:11])
        _, last = dataset.id.read_direct_chunk((6, 10, 8))
        assert decode_stub(identity, last) == 23


def test_attributes_for_people(view, calibration):
    dataset = CREATE(view, "calibrated", "raw", calibration, comment="run 7, größer")
    attributes = {k: v.decode() for k, v in dataset.attrs.items()}
    assert attributes["h5calib_algorithm"] == "jungfrau version 1"
    assert attributes["h5calib_raw"] == "/raw"
    assert attributes["h5calib_created_by"] == f"h5calib {h5calib.__version__}"
    assert attributes["h5calib_comment"] == "run 7, größer"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", attributes["h5calib_created"])
    assert json.loads(attributes["h5calib_parameters"]) == {}
    constant = json.loads(attributes["h5calib_constants"])["gain"]
    assert (constant["shape"], constant["dtype"]) == ([3, 12, 16], "float32")
    assert len(constant["sha256"]) == 64
    kind = dataset.attrs.get_id("h5calib_comment").get_type()
    assert kind.get_cset() == h5py.h5t.CSET_UTF8
    assert not kind.is_variable_str()


def test_parameters_are_stored_as_given(view, jungfrau):
    calibration = h5calib.Jungfrau(**jungfrau[1], photon_energy=9.25, invalid_gain="g0")
    words = words_of(CREATE(view, "calibrated", "raw", calibration))[2]
    assert words[11] == 2
    assert words[12:15] == (3, *struct.unpack("<2I", struct.pack("<d", 9.25)))
    assert words[15:18] == (4, *struct.unpack("<2I", struct.pack("<d", 2)))


@pytest.mark.parametrize("place", ["path", "dataset", "relative path"])
def test_raw_in_this_file_becomes_a_soft_link(view, calibration, place):
    group = view.require_group("entry/data")
    group["adc"] = view["raw"]
    raw = {"path": "/entry/data/adc", "dataset": view["/entry/data/adc"], "relative path": "adc"}
    dataset = CREATE(group, "calibrated", raw[place], calibration)
    assert home_of(dataset).get("raw", getlink=True).path == "/entry/data/adc"
    assert dataset.attrs["h5calib_raw"] == b"/entry/data/adc"


@pytest.fixture
def raw_file(tmp_path, jungfrau):
    """A function that makes a raw file somewhere below the folder of the test."""

    def make(*parts):
        path = tmp_path.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            file["data/raw"] = jungfrau[0]
        return str(path)

    return make


@pytest.mark.parametrize(
    ("parts", "stored"),
    [
        (("raw.h5",), "raw.h5"),
        (("run 7", "größe.h5"), "run 7/größe.h5"),
        ((os.pardir, "outside", "raw.h5"), "../outside/raw.h5"),
    ],
)
@pytest.mark.parametrize("as_dataset", [True, False])
def test_raw_in_another_file(view, calibration, raw_file, parts, stored, as_dataset):
    path = raw_file(*parts)
    with h5py.File(path) as file:
        raw = file["data/raw"] if as_dataset else f"{path}:/data/raw"
        dataset = CREATE(view, "calibrated", raw, calibration)
    link = home_of(dataset).get("raw", getlink=True)
    assert isinstance(link, h5py.ExternalLink)
    assert link.path == "/data/raw"
    assert link.filename == stored


def test_file_names_are_those_of_open(view, calibration, raw_file, monkeypatch, tmp_path):
    raw_file("raw.h5")
    monkeypatch.chdir(tmp_path)
    dataset = CREATE(view, "calibrated", "raw.h5:/data/raw", calibration)
    assert home_of(dataset).get("raw", getlink=True).filename == "raw.h5"
    assert dataset.attrs["h5calib_raw"] == b"raw.h5:/data/raw"


def test_a_path_that_leads_to_another_file_is_linked_to_that_file(view, calibration, raw_file):
    path = raw_file("raw.h5")
    time = os.stat(path).st_mtime_ns
    view["elsewhere"] = h5py.ExternalLink("raw.h5", "/data/raw")
    dataset = CREATE(view, "calibrated", "elsewhere", calibration)
    link = home_of(dataset).get("raw", getlink=True)
    assert (link.filename, link.path) == ("raw.h5", "/data/raw")
    assert dataset.attrs["h5calib_raw"] == b"elsewhere"
    assert os.stat(path).st_mtime_ns == time


def test_linked_constants(view, jungfrau, tmp_path):
    with h5py.File(tmp_path / "constants.h5", "w") as file:
        file["gain"] = jungfrau[1]["gain"].T
    view["dark"] = jungfrau[1]["pedestal"]
    gain = h5calib.Constant(f"{tmp_path}/constants.h5:/gain", axes="xys")
    calibration = h5calib.Jungfrau(pedestal=view["dark"], gain=gain)
    constants = home_of(CREATE(view, "calibrated", "raw", calibration))["constants"]
    assert constants.get("pedestal", getlink=True).path == "/dark"
    assert constants.get("gain", getlink=True).filename == "constants.h5"
    assert constants.attrs["axes_gain"] == b"xys"
    assert constants.attrs["axes_pedestal"] == b"syx"


def test_cell_ids_and_frames(view, agipd):
    raw, constants, cells = agipd
    view["agipd"], view["cellId"] = raw, cells.reshape(-1, 1)
    chosen = np.arange(10) % 3 == 0
    calibration = h5calib.Agipd(**constants)
    home = home_of(CREATE(view, "a", "agipd", calibration, cell_ids=cells, frames=chosen))
    assert home["cell_ids"].dtype == "u2"
    assert np.array_equal(home["cell_ids"], cells)
    assert home["frames"].dtype == "u8"
    assert np.array_equal(home["frames"], [0, 3, 6, 9])
    assert home["dataset"].shape == (4, 8, 16)
    linked = CREATE(view, "b", "agipd", calibration, cell_ids="cellId", frames=[9, 0])
    assert home_of(linked).get("cell_ids", getlink=True).path == "/cellId"
    assert np.array_equal(home_of(linked)["frames"], [9, 0])


@pytest.mark.parametrize(
    ("options", "dtype"), [({}, "f4"), ({}, "f8"), ({"rounding": "half_even"}, "i4")]
)
def test_dtypes(view, jungfrau, options, dtype):
    calibration = h5calib.Jungfrau(**jungfrau[1], **options)
    assert CREATE(view, "calibrated", "raw", calibration, dtype=dtype).dtype == dtype


def test_no_frames_at_all(view, calibration):
    view["empty"] = np.zeros((0, 12, 16), "u2")
    dataset = CREATE(view, "calibrated", "empty", calibration)
    assert dataset.shape == (0, 12, 16)
    assert dataset[()].shape == (0, 12, 16)


def test_overwrite(view, calibration, jungfrau):
    old = home_of(CREATE(view, "a/calibrated", "raw", calibration)).name
    new = CREATE(view, "a/calibrated", "raw", h5calib.Pedestal(1.0), overwrite=True)
    assert h5calib.describe(new)["algorithm"] == "pedestal"
    assert old not in view
    assert list(view["h5calib"]) == [home_of(new).name.rpartition("/")[2]]


def test_overwrite_keeps_what_another_name_leads_to(view, calibration):
    view["other name"] = CREATE(view, "calibrated", "raw", calibration)
    CREATE(view, "calibrated", "raw", h5calib.Pedestal(1.0), overwrite=True)
    assert h5calib.describe(view["other name"])["algorithm"] == "jungfrau"
    assert len(view["h5calib"]) == 2


def test_overwrite_an_ordinary_dataset_and_a_link(view, calibration):
    view["plain"] = 1
    view["link"] = h5py.SoftLink("/nowhere")
    for name in ("plain", "link"):
        dataset = CREATE(view, name, "raw", calibration, overwrite=True)
        assert h5calib.describe(dataset)["algorithm"] == "jungfrau"


def test_create_takes_few_bytes(tmp_path):
    with h5py.File(tmp_path / "small.h5", "w", libver=("v110", "v110")) as file:
        file.create_dataset("raw", (10000, 4, 4), "u2", chunks=(1000, 4, 4))
        before = file.id.get_filesize()
        CREATE(file, "calibrated", "raw", h5calib.Pedestal(1.0), chunks=(1, 4, 4))
        file.flush()
        assert (file.id.get_filesize() - before) / 10000 <= 40


@pytest.mark.parametrize("where", ["array", "dataset", "path", "file"])
def test_a_mask_of_booleans(view, jungfrau, tmp_path, rng, where):
    """h5py stores them as an enumeration."""
    raw, constants = jungfrau
    mask = rng.random((12, 16)) < 0.3
    view["mask"] = mask
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["mask"] = mask
    given = {
        "array": mask,
        "dataset": view["mask"],
        "path": "mask",
        "file": f"{tmp_path}/mask.h5:/mask",
    }[where]
    masked = h5calib.Jungfrau(**constants, pixel_mask=given)
    values = CREATE(view, "calibrated", "raw", masked)[()]
    plain = h5calib.Jungfrau(**constants).reference(raw, dtype="f4")
    assert np.array_equal(values, np.where(mask, np.nan, plain), equal_nan=True)
    assert all(f.ok is not False for f in h5calib.verify(view["calibrated"], values=True))
