"""NeXus: offset and scaling factor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration, Constant
from ..contents.place import place_of


class Linear(Calibration):
    """NeXus: ``(raw + offset) * scaling_factor``, for `<field>_offset`, `<field>_scaling_factor`.

    Parameters
    ----------
    offset, scaling_factor : number, (y, x), (n,) or (n, y, x), optional
        In the unit of raw, and units per unit of raw. With n values for n frames, `cell_ids` is
        the number of each frame: ``range(n)``.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value", or "mask").

    Raw data is (frames..., y, x), any integers or floats. Source: nexusformat/definitions,
    issues 1332 and 1343.

    Examples
    --------
    >>> import numpy as np
    >>> raw = np.array([10, 20], "u2").reshape(2, 1, 1)
    >>> Linear(offset=-4.0, scaling_factor=np.array([1.0, 0.5])).reference(raw, range(2)).ravel()
    array([6., 8.])
    """

    algorithm_name = "linear"

    def __init__(
        self,
        offset: Any = None,
        scaling_factor: Any = None,
        *,
        pixel_mask: Any = None,
        **common: Any,
    ) -> None:
        constants = {
            "offset": _per_frame(offset),
            "scaling_factor": _per_frame(scaling_factor),
            "pixel_mask": pixel_mask,
        }
        super().__init__(constants, common)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        value = raw.astype(k.dtype)
        if "offset" in k:
            value = value + k["offset"]
        if "scaling_factor" in k:
            value = value * k["scaling_factor"]
        return value.reshape(raw.shape)


def _per_frame(value: Any) -> Any:
    """A constant with one axis has a value for each frame."""
    if isinstance(value, (Constant, type(None))) or place_of(value) is not None:
        return value
    return Constant(value, axes="c") if len(np.shape(value)) == 1 else value
