"""Imaging and tomography: dark and flat field, static or between those of known frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..calibration.base import Calibration, require_light

_STEPS = 1 << 20  # from one flat to the next


class FlatField(Calibration):
    """Flat field: ``(raw - dark) / (flat - dark)``, or -ln of it.

    Parameters
    ----------
    flat : (y, x) or (n, y, x)
        Without a sample, in the unit of raw.
    dark : (y, x) or (n, y, x), optional
        Without light. A pixel whose flat is not above its dark is unusable.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    logarithm : bool
        -ln of the quotient, the attenuation; unusable where that is not positive.
    taken_at : sequence of n rising numbers, optional
        The frame each dark and flat was taken at. Between them they are interpolated, before the
        first and after the last they stay: give the result of `positions` as `cell_ids`.
    steps : int, optional
        In place of `taken_at`: cell ids count steps of 1/steps from one flat to the next. Without
        either the cell id is the number of the flat.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value", or "mask").

    Raw data is (frames..., y, x), any integers or floats.

    Examples
    --------
    >>> import numpy as np
    >>> flats = np.array([100.0, 200.0]).reshape(2, 1, 1)
    >>> tomography = FlatField(flats, dark=np.zeros((1, 1)), taken_at=[0, 4])
    >>> raw = np.full((5, 1, 1), 50, "u2")
    >>> tomography.reference(raw, tomography.positions(5)).ravel()
    array([0.5       , 0.4       , 0.33333333, 0.28571429, 0.25      ])
    """

    algorithm_name = "flat_field"
    choices: ClassVar = {}

    taken_at: np.ndarray | None = None

    def __init__(
        self,
        flat: Any,
        dark: Any = None,
        *,
        pixel_mask: Any = None,
        logarithm: bool | None = None,
        taken_at: Sequence[float] | None = None,
        steps: int | None = None,
        **common: Any,
    ) -> None:
        if taken_at is not None and (steps or np.any(np.diff(taken_at) <= 0)):
            raise ValueError(f"taken_at={taken_at!r}: give rising numbers of frames, and no steps")
        self.taken_at = None if taken_at is None else np.asarray(taken_at, "f8")
        options = {"logarithm": logarithm, "steps": _STEPS if taken_at is not None else steps}
        constants = {"dark": dark, "flat": flat, "pixel_mask": pixel_mask}
        super().__init__(constants, {**options, **common})

    def looked_at(self) -> set[str]:
        return {"flat", "dark"}

    def check_values(self, values: Mapping[str, np.ndarray]) -> None:
        if "dark" in values:
            with np.errstate(all="ignore"):  # what is not finite does not count
                light = values["flat"].astype("f8") - values["dark"]
            require_light("flat - dark", light)
        else:
            require_light("flat", values["flat"])

    def positions(self, n_frames: int) -> np.ndarray:
        """Cell ids of that many frames: where each lies among those of `taken_at`."""
        if self.taken_at is None:
            raise ValueError("this FlatField has no taken_at, the frames its flats were taken at")
        numbers = np.arange(len(self.taken_at))
        return np.rint(np.interp(np.arange(n_frames), self.taken_at, numbers) * _STEPS).astype("i8")

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        dtype = k["flat"].dtype
        value, most = raw.astype(dtype), k["flat"][0]
        if "dark" in k:
            value, most = value - k["dark"][0], most - k["dark"][0]
        value = value / np.where(most > 0, most, dtype.type(np.nan))
        if p["logarithm"]:
            positive = np.where(value > 0, value, dtype.type(np.nan))
            value = -np.log(positive.astype("f8")).astype(dtype)
        return value
