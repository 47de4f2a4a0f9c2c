"""One pedestal for all frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration


class Pedestal(Calibration):
    """Subtract a pedestal: ``raw - pedestal``.

    Parameters
    ----------
    pedestal : (y, x)
        ADU. A value that is not finite makes its pixel unusable.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    **common
        `masked_value` (what unusable pixels hold, NaN by default), `mask_bits`, `output` ("value",
        or "mask" as uint8).

    Raw data is (frames..., y, x), any integers or floats.

    Examples
    --------
    >>> import numpy as np
    >>> Pedestal(np.full((2, 2), 10.0)).reference(np.full((1, 2, 2), 17))
    array([[[7., 7.],
            [7., 7.]]])
    """

    algorithm_name = "pedestal"

    def __init__(self, pedestal: Any, *, pixel_mask: Any = None, **common: Any) -> None:
        super().__init__({"pedestal": pedestal, "pixel_mask": pixel_mask}, common)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        return raw.astype(k["pedestal"].dtype) - k["pedestal"][0]
