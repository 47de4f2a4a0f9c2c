"""ePix10ka: seven gain states from configuration and data."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..calibration.base import Calibration
from ..calibration.common_mode import subtract_common_mode

# bits of the configuration (4, 8, 16) and of the data (32) that are looked at, and their value
_STATES = [(28, 28), (28, 12), (12, 8), (60, 16), (60, 0), (60, 48), (60, 32)]
_IN_COMMON_MODE = (0, 1, 3, 4)  # high and medium gain


class Epix10ka(Calibration):
    """ePix10ka: ``((raw & 0x3fff) - pedestal[g] [- common mode]) / gain[g]``.

    The state g is one of FH, FM, FL, AHL_H, AML_M, AHL_L, AML_L, by the pixel's configuration
    and bit 14 of raw. A pixel with none of them has pedestal 0 and gain 1.

    Parameters
    ----------
    pedestal, gain : (7, y, x), or (7, panel, y, x) with the panel of each frame in `cell_ids`
        ADU, and ADU per keV. A gain of 0 and values that are not finite make a pixel unusable.
    config_bits : (y, x) or (panel, y, x) integers
        Bits 2 to 4 of each pixel's configuration: g, ga and the ASIC's trbit.
    pixel_mask : (y, x) or (panel, y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    common_mode : int, optional
        Sum of 1 rows of banks, 2 columns of banks, 4 banks (176 x 48): the median of the usable
        pixels in FH, FM, AHL_H and AML_M is subtracted from them, before the gain. Needs chunks
        of whole frames.
    common_mode_limit, common_mode_pixels : float, optional
        ADU that a median must not reach (100), and how many pixels it takes (10; rows and
        columns more).
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value"; "mask" or
        "gain_stage", 0 to 6 in the order above, as uint8, 255 where there is none).

    Raw data is (frames..., 352, 384) uint16; (frame, panel, 352, 384) with the panel's number as
    cell id. Source: slac-lcls/lcls2, psana/detector/UtilsEpix10ka.py.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((7, 1, 2))
    >>> epix = Epix10ka(100 * ones, 16 * ones, config_bits=np.array([[28, 16]], "u1"))
    >>> raw = np.array([[[132, 0x4000 | 132]]], "u2")
    >>> epix.reference(raw)
    array([[[2., 2.]]])
    """

    algorithm_name = "epix10ka"
    bank: ClassVar = (176, 48)

    def __init__(
        self,
        pedestal: Any,
        gain: Any,
        config_bits: Any,
        *,
        pixel_mask: Any = None,
        common_mode: int | None = None,
        common_mode_limit: float | None = None,
        common_mode_pixels: int | None = None,
        **common: Any,
    ) -> None:
        options = {
            "common_mode": common_mode,
            "common_mode_limit": common_mode_limit,
            "common_mode_pixels": common_mode_pixels,
        }
        constants = {
            "pedestal": pedestal,
            "gain": gain,
            "config_bits": config_bits,
            "pixel_mask": pixel_mask,
        }
        super().__init__(constants, {**options, **common})

    def stages(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        config = k["config_bits"][0]
        known = (config >= 0) & (config < 256)
        bits = np.where(known, np.where(known, config, 0).astype("i8"), 4)
        bits = bits & 28 | (raw.view("u2") & 0x4000) >> 9
        return np.select([bits & mask == value for mask, value in _STATES], range(7), 255)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        state, dtype = self.stages(raw, k, p), k["gain"].dtype
        chosen = [state == s for s in range(7)]
        value = (raw.view("u2") & 0x3FFF).astype(dtype)
        value = value - np.select(chosen, list(k["pedestal"]), dtype.type(0))
        if p["common_mode"]:
            used = np.isin(state, _IN_COMMON_MODE) & ~k.left_out
            value = subtract_common_mode(value, used, p, self.bank)
        return value / np.select(chosen, list(k["gain"]), dtype.type(1))
