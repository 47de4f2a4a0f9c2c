"""JUNGFRAU: three gain stages, chosen by two bits of each raw pixel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..calibration.base import Calibration
from ..calibration.common_mode import subtract_common_mode
from ..calibration.stages import STAGE_OF_CODE, select

_INVALID = 2  # gain code
_G2, _G0 = 1, 2  # of invalid_gain


class Jungfrau(Calibration):
    """JUNGFRAU: ``((raw & 0x3fff) - pedestal[g]) / gain[g]``, g from bits 15-14 of raw.

    Parameters
    ----------
    pedestal, gain : (stage, y, x) or with a memory cell axis
        ADU, and ADU per keV (or per photon). 3 stages (G0, G1, G2), 4 (.., HG0) or
        6 (.., HG0, HG1, HG2). A gain of 0 and values that are not finite make a pixel unusable.
    pixel_mask : (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    photon_energy : float, optional
        keV; divide by it, so that the result is photons.
    invalid_gain : {"nan", "g2", "g0", "zero", "int16_min"}
        What a pixel with the invalid gain code 10 becomes. "g2" is the choice of
        jungfrau_utils, "g0" of aare, "zero" of psana, "int16_min" of Jungfraujoch.
    multiply : bool
        Multiply by float32(1 / gain), as jungfrau_utils does, instead of dividing.
    high_gain : bool
        The run was taken in high-gain mode: HG0 takes the place of G0, and HG1 and HG2 those of
        G1 and G2 if both constants have them (6 maps). 3 maps of pedestals are then those of HG0,
        HG1, HG2, as jungfrau_utils takes them, and go with 6 of gains.
    saturated : {"compute", "value"}
        Pixels at full scale: calibrated like others, or `saturation_value`.
    rounding : {"none", "half_even"}
        Needed for integer results.
    common_mode : int, optional
        Sum of 1 rows of banks, 2 columns of banks, 4 banks (256 x 64): the median of the usable
        pixels in G0 is subtracted from them, before the gain. Needs chunks of whole frames.
    common_mode_limit, common_mode_pixels : float, optional
        ADU that a median must not reach (100), and how many pixels it takes (10; rows and
        columns more).
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell` ("error" or "nan"), `output`
        ("value"; "mask" or "gain_stage" as uint8, 255 where the code is invalid).

    Raw data is (frames..., y, x) uint16.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((3, 1, 1))
    >>> jungfrau = Jungfrau(pedestal=100 * ones, gain=40 * ones, photon_energy=8.0)
    >>> jungfrau.reference(np.array([420, 0xC000 | 420], "u2").reshape(2, 1, 1)).ravel()
    array([1., 1.])
    """

    algorithm_name = "jungfrau"
    bank: ClassVar = (256, 64)
    choices: ClassVar = {
        "invalid_gain": ("nan", "g2", "g0", "zero", "int16_min"),
        "saturated": ("compute", "value"),
        "rounding": ("none", "half_even"),
    }

    def __init__(
        self,
        pedestal: Any,
        gain: Any,
        *,
        pixel_mask: Any = None,
        photon_energy: float | None = None,
        invalid_gain: str | None = None,
        multiply: bool | None = None,
        high_gain: bool | None = None,
        saturated: str | None = None,
        saturation_value: float | None = None,
        rounding: str | None = None,
        common_mode: int | None = None,
        common_mode_limit: float | None = None,
        common_mode_pixels: int | None = None,
        **common: Any,
    ) -> None:
        options = {
            "photon_energy": photon_energy,
            "invalid_gain": invalid_gain,
            "multiply": multiply,
            "high_gain": high_gain,
            "saturated": saturated,
            "saturation_value": saturation_value,
            "rounding": rounding,
            "common_mode": common_mode,
            "common_mode_limit": common_mode_limit,
            "common_mode_pixels": common_mode_pixels,
        }
        constants = {"pedestal": pedestal, "gain": gain, "pixel_mask": pixel_mask}
        super().__init__(constants, {**options, **common})

    def prepare(self, name: str, plane: np.ndarray) -> np.ndarray:
        if name == "gain" and self.value("multiply"):
            return (1 / plane.astype("f8")).astype("f4")
        return plane

    def stages(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        stage = STAGE_OF_CODE[raw.view("u2") >> 14]
        policy = int(p["invalid_gain"])
        return np.where(stage == 255, {_G2: 2, _G0: 0}.get(policy, 255), stage)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        dtype, raw = k["gain"].dtype, raw.view("u2")
        stage = self.stages(raw, k, p)
        pedestal, gain = _selected(k["pedestal"], k["gain"], stage, p["high_gain"])
        value = (raw & 0x3FFF).astype(dtype) - pedestal
        if p["common_mode"]:
            value = subtract_common_mode(value, (raw >> 14 == 0) & ~k.left_out, p, self.bank)
        value = value * gain if p["multiply"] else value / gain
        if not np.isnan(p["photon_energy"]):
            value = value / dtype.type(p["photon_energy"])
        fixed = {0: np.nan, 3: 0.0, 4: -32768.0}.get(int(p["invalid_gain"]))
        if fixed is not None:
            value = np.where((raw >> 14 == _INVALID) & ~np.isnan(value), dtype.type(fixed), value)
        if p["saturated"]:
            full_scale = raw == (0x3FFF if p["high_gain"] else 0xC000)
            saturation_value = dtype.type(p["saturation_value"])
            value = np.where(full_scale & ~np.isnan(value), saturation_value, value)
        return np.rint(value) if p["rounding"] else value


def _selected(
    pedestal: np.ndarray, gain: np.ndarray, stage: np.ndarray, high_gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """The maps of each pixel's stage, of 3 (G), 4 (G, HG0) or 6 (G, HG): both G1, or both HG1."""
    if not high_gain:
        return select(pedestal[:3], stage), select(gain[:3], stage)
    if len(gain) == 6 and len(pedestal) != 4:
        return select(pedestal[-3:], stage), select(gain[3:], stage)
    return select(pedestal[[3, 1, 2]], stage), select(gain[[3, 1, 2]], stage)
