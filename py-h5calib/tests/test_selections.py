"""`h5calib.read` takes what h5py takes of the same values stored, and refuses what it refuses."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import h5calib

SHAPE = (6, 5, 7)
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def both():
    """(calibrated, stored): the same numbers, one computed, one an ordinary dataset."""
    with h5py.File("selections.h5", "w", driver="core", backing_store=False) as file:
        raw = RNG.integers(0, 1000, SHAPE, dtype="u2")
        file["raw"], file["stored"] = raw, raw.astype("f4") - np.float32(3)
        pedestal = h5calib.Pedestal(np.full(SHAPE[1:], 3, "f4"))
        yield h5calib.create_calibrated_dataset(file, "v", "raw", pedestal), file["stored"]


def compare(both, selection):
    """The same values of both, or an error from both."""
    calibrated, stored = both
    try:
        expected, refused = np.asarray(stored[selection]), None
    except Exception as error:
        expected, refused = None, error
    if refused is not None:
        with pytest.raises((TypeError, ValueError, IndexError, OSError)):
            h5calib.read(calibrated, selection)
        return
    found = h5calib.read(calibrated, selection)
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)
    into = np.full(expected.shape, np.nan, "f4")
    assert h5calib.read(calibrated, selection, out=into) is into
    assert np.array_equal(into, expected)


numbers = st.integers(-9, 9)
ends = st.none() | numbers
slices = st.builds(slice, ends, ends, st.none() | st.integers(-2, 4)) | st.builds(
    slice, st.floats(0, 3), ends
)
masks = st.integers(1, 8).flatmap(lambda n: st.lists(st.booleans(), min_size=n, max_size=n))
kinds = st.sampled_from(["i1", "u1", "i8", "u8", "f4", "f8", "?"])
rising = st.lists(st.integers(-3, 7), max_size=5, unique=True).map(sorted)
lists = st.lists(numbers, max_size=4) | rising | masks | st.lists(st.floats(0, 4), max_size=3)
arrays = st.builds(lambda values, kind: np.array(values).astype(kind), rising, kinds)
odd = st.sampled_from(
    [
        *(None, 1.0, -0.5, "1", b"1", {}, {1}, np.float32(1), np.uint8(4), np.array(2)),
        *(range(1, 4), range(0), np.array([[0, 1]]), [[0, 1]], [0, "1"], np.array([], "f8")),
        *(10**30, [10**30]),
    ]
)
items = numbers | slices | lists | arrays | odd | st.just(Ellipsis)
selections = items | st.lists(items, max_size=4).map(tuple)


@settings(max_examples=600, deadline=None)
@given(selection=selections)
def test_any_selection(both, selection):
    compare(both, selection)


WHOLE = [np.zeros(SHAPE, bool), np.ones(SHAPE, bool), RNG.random(SHAPE) < 0.2]


@pytest.mark.parametrize(
    "selection",
    [
        *WHOLE,
        *(mask[:, 0] for mask in WHOLE),
        np.ones(SHAPE[:2], bool),
        np.s_[:, [0, 4]],
        np.s_[..., [1, 2, 6]],
        np.s_[2, [True, False, True, False, True]],
        np.s_[[0, 3], 1:4, ::3],
        np.s_[[3, 0]],
        np.s_[[3, 3]],
        np.s_[[0, 3], [0, 3]],
        h5py.MultiBlockSlice(start=1, stride=3, count=2, block=2),
        (slice(2**70), 3),
    ],
    ids=str,
)
def test_a_selection(both, selection):
    compare(both, selection)


@pytest.mark.parametrize("selection", [True, False, np.True_, np.s_[0, True], np.s_[..., False]])
def test_a_boolean_is_no_number(both, selection):
    """h5py takes it for 0 or 1, NumPy for a new axis: nobody can tell what was meant."""
    with pytest.raises(TypeError, match="h5py takes it for"):
        h5calib.read(both[0], selection)


@pytest.mark.parametrize("selection", [np.s_[[0, 2], ::2], np.s_[:, [1, 3]], 4, np.s_[1:1]])
def test_a_virtual_dataset(both, selection):
    calibrated, stored = both
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[...] = h5py.VirtualSource(".", "v", SHAPE)
    name = f"virtual {selection}"
    virtual = calibrated.file.create_virtual_dataset(name, layout)
    assert np.array_equal(h5calib.read(virtual, selection), stored[selection])


@pytest.mark.parametrize("selection", [0, np.s_[:0], [], np.s_[:, [0, 1]]])
def test_an_ordinary_dataset_is_refused(both, selection):
    with pytest.raises(h5calib.NotCalibratedError):
        h5calib.read(both[1], selection)
