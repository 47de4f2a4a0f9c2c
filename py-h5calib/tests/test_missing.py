"""Missing values: what holds them in the file, in the kernels and in the reference."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import h5calib
from h5calib.contents.layout import filter_words

GOLDEN = Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN))
spec = importlib.util.spec_from_file_location("make_missing", GOLDEN / "make_missing.py")
make_missing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_missing)


@pytest.fixture(params=["kept", "made now"])
def golden(request, tmp_path):
    if request.param == "made now":
        make_missing.main(tmp_path)
    folder = GOLDEN if request.param == "kept" else tmp_path
    with h5py.File(folder / "missing.h5") as file:
        yield file


def test_the_golden_file_with_missing_values(golden):
    found = golden["values"][()]
    raw = make_missing.RAW.astype("f4")
    raw[make_missing.NEVER_WRITTEN] = 2  # the fill value: the flag of unwritten storage is not set
    expected = raw - make_missing.DARK
    expected[0, 0, 0] = expected[0, 0, 2] = -1
    assert np.array_equal(found, expected)


def test_what_describe_says(golden):
    values, unwritten = (h5calib.describe(golden[name]) for name in ("values", "unwritten"))
    assert values["parameters"] == {"masked_value": -1.0, "missing_value": [0, 65535]}
    assert values["unwritten"] == "fill"
    assert unwritten["parameters"] == {"masked_value": -1.0}
    assert unwritten["unwritten"] == "missing"


def test_the_kept_file_is_that_of_the_script(tmp_path, contents):
    make_missing.main(tmp_path)
    with h5py.File(tmp_path / "missing.h5") as made, h5py.File(GOLDEN / "missing.h5") as kept:
        assert contents(made) == contents(kept)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, 2),
        ({"unwritten": "fill"}, 0),
        ({"missing_value": 7}, 6),
        ({"missing_value": [7, 0], "unwritten": "fill"}, 4),
    ],
)
def test_flags_are_those_of_the_options(tmp_path, options, flags):
    with h5py.File(tmp_path / "flags.h5", "w") as file:
        file["raw"] = np.full((2, 3, 4), 7, "u2")
        calibration = h5calib.Pedestal(np.ones((3, 4), "f4"), **options)
        dataset = h5calib.create_calibrated_dataset(file, "v", "raw", calibration)
        words = filter_words(dataset)
        assert words[1] == flags
        values = calibration.missing_values
        triples = struct.pack(f"<{len(words) - 13}I", *words[12:-1])
        assert list(struct.iter_unpack("<Id", triples)) == [
            (0x10000 + i, float(value)) for i, value in enumerate(values)
        ]
        assert np.isnan(dataset[()]).all() == bool(values)


def edited(folder, flags, parameters):
    """A file like the golden one, with other flags and parameters."""
    path = folder / "edited.h5"
    with h5py.File(path, "w") as file:
        file.attrs["h5calib_file_uuid"] = np.bytes_(make_missing.FILE.hex().encode())
        file["raw"] = make_missing.RAW
        home, constants = make_missing.write(
            *(file, b"values", make_missing.VALUES, (3, 1, 4), (1, 1, 4), "<f4", 0x00040001),
            *(parameters, flags),
        )
        home["raw"] = h5py.SoftLink("/raw")
        constants["pedestal"] = make_missing.DARK
        constants.attrs["axes_pedestal"] = np.bytes_(b"yx")
    return path


@pytest.mark.parametrize(
    ("flags", "parameters", "match"),
    [
        (8, [], "features this plugin does not know .flags 0x9.: install a newer libh5calib"),
        (4, [(0, 1.0)], "contradict each other about missing values"),
        (0, [(0x10000, 1.0)], "contradict each other about missing values"),
        (4, [(0x10000, 1.5)], "missing_value is 1.5, it must be a whole number"),
        (4, [(0x10000, 2.0**60)], "must be a whole number of raw data .of at most 2.53."),
        (4, [(0x10000, 70000.0)], "missing_value 70000 does not exist in raw data of uint16"),
        (4, [(0x10000 + i, float(i)) for i in range(9)], "no parameter 65544"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_an_error(tmp_path, flags, parameters, match):
    with (
        pytest.raises((OSError, ValueError), match=match),
        h5py.File(edited(tmp_path, flags, parameters)) as file,
    ):
        file["values"][()]


@pytest.mark.parametrize(
    "value", [1.5, "x", True, np.nan, np.inf, 2**60, "", [0, 0.5], range(9), b"7", [None]]
)
def test_values_that_cannot_be(value):
    with pytest.raises(ValueError, match="missing_value"):
        h5calib.Pedestal(1.0, missing_value=value)


def test_words_that_cannot_be():
    with pytest.raises(ValueError, match="unwritten='zero' is not possible: choose"):
        h5calib.Pedestal(1.0, unwritten="zero")


def test_missing_values_are_of_integers():
    calibration = h5calib.Pedestal(np.ones((1, 1)), missing_value=0)
    for compute in (calibration.reference, lambda raw: h5calib.calibrate(raw, calibration)):
        with pytest.raises((TypeError, h5calib.CalibrationError), match="one of integers"):
            compute(np.zeros((1, 1, 1), "f4"))
