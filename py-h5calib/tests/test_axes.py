"""Orders of axes: explicit, guessed, refused."""

from __future__ import annotations

import numpy as np
import pytest

from h5calib.binding.algorithms import ConstantSpec
from h5calib.calibration.axes import resolve_axes, to_csyx

PLAIN = ConstantSpec("pedestal", 1, 1, 0, "")
PER_CELL = ConstantSpec("pedestal", 1, 1, 2, "")
STAGES = ConstantSpec("gain", 3, 6, 2, "")
FACTOR = ConstantSpec("flat_field", 1, 3, 2, "")


@pytest.mark.parametrize(
    ("spec", "shape", "axes"),
    [
        (PLAIN, (12, 16), "yx"),
        (PLAIN, (16, 12), "xy"),
        (PLAIN, (1, 12, 16), "cyx"),
        (PLAIN, (), ""),
        (PER_CELL, (352, 12, 16), "cyx"),
        (STAGES, (3, 12, 16), "syx"),
        (STAGES, (352, 3, 12, 16), "csyx"),
        (STAGES, (3, 352, 12, 16), "scyx"),
        (STAGES, (16, 12, 352, 3), "xycs"),
        (STAGES, (12, 16, 3), "yxs"),
        (FACTOR, (12, 16), "yx"),
    ],
)
def test_the_only_possible_order_is_found(spec, shape, axes):
    assert resolve_axes(spec, shape, 12, 16) == axes


@pytest.mark.parametrize(
    ("spec", "shape"),
    [(STAGES, (3, 3, 12, 16)), (STAGES, (4, 6, 12, 16)), (FACTOR, (3, 12, 16))],
)
def test_two_possible_orders_are_refused(spec, shape):
    with pytest.raises(ValueError, match=r"can be read in the orders .*say which, Constant\("):
        resolve_axes(spec, shape, 12, 16)


def test_square_frames_are_not_guessed_where_transposed():
    assert resolve_axes(STAGES, (7, 3, 8, 8), 8, 8) == "csyx"
    with pytest.raises(ValueError, match="can be read in the orders"):
        resolve_axes(STAGES, (8, 8, 7, 3), 8, 8)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (PLAIN, (12, 17), r"shape \(12, 17\) does not fit frames of 12 x 16 pixels: .* \(y, x\)"),
        (PLAIN, (3, 12, 16), "does not fit frames"),
        (STAGES, (2, 12, 16), r"expected axes \(\[cell, \]stage \(3 to 6\), y, x\)"),
        (STAGES, (12, 16), "does not fit frames"),
        (STAGES, (), "does not fit frames"),
    ],
)
def test_a_shape_that_cannot_be(spec, shape, message):
    with pytest.raises(ValueError, match=message):
        resolve_axes(spec, shape, 12, 16)


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("syz", (3, 12, 16), "each letter at most once"),
        ("yyx", (3, 12, 16), "each letter at most once"),
        ("yx", (3, 12, 16), "names 2: name each axis"),
        ("sxy", (3, 12, 16), r"axis x has length 12, the frames are 12 x 16 \(y, x\)"),
        ("csyx", (0, 3, 12, 16), "cell axis of length 0"),
        ("yx", (12, 16), "it needs a stage axis s of length 3 to 6"),
        ("", (), "it needs a stage axis s"),
        ("syx", (2, 12, 16), "axis s has length 2, allowed are 3 to 6"),
    ],
)
def test_a_wrong_order(axes, shape, message):
    with pytest.raises(ValueError, match=message):
        resolve_axes(STAGES, shape, 12, 16, axes)


def test_no_cell_axis_where_the_algorithm_has_none():
    with pytest.raises(ValueError, match="it cannot have a cell axis of length 3"):
        resolve_axes(PLAIN, (3, 12, 16), 12, 16, "cyx")


@pytest.mark.parametrize("axes", ["csyx", "scyx", "xycs", "yxsc", "csxy"])
def test_views_in_one_order_share_memory(axes, rng):
    values = rng.normal(size=(5, 3, 12, 16))
    given = np.ascontiguousarray(values.transpose(["csyx".index(a) for a in axes]))
    view = to_csyx(given, axes, 12, 16)
    assert np.array_equal(view, values)
    assert np.shares_memory(view, given)


def test_a_missing_axis_is_repeated():
    view = to_csyx(np.array([1.0, 2.0, 3.0]), "s", 12, 16)
    assert view.shape == (1, 3, 12, 16)
    assert view.strides[0] == view.strides[2] == view.strides[3] == 0
    assert to_csyx(np.array(7.0), "", 12, 16).shape == (1, 1, 12, 16)
