"""JUNGFRAU: three gain stages, chosen by two bits of each raw pixel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..calibration import Calibration

_STAGE_OF_CODE = np.array([0, 1, 0, 2])  # code 2 is invalid, see invalid_gain
_INVALID_CODE = 2


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
        The run was taken in high-gain mode: HG0 takes the place of G0.
    saturated : {"compute", "value"}
        Pixels at full scale: calibrated like others, or `saturation_value`.
    rounding : {"none", "half_even"}
        Needed for integer results.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell` ("error" or "nan").

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
        }
        constants = {"pedestal": pedestal, "gain": gain, "pixel_mask": pixel_mask}
        super().__init__(constants, {**options, **common})

    def prepare(self, name: str, plane: np.ndarray) -> np.ndarray:
        if name == "gain" and self.value("multiply"):
            return (1 / plane.astype("f8")).astype("f4")
        return plane

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        dtype, raw = k["gain"].dtype, raw.view("u2")
        code, adc = raw >> 14, (raw & 0x3FFF).astype(dtype)
        stage = _STAGE_OF_CODE[code]
        if p["invalid_gain"] == 1:
            stage = np.where(code == _INVALID_CODE, 2, stage)
        pedestal, gain = (_select(k[name], stage, p["high_gain"]) for name in ("pedestal", "gain"))
        value = adc - pedestal
        value = value * gain if p["multiply"] else value / gain
        if not np.isnan(p["photon_energy"]):
            value = value / dtype.type(p["photon_energy"])
        fixed = {0: np.nan, 3: 0.0, 4: -32768.0}.get(int(p["invalid_gain"]))
        if fixed is not None:
            value = np.where((code == _INVALID_CODE) & ~np.isnan(value), dtype.type(fixed), value)
        if p["saturated"]:
            full_scale = raw == (0x3FFF if p["high_gain"] else 0xC000)
            value = np.where(full_scale & ~np.isnan(value), p["saturation_value"], value)
        return np.rint(value) if p["rounding"] else value


def _select(maps: np.ndarray, stage: np.ndarray, high_gain: float) -> np.ndarray:
    """The map of each pixel's stage: 3 (G), 4 (G and HG0) or 6 (G and HG) maps."""
    if high_gain and len(maps) == 6:
        stage = stage + 3
    elif high_gain and len(maps) == 4:
        stage = np.where(stage == 0, 3, stage)
    return np.take_along_axis(maps, stage[np.newaxis], 0)[0]
