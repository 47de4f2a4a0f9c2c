"""ePix100: a pedestal, a common mode, keV."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..calibration.base import Calibration
from ..calibration.common_mode import subtract_common_mode


class Epix100(Calibration):
    """ePix100: ``(raw - pedestal [- common mode]) * gain``.

    Parameters
    ----------
    pedestal : (y, x), or (panel, y, x) with the panel of each frame in `cell_ids`
        ADU.
    gain : as pedestal, optional
        keV per ADU.
    pixel_mask : as pedestal, integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    kev_per_adu : float
        For all pixels where there is no `gain`; 0.06 by default.
    common_mode : int, optional
        Sum of 1 rows of banks, 2 columns of banks, 4 banks (352 x 96): the median of the usable
        pixels is subtracted from them, before the gain. Needs chunks of whole frames.
    common_mode_limit, common_mode_pixels : float, optional
        ADU that a median must not reach (100), and how many pixels it takes (10; rows and
        columns more).
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value", or "mask").

    Raw data is (frames..., 704, 768), any integers or floats. Source: slac-lcls/lcls2,
    psana/detector/UtilsEpix100.py and UtilsCommonMode.py.

    Examples
    --------
    >>> import numpy as np
    >>> Epix100(np.full((1, 2), 3000.0)).reference(np.array([[[3100, 3000]]], "u2"))
    array([[[6., 0.]]])
    """

    algorithm_name = "epix100"
    bank: ClassVar = (352, 96)

    def __init__(
        self,
        pedestal: Any,
        *,
        gain: Any = None,
        pixel_mask: Any = None,
        kev_per_adu: float | None = None,
        common_mode: int | None = None,
        common_mode_limit: float | None = None,
        common_mode_pixels: int | None = None,
        **common: Any,
    ) -> None:
        options = {
            "kev_per_adu": kev_per_adu,
            "common_mode": common_mode,
            "common_mode_limit": common_mode_limit,
            "common_mode_pixels": common_mode_pixels,
        }
        constants = {"pedestal": pedestal, "gain": gain, "pixel_mask": pixel_mask}
        super().__init__(constants, {**options, **common})

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        value = raw.astype(k["pedestal"].dtype) - k["pedestal"][0]
        if p["common_mode"]:
            used = np.ones(value.shape, bool) & ~k.left_out
            value = subtract_common_mode(value, used, p, self.bank)
        return value * (k["gain"][0] if "gain" in k else value.dtype.type(p["kev_per_adu"]))
