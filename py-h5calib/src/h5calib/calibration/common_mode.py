"""What all pixels of a row, column or bank have in common, taken away; in plain NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROWS, COLUMNS, BANKS = 1, 2, 4


def subtract_common_mode(
    value: np.ndarray, used: np.ndarray, p: Mapping[str, float], bank: tuple[int, int]
) -> np.ndarray:
    """Subtract medians of the `used` pixels from them: of banks, of their rows, of their columns.

    Banks of `bank` pixels (y, x) lie side by side from the first pixel on; the last ones may be
    cut off.

    >>> value = np.array([[1.0, 2.0, 9.0]])
    >>> p = {"common_mode": 1, "common_mode_limit": 100, "common_mode_pixels": 0}
    >>> subtract_common_mode(value, value < 9, p, (1, 3))
    array([[-0.5,  0.5,  9. ]])
    """
    value, used = value.copy(), used & ~np.isnan(value)
    for mode, shape in ((BANKS, bank), (ROWS, (1, bank[1])), (COLUMNS, (bank[0], 1))):
        if int(p["common_mode"]) & mode:
            for y in range(0, value.shape[0], shape[0]):
                for x in range(0, value.shape[1], shape[1]):
                    part = np.s_[y : y + shape[0], x : x + shape[1]]
                    _correct(value[part], used[part], p, mode == BANKS)
    return value


def _correct(value: np.ndarray, used: np.ndarray, p: Mapping[str, float], bank: bool) -> None:
    chosen, least = np.sort(value[used]), p["common_mode_pixels"]
    n = len(chosen)
    if n == 0 or n < least or (n == least and not bank):
        return
    median = chosen[n // 2]
    if n % 2 == 0:
        median = (chosen[n // 2 - 1] + median) / value.dtype.type(2)
    if abs(median) < value.dtype.type(p["common_mode_limit"]):
        value[used] -= median + value.dtype.type(0)  # a zero without its sign
