"""The formulas of all algorithms in NumPy, in float32 or float64 as `real` says.

Written from the formulas alone, pixel for pixel, to check the kernels against.
Constants are arrays (cell, stage, y, x); every function returns one frame.
"""

import numpy as np


def usable(constant, real, divisor=False):
    """The constant in the type it is computed in, NaN where it cannot be used."""
    if constant is None:
        return None
    bad = ~np.isfinite(constant.astype("f8"))
    if divisor:
        bad |= constant == 0
    return np.where(bad, real(np.nan), constant.astype(real))


def masked_bits(mask, mask_bits):
    if mask is None:
        return False
    if mask_bits == 2**32 - 1:
        return mask != 0
    return (mask.astype("u8") & np.uint64(mask_bits)) != 0


def pick(planes, stage):
    return np.choose(stage, planes)


def finish(value, masked_value, rounding=False, dtype=None):
    if rounding:
        value = np.rint(value)
    nan = np.isnan(value)
    dtype = np.dtype(dtype or value.dtype)
    if dtype.kind == "f":
        return np.where(nan, value.dtype.type(masked_value), value)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if np.isnan(masked_value):
        masked_value = low if low < 0 else high
    else:
        masked_value = min(max(np.rint(masked_value), low), high)
    out = np.empty(value.shape, dtype)
    out[nan] = masked_value
    inside = value[~nan]
    whole = np.zeros(inside.shape, dtype)
    above, below = inside >= high, inside <= low
    whole[above], whole[below] = high, low
    whole[~above & ~below] = inside[~above & ~below].astype(dtype)
    out[~nan] = whole
    return out


def legacy_pedestal(raw, constants, real):
    return raw.astype(real) - constants["pedestal"][0].astype(real)


def legacy_agipd(raw, constants, real):
    k = constants["constants"].astype(real)
    signal, voltage = raw[..., 0].astype(real), raw[..., 1].astype(real)
    stage = np.where(voltage > k[1], 2, np.where(voltage > k[0], 1, 0))
    return (signal - pick(k[[2, 4, 6]], stage)) / pick(k[[3, 5, 7]], stage)


def pedestal(raw, constants, real, masked_value=np.nan, mask_bits=2**32 - 1):
    value = raw.astype(real) - usable(constants["pedestal"][0], real)
    mask = constants.get("pixel_mask")
    value[np.broadcast_to(masked_bits(mask if mask is None else mask[0], mask_bits), value.shape)] = np.nan
    return finish(value, masked_value)


def jungfrau(raw, constants, real, dtype=None, masked_value=np.nan, mask_bits=2**32 - 1,
             photon_energy=np.nan, invalid_gain=0, multiply=0, high_gain=0, saturated=0,
             saturation_value=np.nan, rounding=0):
    raw = raw.view("u2")
    code, adc = raw >> 14, (raw & 0x3FFF).astype(real)
    stage = np.array([0, 1, 2 if invalid_gain == 1 else 0, 2])[code]

    def maps(k):
        n = len(k)
        return k[[0, 1, 2] if not high_gain else [3, 4, 5] if n == 6 else [3, 1, 2]]

    gain = usable(maps(constants["gain"]), real if not multiply else np.float64, divisor=True)
    if multiply:
        gain = usable((1 / gain).astype("f4"), real)
    value = adc - pick(usable(maps(constants["pedestal"]), real), stage)
    value = value * pick(gain, stage) if multiply else value / pick(gain, stage)
    if not np.isnan(photon_energy):
        value = value / real(photon_energy)
    mask = constants.get("pixel_mask")
    if mask is not None:
        value[masked_bits(mask[0], mask_bits)] = np.nan
    good = ~np.isnan(value)
    if invalid_gain in (0, 3, 4):
        value[good & (code == 2)] = {0: np.nan, 3: 0, 4: -32768}[invalid_gain]
    if saturated:
        value[good & ~np.isnan(value) & (raw == (0x3FFF if high_gain else 0xC000))] = saturation_value
    return finish(value, masked_value, rounding, dtype)


def agipd(raw, constants, real, masked_value=np.nan, mask_bits=2**32 - 1, fixed_gain=-1,
          convention=0, first_threshold=0, threshold_chain=0, force_medium_below=np.nan,
          force_high_below=np.nan):
    signal, voltage = raw[0].astype(real), raw[1].astype(real)
    offsets = usable(constants["pedestal"], real)
    if (bad := constants.get("bad_pixels")) is not None:
        offsets = np.where(masked_bits(bad, mask_bits), real(np.nan), offsets)
    if fixed_gain >= 0:
        stage = np.full(signal.shape, fixed_gain)
    else:
        first, second = constants["threshold"][first_threshold:first_threshold + 2].astype(real)
        medium, low = voltage > first, voltage > second
        if threshold_chain:
            low &= medium
        stage = np.where(low, 2, np.where(medium, 1, 0))
        stage[(stage == 2) & (signal - offsets[1] < real(force_medium_below))] = 1
        stage[(stage > 0) & (signal - offsets[0] < real(force_high_below))] = 0
    value = signal - pick(offsets, stage)
    if (gain := usable(constants.get("gain"), real, divisor=convention == 0)) is not None:
        value = value * pick(gain, stage) if convention else value / pick(gain, stage)
    for name in ("relative_gain", "flat_field"):
        if (factor := usable(constants.get(name), real)) is not None:
            value = value * (pick(factor, stage) if len(factor) == 3 else factor[0])
    return finish(value, masked_value)


RULES = {"pedestal_v1": legacy_pedestal, "AGIPD_v1": legacy_pedestal, "AGIPD_v2": legacy_agipd,
         "pedestal": pedestal, "cell_pedestal": pedestal, "jungfrau": jungfrau, "agipd": agipd}
