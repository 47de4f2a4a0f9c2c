"""The whole detector: modules in its rank, virtual datasets read without HDF5."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import h5calib
from h5calib.creating.module_axis import with_module_axis
from h5calib.reading.virtual import mappings_of


@pytest.fixture
def modules(tmp_path, rng):
    """Three modules of 10 frames, with and without the axis of the module, and their values."""
    raw = rng.integers(0, 1000, (3, 10, 6, 8)).astype("u2")
    dark = rng.normal(10, 1, (3, 6, 8)).astype("f4")
    with h5py.File(tmp_path / "modules.h5", "w") as file:
        for m in range(3):
            file[f"raw{m}"] = raw[m]
            calibration = h5calib.Pedestal(dark[m])
            one = h5calib.create_calibrated_dataset(file, f"m{m}", f"raw{m}", calibration)
            with_module_axis(one, f"modules/{m}")
    return tmp_path / "modules.h5", raw.astype("f4") - dark[:, None]


def test_the_axis_of_a_module(modules):
    path, values = modules
    with h5py.File(path) as file:
        for m in range(3):
            dataset = file[f"modules/{m}"]
            assert dataset.shape == (10, 1, 6, 8)
            assert np.array_equal(dataset[()], values[m][:, None])
            assert np.array_equal(h5calib.read(dataset), values[m][:, None])
            assert np.array_equal(h5calib.read(dataset, np.s_[2:5, 0, 1:3]), values[m][2:5, 1:3])
            assert all(finding.ok is not False for finding in h5calib.verify(dataset))
            assert dataset.file[f"m{m}"].attrs["h5calib_raw"] == dataset.attrs["h5calib_raw"]


def test_frames_cells_and_pairs(tmp_path, rng):
    raw = rng.integers(0, 1000, (9, 2, 4, 5)).astype("u2")
    constants = {
        "pedestal": rng.normal(10, 1, (3, 3, 4, 5)),
        "threshold": np.stack([np.full((3, 4, 5), 300.0), np.full((3, 4, 5), 600.0)]),
    }
    calibration = h5calib.Agipd(
        pedestal=h5calib.Constant(constants["pedestal"], "csyx"),
        threshold=h5calib.Constant(constants["threshold"], "scyx"),
    )
    with h5py.File(tmp_path / "agipd.h5", "w") as file:
        file["raw"], file["cells"] = raw, np.arange(9) % 3
        one = h5calib.create_calibrated_dataset(
            file, "one", "raw", calibration, cell_ids="cells", frames=[1, 2, 7]
        )
        two = with_module_axis(one, "two")
        expected = calibration.reference(raw[[1, 2, 7]], np.array([1, 2, 1]), "f4")
        assert np.array_equal(two[()][:, 0], expected)
        assert np.array_equal(h5calib.read(two)[:, 0], expected)
        assert all(finding.ok is not False for finding in h5calib.verify(two))


def test_replacing_leaves_no_configuration_behind(modules):
    with h5py.File(modules[0], "r+") as file:
        before = len(file["h5calib"])
        with_module_axis(file["m1"], "modules/0")
        assert len(file["h5calib"]) == before


def test_nothing_is_left_where_it_fails(modules, monkeypatch):
    from h5calib.creating import module_axis

    def fail(*arguments):
        raise OSError("no room")

    monkeypatch.setattr(module_axis._plugin, "write_stubs", fail)
    with h5py.File(modules[0], "r+") as file:
        before = sorted(file["h5calib"])
        with pytest.raises(OSError, match="no room"):
            with_module_axis(file["m0"], "more/0")
        assert sorted(file["h5calib"]) == before
        assert "more" not in file


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_virtual_dataset(tmp_path_factory, data):
    """Random boxes of modules in random places, with holes: read as through h5py.

    None overlap: HDF5 2.0 then leaves holes as zeros, whatever the fill value.
    """
    folder = tmp_path_factory.mktemp("virtual")
    values = np.arange(2 * 7 * 3 * 4, dtype="u2").reshape(2, 7, 3, 4)
    path = folder / "v.h5"
    with h5py.File(path, "w") as file:
        for m in range(2):
            file[f"raw{m}"] = values[m]
            calibration = h5calib.Pedestal(np.ones((3, 4), "f4"))
            one = h5calib.create_calibrated_dataset(file, f"m{m}", f"raw{m}", calibration)
            with_module_axis(one, f"a{m}")
        layout, taken = h5py.VirtualLayout((9, 3, 3, 4), "f4"), np.zeros((9, 3), bool)
        for _ in range(data.draw(st.integers(0, 5))):
            m, column = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 2))
            n = data.draw(st.integers(1, 7))
            first, at = data.draw(st.integers(0, 7 - n)), data.draw(st.integers(0, 9 - n))
            if taken[at : at + n, column].any():
                continue
            taken[at : at + n, column] = True
            if data.draw(st.booleans()):
                source = h5py.VirtualSource(".", f"a{m}", (7, 1, 3, 4), "f4")
                layout[at : at + n, column : column + 1] = source[first : first + n]
            else:
                source = h5py.VirtualSource(".", f"m{m}", (7, 3, 4), "f4")
                layout[at : at + n, column] = source[first : first + n]
        file.create_virtual_dataset("whole", layout, fillvalue=-5)
    with h5py.File(path) as file:
        whole = file["whole"]
        a, b = sorted((data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))))
        chosen = data.draw(
            st.sampled_from([np.s_[a:b], np.s_[a:b, 1], np.s_[a:b, 0:2, 1:3], np.s_[:, :, 2, ::2]])
        )
        assert np.array_equal(h5calib.read(whole, chosen), whole[chosen])


def test_sources_that_are_not_there(modules, tmp_path):
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        layout = h5py.VirtualLayout((10, 3, 6, 8), "f4")
        for m in range(3):
            source = h5py.VirtualSource("modules.h5", f"modules/{m}", (10, 1, 6, 8), "f4")
            layout[:, m : m + 1] = source
        file.create_virtual_dataset("data", layout, fillvalue=np.nan)
        assert len(mappings_of(file["data"])) == 3
    with h5py.File(tmp_path / "whole.h5") as file:
        assert np.array_equal(h5calib.read(file["data"]), modules[1].transpose(1, 0, 2, 3))
    with h5py.File(modules[0], "r+") as file:
        del file["modules/1"]
    with (
        h5py.File(tmp_path / "whole.h5") as file,
        pytest.raises(h5calib.MissingObjectError, match=r"modules/1 of modules\.h5"),
    ):
        h5calib.read(file["data"])
    modules[0].rename(tmp_path / "elsewhere.h5")
    with (
        h5py.File(tmp_path / "whole.h5") as file,
        pytest.raises(h5calib.MissingObjectError, match="there is no file"),
    ):
        h5calib.read(file["data"])
