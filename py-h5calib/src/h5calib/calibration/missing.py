"""Raw values that stand for no measurement, and words for storage that was never written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from ..binding.algorithms import RAW_U16
from ..binding.library import MOST_MISSING_VALUES

if TYPE_CHECKING:
    from .base import Calibration

_GREATEST = 2**53  # whole numbers up to here are exact in a file


def missing_values(given: Any) -> tuple[int, ...]:
    """One or more whole numbers, rising and each once.

    >>> missing_values([0xFFFF, 0])
    (0, 65535)
    >>> missing_values("0xffff, 0")
    (0, 65535)
    """
    if isinstance(given, str):  # as the command has it
        given = given.split(",")
    several = given if isinstance(given, Iterable) and not isinstance(given, bytes) else [given]
    values = sorted({_whole(value) for value in several})
    if len(values) > MOST_MISSING_VALUES:
        raise ValueError(
            f"missing_value has {len(values)} values, there can be {MOST_MISSING_VALUES}: "
            "name those that the readout writes for no measurement"
        )
    return tuple(values)


def unwritten_word(word: Any) -> str:
    """What storage that was never written is."""
    if word not in ("missing", "fill"):
        raise ValueError(f"unwritten={word!r} is not possible: choose 'missing', 'fill'")
    return str(word)


def missing_pixels(calibration: Calibration, raw: Any) -> Any:
    """Which pixels of a frame (y, x), or of a pair of them, hold a missing value."""
    values = calibration.missing_values
    if not values:
        return np.False_
    frames = raw if isinstance(raw, tuple) else (raw,)
    return np.any([_holds(calibration, frame, values) for frame in frames], axis=0)


def _holds(calibration: Calibration, frame: np.ndarray, values: tuple[int, ...]) -> np.ndarray:
    if frame.dtype.kind not in "iu":
        raise TypeError(f"raw data is {frame.dtype}, a missing_value is one of integers")
    if calibration.algorithm.flags & RAW_U16:
        frame = frame.view("u2")
    limits = np.iinfo(frame.dtype)
    for value in values:
        if not limits.min <= value <= limits.max:
            raise TypeError(f"missing_value {value} does not exist in raw data of {frame.dtype}")
    return np.isin(frame, np.array(values, frame.dtype))


def _whole(value: Any) -> int:
    """The number; text may be hexadecimal, as layouts of bits are described."""
    number: Any = value
    try:
        if isinstance(value, str):
            number = int(value, 0)
        elif isinstance(value, float):
            number = int(value) if value.is_integer() else None
        elif isinstance(value, (bool, np.bool_)) or not isinstance(value, SupportsIndex):
            number = None
    except ValueError:
        number = None
    if number is None or abs(number) > _GREATEST:
        raise ValueError(
            f"missing_value={value!r} is not a whole number of raw data (of at most 2**53)"
        )
    return int(number)
