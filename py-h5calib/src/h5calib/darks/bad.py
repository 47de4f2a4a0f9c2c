"""Which pixels of dark frames are bad, with the European XFEL's bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .statistics import Statistics

OFFSET_OUT, NOISE_OUT, EVALUATION_ERROR, NO_DATA, NO_SPREAD = (
    1 << 0,
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 14,
)
_ENOUGH_TO_CHANGE = 8  # values; fewer whole numbers may be equal by chance
_MAD_OF_NORMAL = 1.4826  # standard deviations in a median absolute deviation


@dataclass(frozen=True)
class BadPixelRule:
    """A pixel is bad where its pedestal or noise lies too far from the panel's median.

    In robust standard deviations, for each memory cell and gain stage on its own; `least` is how
    many values a pixel needs.
    """

    offset_sigma: float = 8.0
    noise_sigma: float = 8.0
    least: int = 2


USUAL = BadPixelRule()


def bad_pixels(found: Statistics, rule: BadPixelRule = USUAL) -> np.ndarray:
    """Bits for each (cell, stage, y, x), 0 is good. A stage without any data is all bad.

    Parameters
    ----------
    found : Statistics
    rule : BadPixelRule
    """
    bits = np.zeros(found.mean.shape, "u4")
    enough = found.count >= rule.least
    bits[found.count == 0] |= NO_DATA
    bits[(found.count > 0) & ~enough] |= EVALUATION_ERROR
    bits[(found.count >= _ENOUGH_TO_CHANGE) & (found.noise == 0)] |= NO_SPREAD
    for values, sigma, bit in (
        (found.mean, rule.offset_sigma, OFFSET_OUT),
        (found.noise, rule.noise_sigma, NOISE_OUT),
    ):
        bits[_far(values, enough, sigma)] |= bit
    return bits


def _far(values: np.ndarray, enough: np.ndarray, sigma: float) -> np.ndarray:
    far = np.zeros(values.shape, bool)
    for place in np.ndindex(values.shape[:2]):
        known = values[place][enough[place]]
        if known.size:
            median = np.median(known)
            spread = _MAD_OF_NORMAL * np.median(np.abs(known - median))
            far[place] = enough[place] & (np.abs(values[place] - median) > sigma * spread)
    return far
