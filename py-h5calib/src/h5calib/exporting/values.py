"""Calibrated values as they are to be stored: dtype, rounding, what stands for no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Storage:
    """How values are stored.

    `fill` takes the place of NaN; integers need one if there is any. `scale` multiplies before
    rounding to integers, half to even. Values outside an integer dtype are an error.
    """

    dtype: np.dtype[Any]
    fill: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.dtype.kind not in "fiu":
            raise ValueError(f"values are stored as floats or integers, not as {self.dtype}")
        if self.dtype.kind == "f" and self.scale != 1:
            raise ValueError("a scale is for integers: floats are stored as they are")

    def of(self, values: np.ndarray) -> np.ndarray:
        """The values in the dtype that is stored.

        >>> Storage(np.dtype("i2"), fill=-1, scale=10).of(np.array([0.25, 1.0, np.nan]))
        array([ 2, 10, -1], dtype=int16)
        """
        if values.dtype.kind != "f":
            return values.astype(self.dtype, casting="same_kind", copy=False)
        missing = np.isnan(values)
        if self.dtype.kind == "f":
            stored = values.astype(self.dtype)
            if self.fill is not None:
                stored[missing] = self.fill
            return stored
        if missing.any() and self.fill is None:
            raise ValueError(
                "some pixels have no value (NaN), and integers have nothing for that: give fill"
            )
        scaled = np.rint(np.where(missing, 0.0, values) * self.scale)
        limits = np.iinfo(self.dtype)
        outside = (scaled < limits.min) | (scaled > limits.max)
        if outside.any():
            worst = scaled[outside][0]
            raise ValueError(f"{worst:g} does not fit {self.dtype}: give another dtype or scale")
        stored = scaled.astype(self.dtype)
        if self.fill is not None:
            stored[missing] = self.fill
        return stored
