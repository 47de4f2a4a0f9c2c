"""LPD: 12 bits of ADC and two bits of gain. Experimental."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration
from ..calibration.stages import select

_STAGE_OF_CODE = np.array([0, 1, 2, 255])


class Lpd(Calibration):
    """LPD, EXPERIMENTAL: ``((raw & 0xfff) - pedestal[g]) * factors[g]``, g from bits 13-12.

    Neither the gain codes (0 high, 1 medium, 2 low, 3 invalid) nor the chain of factors has a
    confirmed public source; the names are those of the European XFEL's calibration constants.

    Parameters
    ----------
    pedestal : (cell, 3, y, x)
        ADU; EuXFEL calls it "Offset".
    relative_gain, gain_amp_map, flat_field : (cell, 3, y, x) or (cell, y, x), optional
        Factors on the result: "RelativeGain", "GainAmpMap", "FFMap".
    bad_pixels : (cell, 3, y, x) or (cell, y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    fixed_gain : {0, 1, 2}, optional
        The stage of all pixels. With parallel gain each frame has one: make three calibrated
        datasets, each with the `frames` of one stage.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value"; "mask" or
        "gain_stage" as uint8, 255 where the code is invalid).

    Raw data is (frames..., y, x) uint16; EuXFEL's (frames, 1, 256, 256) as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from h5calib import Constant
    >>> gain = Constant(np.array([1.0, 10.0, 100.0]), axes="s")
    >>> lpd = Lpd(np.full((3, 1, 1), 100.0), relative_gain=gain)
    >>> lpd.reference(np.array([101, 0x1000 | 101, 0x3000], "u2").reshape(3, 1, 1)).ravel()
    array([ 1., 10., nan])
    """

    algorithm_name = "lpd"

    def __init__(
        self,
        pedestal: Any,
        *,
        relative_gain: Any = None,
        gain_amp_map: Any = None,
        flat_field: Any = None,
        bad_pixels: Any = None,
        fixed_gain: int | None = None,
        **common: Any,
    ) -> None:
        constants = {
            "pedestal": pedestal,
            "relative_gain": relative_gain,
            "gain_amp_map": gain_amp_map,
            "flat_field": flat_field,
            "bad_pixels": bad_pixels,
        }
        super().__init__(constants, {"fixed_gain": fixed_gain, **common})

    def stages(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        if p["fixed_gain"] >= 0:
            return np.full(raw.shape, int(p["fixed_gain"]))
        return _STAGE_OF_CODE[raw.view("u2") >> 12 & 3]

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        stage = self.stages(raw, k, p)
        value = (raw.view("u2") & 0xFFF).astype(k["pedestal"].dtype) - select(k["pedestal"], stage)
        for factor in ("relative_gain", "gain_amp_map", "flat_field"):
            if factor in k:
                value = value * select(k[factor], stage)
        return np.where(stage == 255, value.dtype.type(np.nan), value)
