"""Every mistake gets a sentence that says what to do, and the file stays as it was."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import h5calib

RAW = np.zeros((5, 12, 16), "u2")
JUNGFRAU = {"pedestal": np.zeros((3, 12, 16), "f4"), "gain": np.ones((3, 12, 16), "f4")}


@pytest.fixture
def view(tmp_path, contents):
    """A file; at the end it must hold what it held at the beginning."""
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["raw"], file["group/existing"] = RAW, 7
        file["cells"], file["words"] = np.arange(5), np.array([b"a", b"b"])
        file["calibrated"] = np.arange(3)
        before = contents(file)
        yield file
        assert contents(file) == before


def create(file, raw="raw", calibration=None, name="new/calibrated", **options):
    calibration = calibration or h5calib.Jungfrau(**JUNGFRAU)
    h5calib.create_calibrated_dataset(file, name, raw, calibration, **options)


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        ("nope", KeyError, r"^raw data: no dataset 'nope' in .*bad.h5: give its path"),
        ("group", TypeError, "raw data: 'group' in .* is a group, give the path of a dataset"),
        ("/no/file.h5:/raw", FileNotFoundError, "raw data: there is no file /no/file.h5: correct"),
        ("{here}/text:/raw", OSError, "raw data: cannot open .*text as HDF5"),
        ("words", TypeError, r"raw data: /words has dtype \|S1: use integers or floats"),
        ("cells", ValueError, r"jungfrau needs raw data of shape \(frames..., y, x\), this has"),
        (RAW, TypeError, "raw is a ndarray: give a dataset, .* there is h5calib.calibrate"),
    ],
)
def test_raw(view, tmp_path, raw, error, message):
    (tmp_path / "text").write_text("not HDF5")
    if isinstance(raw, str):
        raw = raw.format(here=tmp_path)
    with pytest.raises(error, match=message):
        create(view, raw)


def test_raw_of_the_wrong_dtype(view, tmp_path):
    with h5py.File(tmp_path / "float.h5", "w") as file:
        file["raw"] = RAW.astype("f4")
    with pytest.raises(TypeError, match="dtype float32, jungfrau needs uint16: its pixels are bit"):
        create(view, f"{tmp_path}/float.h5:/raw")


@pytest.mark.parametrize(
    ("constants", "error", "message"),
    [
        ({"gain": "nope"}, KeyError, "constant 'gain': no dataset 'nope' in"),
        ({"gain": "/no.h5:/gain"}, FileNotFoundError, "constant 'gain': there is no file /no.h5"),
        ({"gain": np.ones((3, 16, 12))}, None, None),
        ({"gain": np.ones((3, 12, 12))}, ValueError, "'gain' of shape .* does not fit frames of"),
        ({"gain": np.ones((2, 12, 16))}, ValueError, "'gain' .*expected axes .*stage"),
        ({"gain": np.ones((3, 4, 12, 16))}, ValueError, r"orders csyx, scyx: say which, Constant"),
        (
            {"gain": np.ones((9, 3, 12, 16)), "pedestal": np.ones((8, 3, 12, 16))},
            ValueError,
            "the constants differ in their number of memory cells: pedestal 8, gain 9",
        ),
        ({"gain": np.ones((9, 3, 12, 16))}, ValueError, "9 memory cells: give cell_ids"),
    ],
)
def test_constants(view, constants, error, message):
    calibration = h5calib.Jungfrau(**{**JUNGFRAU, **constants})
    if error is None:
        h5calib.calibrate(RAW, calibration)  # transposed frames are understood
        return
    with pytest.raises(error, match=message):
        create(view, calibration=calibration)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": np.ones((5, 12, 16))}, "gain has 5 gain maps; there are 3"),
        ({"high_gain": True}, "high_gain needs 4 or 6 gain maps"),
        ({"pixel_mask": np.zeros((12, 16), "f4")}, "pixel_mask must be of an integer type"),
        ({"invalid_gain": 0.5}, "invalid_gain"),
    ],
)
def test_what_only_the_library_knows(view, changes, message):
    """It would be noticed when the dataset is read; it is better noticed now."""
    with pytest.raises(ValueError, match=message):
        create(view, calibration=h5calib.Jungfrau(**{**JUNGFRAU, **changes}))


def test_constants_and_parameters_of_classes():
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'gain'"):
        h5calib.Jungfrau(JUNGFRAU["pedestal"])
    with pytest.raises(ValueError, match="Jungfrau needs the constant gain: G0, G1, G2"):
        h5calib.Jungfrau(JUNGFRAU["pedestal"], None)
    with pytest.raises(ValueError, match="needs the constant threshold, or fixed_gain"):
        h5calib.Agipd(1.0, 1.0)
    with pytest.raises(TypeError, match="'gain' has dtype complex128: use integers or floats"):
        h5calib.Jungfrau(**{**JUNGFRAU, "gain": np.ones((3, 12, 16), complex)})
    with pytest.raises(ValueError, match="invalid_gain='g1' is not possible: choose 'nan', 'g2'"):
        h5calib.Jungfrau(**JUNGFRAU, invalid_gain="g1")
    with pytest.raises(ValueError, match=r"photon_energy=-1 lies outside .*: keV"):
        h5calib.Jungfrau(**JUNGFRAU, photon_energy=-1)
    with pytest.raises(TypeError, match=r"photon_energy=\[1\] is not a number: keV"):
        h5calib.Jungfrau(**JUNGFRAU, photon_energy=[1])
    with pytest.raises(TypeError, match="pedestal has no parameter 'energy', it has: masked_value"):
        h5calib.Pedestal(1.0, energy=3)


PER_CELL = np.zeros((4, 12, 16), "f4")


@pytest.mark.parametrize(
    ("cell_ids", "error", "message"),
    [
        (None, ValueError, "the constants have 4 memory cells: give cell_ids, the cell of each"),
        ([0, 1, 2, 3], ValueError, r"cell_ids of shape \(4,\) for 5 raw frames: give one for each"),
        ("cells", ValueError, "frame 4 has memory cell 4, the constants have cells 0 to 3: .*nan"),
        ([0, 0, -1, 0, 0], ValueError, "frame 2 has memory cell -1"),
        (np.zeros(5), TypeError, "cell_ids have dtype float64: give integers"),
        ("nope", KeyError, "cell_ids: no dataset 'nope'"),
    ],
)
def test_cell_ids(view, cell_ids, error, message):
    with pytest.raises(error, match=message):
        create(view, calibration=h5calib.CellPedestal(PER_CELL), cell_ids=cell_ids)


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([0, 5], ValueError, "frames: no frame 5, raw data has frames 0 to 4"),
        ([-1], ValueError, "frames: no frame -1"),
        ([True, False], ValueError, r"frames has shape \(2,\): give a boolean for each of 5"),
        ([[0]], TypeError, "one-dimensional list"),
        ([0.5], TypeError, "one-dimensional list"),
    ],
)
def test_frames(view, frames, error, message):
    with pytest.raises(error, match=message):
        create(view, frames=frames)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "i4"}, TypeError, "dtype int32 is not possible here: .*rounding='half_even'"),
        ({"dtype": "f2"}, TypeError, "choose 'f4' or 'f8'"),
        ({"chunks": (1, 12)}, ValueError, r"chunks \(1, 12\) do not fit the shape"),
        ({"name": ""}, TypeError, "give the name of the new dataset"),
        ({"name": "group/existing"}, ValueError, "'group/existing' exists in .*overwrite=True"),
        ({"name": "group", "overwrite": True}, TypeError, "'group' is not a dataset"),
        ({"name": "raw", "overwrite": True}, ValueError, "'raw' is one of its own sources"),
        ({"name": "raw/below"}, TypeError, "'raw' is a dataset, nothing can be below it"),
    ],
)
def test_options(view, options, error, message):
    with pytest.raises(error, match=message):
        create(view, **options)


def test_things_of_the_wrong_kind(view):
    with pytest.raises(TypeError, match=r"group is a str: give an h5py.File or h5py.Group"):
        create("view.h5")
    with pytest.raises(TypeError, match=r"calibration is a dict: give for example h5calib.Jungfr"):
        create(view, calibration={"gain": 1})


def test_a_file_open_for_reading(view, tmp_path, contents):
    with h5py.File(tmp_path / "read-only.h5", "w") as file:
        file["raw"] = RAW
    with (
        h5py.File(tmp_path / "read-only.h5", "r") as file,
        pytest.raises(OSError, match="is open read-only: open it with mode 'r"),
    ):
        create(file)


def test_the_plugin_is_missing(view, monkeypatch):
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    with pytest.raises(OSError, match="does not find the h5calib filter plugin: install it with"):
        create(view)


def test_the_library_is_missing(monkeypatch):
    from h5calib.binding import algorithms as _algorithms
    from h5calib.binding import library as _library

    monkeypatch.setattr(_library, "find_library", lambda: None)
    _library.library.cache_clear()
    _algorithms.by_name.cache_clear()
    with pytest.raises(OSError, match="libh5calib was not found: install it with `pip install"):
        h5calib.Pedestal(1.0)
    _library.library.cache_clear()


def test_an_algorithm_that_the_library_does_not_have():
    class Unknown(h5calib.Calibration):
        algorithm_name = "unknown"
        legacy = True  # keeps it out of h5calib.algorithms()

    with pytest.raises(ValueError, match=r"has no algorithm 'unknown', it has .*jungfrau"):
        Unknown({}, {})


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        "ensure_file_uuid",
        "_create_home",
        "_write_links",
        "create_filtered",
        "_plugin.write_stubs",
        "_write_attributes",
        "put_in_place",
    ],
)
def test_a_failure_at_any_step_leaves_the_file_as_it_was(view, monkeypatch, step, overwrite):
    """The step is done, then fails, as if the disk were full afterwards."""
    done = []

    def fail(*args, **options):
        done.append(original(*args, **options))
        raise OSError("no space left")

    from h5calib.creating import write as _write

    holder, name = (_write._plugin, "write_stubs") if "." in step else (_write, step)
    original = getattr(holder, name)
    monkeypatch.setattr(holder, name, fail)
    with pytest.raises(OSError, match="no space left"):
        create(view, name="calibrated" if overwrite else "new/calibrated", overwrite=overwrite)
    assert done


def test_a_failure_in_the_middle_of_the_stubs(view, monkeypatch, contents):
    from h5calib.binding import plugin as _plugin

    stubs = iter([b"x" * 16] * 2)
    monkeypatch.setattr(_plugin, "_write_chunk_address", lambda: None)
    monkeypatch.setattr(_plugin, "encode_stub", lambda *_: next(stubs))
    with pytest.raises((StopIteration, RuntimeError)):
        create(view, chunks=(1, 12, 16))


def test_a_calibrated_dataset_survives_a_failed_overwrite(tmp_path, monkeypatch, contents):
    from h5calib.creating import write as _write

    with h5py.File(tmp_path / "twice.h5", "w") as file:
        file["raw"] = RAW
        create(file)
        before = contents(file)
        monkeypatch.setattr(_write, "_write_attributes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            create(file, overwrite=True)
        assert contents(file) == before
        assert h5calib.describe(file["new/calibrated"])["algorithm"] == "jungfrau"


FLATS = {
    "ccd": lambda flat: h5calib.Ccd(flat=flat),
    "flat_field": lambda flat: h5calib.FlatField(flat),
    "with a dark": lambda flat: h5calib.FlatField(flat + 50, np.full(flat.shape, 50.0)),
    "photon_counting": lambda flat: h5calib.PhotonCounting(flat),
}


@pytest.mark.parametrize("values", [(1, -1, 2, -2), (0, 0, 0, 0), (-3, -3, 1, 1), (np.nan,) * 4])
@pytest.mark.parametrize("made", FLATS)
def test_a_flat_without_light(tmp_path, made, values):
    flat = np.array([values], "f4")
    calibration, raw = FLATS[made](flat), np.full((1, 1, 4), 1000, "u2")
    with pytest.raises(ValueError, match="must be greater than 0"):
        calibration.reference(raw)
    with pytest.raises(ValueError, match="must be greater than 0"):
        h5calib.calibrate(raw, calibration)
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["raw"] = raw
        with pytest.raises(ValueError, match="must be greater than 0"):
            h5calib.create_calibrated_dataset(file, "v", "raw", calibration)
        assert list(file) == ["raw"]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2", "i8"])
@pytest.mark.parametrize("made", FLATS)
def test_pixels_of_a_flat_that_are_zero_or_negative(tmp_path, made, dtype):
    flat = np.array([[0, -1, 4, -20, 8, 400, -0.0]]).astype(dtype)
    raw = np.full((1, 1, 7), 1000, "u2")
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["raw"] = raw
        dataset = h5calib.create_calibrated_dataset(file, "v", "raw", FLATS[made](flat))
        found = dataset[0, 0]
    assert np.array_equal(np.isnan(found), [1, 1, 0, 1, 0, 0, 1])
    assert (found[[2, 4, 5]] != 0).all()
    assert np.array_equal(np.isnan(FLATS[made](flat).reference(raw)[0, 0]), np.isnan(found))


def test_a_view_whose_flat_has_lost_its_light(tmp_path):
    """What was linked has changed since: an error when it is read, not zeros."""
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["raw"], file["flat"] = np.full((1, 1, 4), 1000, "u2"), np.ones((1, 4))
        dataset = h5calib.create_calibrated_dataset(file, "v", "raw", h5calib.Ccd(flat="flat"))
        file["flat"][...] = [[1, -1, 2, -2]]
        file.flush()
        with pytest.raises(OSError, match="ccd: the mean of flat is 0, it must be greater than 0"):
            dataset[()]


def test_a_calibration_made_of_its_parts():
    """As files have them: no constructor was called, all works the same."""
    parts = h5calib.FlatField.of_parts({"flat": np.ones((1, 2)), "dark": None}, {"steps": 1})
    assert np.array_equal(parts.reference(np.array([[[3, 4]]])), [[[3, 4]]])
    with pytest.raises(ValueError, match="has no taken_at"):
        parts.positions(3)
