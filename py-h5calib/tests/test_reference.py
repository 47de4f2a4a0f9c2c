"""The NumPy rules of the classes against formulas written here a second time, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

import h5calib


def jungfrau_pixel(r, pedestal, gain, invalid):
    code, adc = int(r) >> 14, int(r) & 0x3FFF
    if code == 2:
        if not isinstance(invalid, int):
            return invalid
        code = invalid
    g = {0: 0, 1: 1, 3: 2}[code]
    if gain[g] == 0 or not math.isfinite(gain[g]) or not math.isfinite(pedestal[g]):
        return math.nan
    return (adc - float(pedestal[g])) / float(gain[g])


@pytest.mark.parametrize(("word", "invalid"), [("nan", math.nan), ("g2", 3), ("g0", 0)])
def test_jungfrau(jungfrau, word, invalid):
    raw, constants = jungfrau
    constants["gain"][1, 3, 4], constants["pedestal"][2, 5, 6] = 0, np.nan
    calibrated = h5calib.Jungfrau(**constants, invalid_gain=word).reference(raw)
    for f, y, x in np.ndindex(raw.shape):
        pixel = constants["pedestal"][:, y, x], constants["gain"][:, y, x]
        expected = jungfrau_pixel(raw[f, y, x], *pixel, invalid)
        assert calibrated[f, y, x] == expected or (
            math.isnan(expected) and math.isnan(calibrated[f, y, x])
        )


@pytest.mark.parametrize(("word", "value"), [("zero", 0.0), ("int16_min", -32768.0)])
def test_jungfrau_invalid_gain_with_a_value(jungfrau, word, value):
    raw, constants = jungfrau
    mask = np.zeros((12, 16), "u4")
    mask[2, 3] = 4
    raw[:, 2, 3] = 0x8001
    calibration = h5calib.Jungfrau(**constants, pixel_mask=mask, invalid_gain=word)
    calibrated = calibration.reference(raw)
    invalid = (raw >> 14 == 2) & (mask == 0)
    assert invalid.any()
    assert (calibrated[invalid] == value).all()
    assert np.isnan(calibrated[:, 2, 3]).all()


def test_jungfrau_options():
    raw = np.array([0x3FFF, 0x0FFF, 0x4FFF, 0xCFFF, 0xC000], "u2").reshape(1, 1, 5)
    maps = np.arange(1.0, 7).reshape(6, 1, 1) * np.ones((6, 1, 5))
    zeros = np.zeros((6, 1, 5))
    high = h5calib.Jungfrau(zeros, maps, high_gain=True)
    assert np.array_equal(high.reference(raw).ravel()[1:4], 4095 / np.array([4, 5, 6]))
    high = h5calib.Jungfrau(zeros[:4], maps[:4], high_gain=True)
    assert np.array_equal(high.reference(raw).ravel()[1:4], 4095 / np.array([4, 2, 3]))
    normal = h5calib.Jungfrau(zeros, maps, photon_energy=2.0)
    assert np.array_equal(normal.reference(raw).ravel()[1:4], 4095 / np.array([1, 2, 3]) / 2)
    full = h5calib.Jungfrau(zeros, maps, saturated="value", saturation_value=9e9)
    assert full.reference(raw).ravel()[4] == 9e9
    full = h5calib.Jungfrau(zeros, maps, high_gain=True, saturated="value", saturation_value=9e9)
    assert full.reference(raw).ravel()[0] == 9e9
    rounded = h5calib.Jungfrau(zeros, maps, rounding="half_even", photon_energy=2.0)
    assert rounded.reference(raw).ravel()[1] == 2048  # 2047.5


def test_jungfrau_multiplies_by_the_float32_reciprocal(jungfrau):
    raw, constants = jungfrau
    raw &= 0x3FFF
    calibrated = h5calib.Jungfrau(**constants, multiply=True).reference(raw, dtype="f4")
    reciprocal = (1 / constants["gain"][0]).astype("f4")
    assert np.array_equal(calibrated, (raw.astype("f4") - constants["pedestal"][0]) * reciprocal)


def agipd_pixel(signal, voltage, thresholds, pedestal, gain, chained=False):
    g = 0
    if voltage > thresholds[0]:
        g = 1
    if voltage > thresholds[1] and (g == 1 or not chained):
        g = 2
    return (float(signal) - float(pedestal[g])) / float(gain[g])


@pytest.mark.parametrize("chain", [None, "independent", "chained"])
def test_agipd(agipd, chain):
    raw, constants, cells = agipd
    constants["threshold"][0, 0, 2, 3] = np.nan
    raw[:, 1, 4, 5], constants["threshold"][:, 1, 4, 5] = 5000, 5000  # hit exactly
    calibration = h5calib.Agipd(**constants, threshold_chain=chain)
    calibrated = calibration.reference(raw, cells)
    for f, y, x in np.ndindex(10, 8, 16):
        k = [constants[name][cells[f], :, y, x] for name in ("threshold", "pedestal", "gain")]
        expected = agipd_pixel(*raw[f, :, y, x], *k, chained=chain == "chained")
        assert calibrated[f, y, x] == expected


def test_agipd_conventions(agipd):
    raw, constants, _ = agipd
    one = {name: values[0] for name, values in constants.items()}
    signal = raw[:, 0].astype("f8")
    fixed = h5calib.Agipd(one["pedestal"], one["gain"], fixed_gain=1)
    assert np.array_equal(fixed.reference(raw), (signal - one["pedestal"][1]) / one["gain"][1])
    factor = np.full((8, 16), 1.25)
    fixed = h5calib.Agipd(
        one["pedestal"], one["gain"], fixed_gain=2, convention="multiply", flat_field=factor
    )
    expected = (signal - one["pedestal"][2]) * one["gain"][2] * 1.25
    assert np.array_equal(fixed.reference(raw), expected)
    levels = np.concatenate([np.zeros((1, 8, 16), "f4"), one["threshold"]])
    cheetah = h5calib.Agipd(one["pedestal"], one["gain"], levels, first_threshold=1)
    assert np.array_equal(cheetah.reference(raw), h5calib.Agipd(**one).reference(raw))


def test_agipd_forced_stages():
    raw = np.array([[150, 99], [250, 99], [150, 55], [150, 55]]).reshape(4, 2, 1, 1)
    stages = np.array([100.0, 100.0, 0.0]).reshape(3, 1, 1)
    gains = np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    threshold = np.array([50.0, 90.0]).reshape(2, 1, 1)
    plain = h5calib.Agipd(stages, gains, threshold)
    assert plain.reference(raw).ravel().tolist() == [1.5, 2.5, 5.0, 5.0]
    medium = h5calib.Agipd(stages, gains, threshold, force_medium_below=100)
    assert medium.reference(raw).ravel().tolist() == [5.0, 2.5, 5.0, 5.0]
    high = h5calib.Agipd(stages, gains, threshold, force_high_below=100)
    assert high.reference(raw).ravel().tolist() == [50.0, 2.5, 50.0, 50.0]


def test_bad_pixels_of_a_stage(agipd):
    raw, constants, cells = agipd
    bad = np.zeros((4, 3, 8, 16), "u4")
    bad[:, 1, 2, 3] = 1 << 5
    constants["threshold"].sort(axis=1)
    raw[::2, 1, 2, 3] = constants["threshold"][cells[::2], :, 2, 3].mean(axis=1)
    whole = h5calib.Agipd(**constants, bad_pixels=bad).reference(raw, cells)
    other_bits = h5calib.Agipd(**constants, bad_pixels=bad, mask_bits=~(1 << 5) & 0xFFFFFFFF)
    plain = h5calib.Agipd(**constants).reference(raw, cells)
    assert np.array_equal(other_bits.reference(raw, cells), plain)
    threshold = constants["threshold"][cells][:, :, 2, 3]
    voltage = raw[:, 1, 2, 3]
    medium = (voltage > threshold[:, 0]) & ~(voltage > threshold[:, 1])
    assert medium.any()
    assert np.array_equal(np.isnan(whole[:, 2, 3]), medium)


def test_masked_value_and_mask_bits():
    raw, mask = np.full((1, 1, 3), 10), np.array([[1, 2, 0]], "u1")
    masked = h5calib.Pedestal(np.ones((1, 3)), pixel_mask=mask, mask_bits=2, masked_value=-7)
    assert masked.reference(raw).ravel().tolist() == [9, -7, 9]
    infinite = h5calib.Pedestal(np.array([[1, np.inf, np.nan]]), masked_value=-7)
    assert infinite.reference(raw).ravel().tolist() == [9, -7, -7]


@pytest.mark.parametrize(("mask", "bits"), [(-1, 1 << 31), (-1, 128), (1, 1), (127, 128)])
def test_mask_bits_of_signed_masks(mask, bits):
    """The bits of the mask as it is stored, however wide."""
    raw = np.zeros((1, 1, 1), "u2")
    for dtype in ("i1", "i2", "i8"):
        values = np.full((1, 1), mask, dtype)
        masked = h5calib.Pedestal(1.0, pixel_mask=values, mask_bits=bits)
        expected = bool(int.from_bytes(values.tobytes(), "little") & bits)
        assert bool(np.isnan(masked.reference(raw)).item()) == expected
        assert bool(np.isnan(h5calib.calibrate(raw, masked)).item()) == expected


def test_a_wrong_cell():
    calibration = h5calib.CellPedestal(np.zeros((2, 1, 1)))
    with pytest.raises(ValueError, match="memory cell 2 lies outside the constants' 2 cells"):
        calibration.reference(np.zeros((1, 1, 1)), cell_ids=[2])
    nan = h5calib.CellPedestal(np.zeros((2, 1, 1)), bad_cell="nan")
    found = nan.reference(np.zeros((3, 1, 1)), cell_ids=[2, -1, 1])
    assert np.isnan(found.ravel()).tolist() == [True, True, False]


@pytest.mark.parametrize("cls", h5calib.algorithms().values())
def test_every_class_has_its_rule_and_says_what_it_does(cls):
    assert cls.rule is not h5calib.Calibration.rule
    assert "Raw data is" in cls.__doc__
    assert ">>> " in cls.__doc__
