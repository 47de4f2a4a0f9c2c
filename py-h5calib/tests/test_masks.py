"""A mask comes last: it takes pixels away, and changes nothing else, no gain stage either."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Case
from hypothesis import given, settings
from hypothesis import strategies as st

import h5calib
from h5calib.binding import algorithms as table
from h5calib.binding.algorithms import MASK

STAGES = {"agipd", "jungfrau", "lpd", "epix10ka"}


def ways(case, calibration, dtype):
    """By the kernels and by the reference."""
    yield h5calib.calibrate(case.raw, calibration, case.cell_ids, dtype)
    real = "f4" if dtype == "u1" else dtype
    yield calibration.reference(case.raw, case.cell_ids, real).astype(dtype)


def bits_of(case, mask):
    chosen = case.parameters.get("mask_bits", 2**32 - 1)
    unsigned = mask.astype(f"u{mask.dtype.itemsize}").astype("u8")
    return mask != 0 if chosen == 2**32 - 1 else (unsigned & np.uint64(chosen)) != 0


@pytest.mark.parametrize("name", sorted(h5calib.algorithms()))
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_masks_take_pixels_away_and_change_nothing_else(name, seed):
    own = table.by_name(name).parameters
    fixed = {"common_mode": 0, "bad_cell": 0, "masked_value": np.nan, "output": 0}
    case = Case(name, seed, **{key: value for key, value in fixed.items() if key in own})
    mask_name = next(n for n, spec in case.algorithm.constants.items() if spec.flags & MASK)
    spec = case.algorithm.constants[mask_name]
    shape = (1, case.n_stages(mask_name, spec), case.ny, case.nx)
    mask = case.random_constant(mask_name, MASK, shape)
    without = {n: values for n, values in case.constants.items() if n != mask_name}
    masked = bits_of(case, mask[0])
    plain, with_mask = (case.with_constants(c) for c in (without, {**without, mask_name: mask}))
    stage = np.zeros((case.n_frames, case.ny, case.nx), int)
    if name in STAGES:
        case.parameters["output"] = "gain_stage"
        several = [case.with_constants(c) for c in (without, {**without, mask_name: mask})]
        for before, after in zip(*(ways(case, c, "u1") for c in several), strict=True):
            assert np.array_equal(before, after)
            stage = before.astype(int)
    stage = np.where(stage == 255, 0, stage) if len(masked) == 3 else np.zeros_like(stage)
    taken = np.take_along_axis(masked, stage, 0)
    for dtype in ("f4", "f8"):
        for before, after in zip(*(ways(case, c, dtype) for c in (plain, with_mask)), strict=True):
            expected = np.where(taken.reshape(before.shape), np.array(np.nan, dtype), before)
            assert np.array_equal(after, expected, equal_nan=True)


@pytest.mark.parametrize("forced", ["force_medium_below", "force_high_below"])
def test_a_forced_pixel_that_is_bad_in_the_stage_it_is_put_in(view, forced):
    """Low gain by its voltage, put into the stage where it is bad: masked, that stage."""
    bad = np.zeros((3, 1, 1), "u4")
    bad[1 if forced == "force_medium_below" else 0] = 1
    view["pair"] = np.array([[[[110]], [[900]]]], "u2")
    options = {"threshold": np.array([100.0, 200.0]).reshape(2, 1, 1), forced: 50.0}
    found = {}
    for output in ("value", "mask", "gain_stage"):
        calibration = h5calib.Agipd(
            np.full((3, 1, 1), 100.0), bad_pixels=bad, output=output, **options
        )
        dataset = h5calib.create_calibrated_dataset(view, output, "pair", calibration)
        found[output] = dataset[0, 0, 0]
        assert np.array_equal(calibration.reference(view["pair"][()])[0, 0, 0], found[output], True)
    assert np.isnan(found["value"])
    assert found["mask"] == 1
    assert found["gain_stage"] == (1 if forced == "force_medium_below" else 0)
