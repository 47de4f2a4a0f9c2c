"""h5calib and openpmd_ccd average darks by one rule: the same cases for both."""

from __future__ import annotations

import numpy as np
import pytest
from h5calib.darks.clipping import clipped_mean as in_h5calib
from openpmd_ccd.calibration.clipping import clipped_mean as in_openpmd_ccd

NAN = float("nan")
CASES = {  # values of a pixel, their type -> how many count, mean, standard deviation
    "one": ([7], "u2", 1, 7, NAN),
    "two are both kept": ([10, 20], "u2", 2, 15, 50**0.5),
    "five alike": ([3, 3, 3, 3, 3], "u2", 5, 3, 0),
    "one saturated of five": ([1000, 1004, 996, 1002, 65535], "u2", 4, 1000.5, (35 / 3) ** 0.5),
    "one lost of five": ([1000, 1004, 996, 1002, 0], "u2", 4, 1000.5, (35 / 3) ** 0.5),
    # median 10, no deviation in the middle: five counts are inside, six are not
    "a count is the least spread": ([10] * 8 + [15, 16], "i4", 9, 95 / 9, (25 * 8 / 9 / 8) ** 0.5),
    # the same without counts: sqrt(pi / 2) times the mean deviation 0.7, times 5: 4.39
    "equal numbers": ([0.0] * 8 + [3, 4], "f4", 10, 0.7, (18.1 / 9 + 2 / 9) ** 0.5),
    "an equal number's outlier": ([2.5] * 9 + [1e6], "f8", 9, 2.5, 0),
    "large offset": ([10**9 - 3, 10**9, 10**9 + 3], "u4", 3, 1e9, 3),
    "64 bits": ([2**63 + 2048, 2**63 + 2050, 2**63 + 2052], "u8", 3, 2.0**63 + 2050, 2),
    "below zero": ([-(2**62), -(2**62) + 2, -(2**62) + 4], "i8", 3, 2.0**62 * -1 + 2, 2),
    "not finite": ([1.0, NAN, 3.0, float("inf"), 5.0], "f4", 3, 3, 2),
    "nothing": ([NAN, NAN], "f8", 0, NAN, NAN),
    "no frames": ([], "u2", 0, NAN, NAN),
}


@pytest.mark.parametrize("rule", [in_h5calib, in_openpmd_ccd], ids=["h5calib", "openpmd_ccd"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_same_cases(rule, case):
    values, dtype, expected_count, expected_mean, expected_noise = case
    stack = np.array(values, dtype).reshape(len(values), 1, 1)
    count, mean, noise, kept = rule(stack)
    assert count.shape == mean.shape == noise.shape == (1, 1)
    assert count[0, 0] == kept.sum() == expected_count
    assert np.isclose(mean[0, 0], expected_mean, rtol=1e-15, equal_nan=True)
    assert np.isclose(noise[0, 0], expected_noise, rtol=1e-14, equal_nan=True)


def test_the_same_bits():
    rng = np.random.default_rng(0)
    stack = rng.normal(1000, 5, (17, 20, 30)).round().astype("u2")
    stack[rng.random(stack.shape) < 0.02] = 65535
    known = rng.random(stack.shape) < 0.9
    for clip, rounds in ((5.0, 1), (3.0, 4), (5.0, 0)):
        one, other = (f(stack, known, clip, rounds) for f in (in_h5calib, in_openpmd_ccd))
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
