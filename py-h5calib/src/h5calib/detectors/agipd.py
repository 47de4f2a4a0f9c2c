"""AGIPD: three gain stages, chosen by comparing the gain voltage with thresholds."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..calibration.base import Calibration
from ..calibration.stages import select


class Agipd(Calibration):
    """AGIPD: ``(signal - pedestal[g]) / gain[g]``, g from the gain voltage and thresholds.

    Parameters
    ----------
    pedestal : (cell, stage, y, x), 3 stages
        ADU; EuXFEL calls it "Offset". A value that is not finite makes its pixel unusable.
    gain : (cell, stage, y, x), optional
        ADU per unit. A gain of 0 or one that is not finite makes its pixel unusable.
    threshold : (cell, 2, y, x), optional with `fixed_gain`
        Gain voltage: above the first (strictly) medium gain, above the second low gain. Three
        levels with `first_threshold` = 1 are Cheetah's, whose level 0 is not used.
    relative_gain, flat_field : (cell, 3, y, x), optional
        Factors on the result.
    bad_pixels : (cell, 3, y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable in that stage.
    fixed_gain : {0, 1, 2}, optional
        The stage of all pixels, where the run was taken in fixed-gain mode.
    convention : {"divide", "multiply"}
        Divide by the gain, or multiply by it as Cheetah and Hummingbird do.
    force_medium_below, force_high_below : float, optional
        ADU above the pedestal of that stage below which a pixel is put there.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell` ("error" or "nan"), `output`
        ("value"; "mask" or "gain_stage" as uint8).

    Raw data is (frames..., 2, y, x): signal and gain voltage, as on disk.

    Examples
    --------
    >>> import numpy as np
    >>> gain = np.array([20.0, 5.0, 1.0]).reshape(1, 3, 1, 1)
    >>> agipd = Agipd(gain=gain, pedestal=0 * gain, threshold=[[[[50.0]], [[90.0]]]])
    >>> raw = np.array([[200, 40], [200, 60], [200, 95]]).reshape(3, 2, 1, 1)
    >>> agipd.reference(raw).ravel()
    array([ 10.,  40., 200.])
    """

    algorithm_name = "agipd"
    choices: ClassVar = {
        "convention": ("divide", "multiply"),
        "threshold_chain": ("independent", "chained"),
    }

    def __init__(
        self,
        pedestal: Any,
        gain: Any = None,
        threshold: Any = None,
        *,
        relative_gain: Any = None,
        flat_field: Any = None,
        bad_pixels: Any = None,
        fixed_gain: int | None = None,
        convention: str | None = None,
        first_threshold: int | None = None,
        threshold_chain: str | None = None,
        force_medium_below: float | None = None,
        force_high_below: float | None = None,
        **common: Any,
    ) -> None:
        constants = {
            "threshold": threshold,
            "pedestal": pedestal,
            "gain": gain,
            "relative_gain": relative_gain,
            "flat_field": flat_field,
            "bad_pixels": bad_pixels,
        }
        options = {
            "fixed_gain": fixed_gain,
            "convention": convention,
            "first_threshold": first_threshold,
            "threshold_chain": threshold_chain,
            "force_medium_below": force_medium_below,
            "force_high_below": force_high_below,
        }
        if threshold is None and fixed_gain is None:
            raise ValueError("Agipd needs the constant threshold, or fixed_gain")
        super().__init__(constants, {**options, **common})

    def divides(self) -> bool:
        return self.value("convention") == 0

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        dtype = k["pedestal"].dtype
        signal = raw[0].astype(dtype)
        stage = self.stages(raw, k, p)
        value = signal - select(k["pedestal"], stage)
        if "gain" in k:
            gain = select(k["gain"], stage)
            value = value * gain if p["convention"] else value / gain
        for factor in ("relative_gain", "flat_field"):
            if factor in k:
                value = value * select(k[factor], stage)
        return value

    def stages(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        """The gain stage of each pixel; a NaN threshold is never exceeded."""
        signal, voltage = (values.astype(k["pedestal"].dtype) for values in raw)
        if p["fixed_gain"] >= 0:
            return np.full(signal.shape, int(p["fixed_gain"]))
        first = int(p["first_threshold"])
        stage = np.where(voltage > k["threshold"][first], 1, 0)
        low = voltage > k["threshold"][first + 1]
        stage = np.where(low & ((stage == 1) | (p["threshold_chain"] == 0)), 2, stage)
        below = signal - k["pedestal"][1] < p["force_medium_below"]
        stage = np.where((stage == 2) & below, 1, stage)
        below = signal - k["pedestal"][0] < p["force_high_below"]
        return np.where((stage > 0) & below, 0, stage)
