"""CCD and other cameras: bias, scaled dark, normalised flat, gain."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration


class Ccd(Calibration):
    """Camera: ``(raw - bias - dark * (exposure / dark_exposure)) / (flat / mean(flat)) * gain``.

    Each step is left out where its constant is not given.

    Parameters
    ----------
    bias, dark : (y, x), optional
        ADU; the dark is of `dark_exposure`, with its bias subtracted.
    flat : (y, x), optional
        Any unit; it is divided by its mean. 0 and values not finite make a pixel unusable.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    exposure, dark_exposure : float
        Seconds, of the frames and of the dark; 1 by default.
    gain : float
        Electrons per ADU, or another factor; 1 by default.
    flat_mean : float, optional
        What the flat is divided by, in place of the mean of its finite pixels (summed in float64
        one by one in C order).
    **common
        `masked_value` (NaN by default), `mask_bits`, `output` ("value", or "mask" as uint8).

    Raw data is (frames..., y, x), any integers or floats. Source: the steps of ccdproc
    (subtract_bias, subtract_dark with scale=True, flat_correct, gain_correct).

    Examples
    --------
    >>> import numpy as np
    >>> ccd = Ccd(bias=100.0, dark=np.array([[2.0, 4.0]]), flat=np.array([[1.0, 3.0]]), exposure=5)
    >>> ccd.reference(np.array([[[120, 150]]], "u2"))
    array([[[20., 20.]]])
    """

    algorithm_name = "ccd"

    def __init__(
        self,
        bias: Any = None,
        dark: Any = None,
        flat: Any = None,
        *,
        pixel_mask: Any = None,
        exposure: float | None = None,
        dark_exposure: float | None = None,
        gain: float | None = None,
        flat_mean: float | None = None,
        **common: Any,
    ) -> None:
        options = {
            "exposure": exposure,
            "dark_exposure": dark_exposure,
            "gain": gain,
            "flat_mean": flat_mean,
        }
        constants = {"bias": bias, "dark": dark, "flat": flat, "pixel_mask": pixel_mask}
        super().__init__(constants, {**options, **common})

    def numbers(self, planes: Any) -> dict[str, float]:
        if "flat" not in planes or not np.isnan(self.value("flat_mean")):
            return {"flat_mean": self.value("flat_mean")}
        flat = planes["flat"].astype("f8").ravel()
        finite = flat[np.isfinite(flat)]
        return {"flat_mean": np.cumsum(finite)[-1] / len(finite) if len(finite) else np.nan}

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        real = k.dtype.type
        value = raw.astype(k.dtype)
        if "bias" in k:
            value = value - k["bias"]
        if "dark" in k:
            value = value - k["dark"] * real(p["exposure"] / p["dark_exposure"])
        if "flat" in k:
            value = value / (k["flat"] / k["flat_mean"])
        return value.reshape(raw.shape) * real(p["gain"])
