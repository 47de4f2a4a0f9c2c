"""Photon-counting detectors: counts, flat field, values that are no counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration


class PhotonCounting(Calibration):
    """EIGER, PILATUS: ``counts * flat_field``; the greatest number of raw's type is no count.

    Parameters
    ----------
    flat_field : (y, x), optional
        Factor.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    underload_value, saturation_value : float, optional
        Counts below the first (PILATUS: 0) and above the second are unusable; the names are
        NXmx's.
    **common
        `masked_value` (NaN by default), `mask_bits`, `output` ("value", or "mask" as uint8).

    Raw data is (frames..., y, x) integers, or floats, which have no greatest number. That the
    greatest number marks pixels without a count is a convention: confirm it for your files.

    Examples
    --------
    >>> import numpy as np
    >>> PhotonCounting(np.array([[1.5, 1.0]])).reference(np.array([[[4, 65535]]], "u2"))
    array([[[ 6., nan]]])
    """

    algorithm_name = "photon_counting"

    def __init__(
        self,
        flat_field: Any = None,
        *,
        pixel_mask: Any = None,
        underload_value: float | None = None,
        saturation_value: float | None = None,
        **common: Any,
    ) -> None:
        options = {"underload_value": underload_value, "saturation_value": saturation_value}
        super().__init__(
            {"flat_field": flat_field, "pixel_mask": pixel_mask}, {**options, **common}
        )

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        counts = raw if raw.dtype.kind in "iu" else raw.astype(k.dtype)
        counts = counts.astype("f8")
        bad = (counts < p["underload_value"]) | (counts > p["saturation_value"])
        if raw.dtype.kind in "iu":
            bad |= raw == np.iinfo(raw.dtype).max
        value = np.where(bad, k.dtype.type(np.nan), raw.astype(k.dtype))
        if "flat_field" in k:
            value = value * k["flat_field"]
        return value.reshape(raw.shape)
