"""The formulas of all algorithms in NumPy, in float32 or float64 as `real` says.

Written from the formulas alone, pixel for pixel, to check the kernels against.
A rule gets a raw frame, constants (stage, y, x), the type `real` and all parameters,
and returns the values of the frame, NaN where they are masked, and the gain stages.
"""

import math

import numpy as np


def usable(constant, real, divisor=False, positive=False):
    """The constant in the type it is computed in, NaN where it cannot be used."""
    if constant is None:
        return None
    bad = ~np.isfinite(constant.astype("f8"))
    if divisor:
        bad |= constant == 0
    if positive:
        bad |= constant <= 0
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


def masked(value, mask, p):
    if mask is None:
        return value
    return np.where(masked_bits(mask[0], p.mask_bits), real_nan(value), value)


def real_nan(value):
    return value.dtype.type(np.nan)


def legacy_pedestal(raw, k, real, p):
    return raw.astype(real) - k["pedestal"][0].astype(real), None


def legacy_agipd(raw, constants, real, p):
    k = constants["constants"].astype(real)
    signal, voltage = raw[..., 0].astype(real), raw[..., 1].astype(real)
    stage = np.where(voltage > k[1], 2, np.where(voltage > k[0], 1, 0))
    return (signal - pick(k[[2, 4, 6]], stage)) / pick(k[[3, 5, 7]], stage), None


def pedestal(raw, k, real, p):
    value = raw.astype(real) - usable(k["pedestal"][0], real)
    return masked(value, k.get("pixel_mask"), p), None


def dssc(raw, k, real, p):
    raw = raw.astype(real)
    value = np.where(raw == 0, real(256), raw) - usable(k["pedestal"][0], real)
    return masked(value, k.get("bad_pixels"), p), None


def median(values):
    """NumPy's, with the mean of two rounded as the values are."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if len(ordered) % 2 else (low + high) / values.dtype.type(2)


def common_mode(value, used, bank, p):
    """Banks, rows of banks, columns of banks, as LCLS's programs do it."""
    used = used & ~np.isnan(value) & ~p.lost
    y, x = np.indices(value.shape)
    groups = [
        (4, y // bank[0] * 10**6 + x // bank[1]),
        (1, y * 10**6 + x // bank[1]),
        (2, y // bank[0] * 10**6 + x),
    ]
    for bit, group in groups:
        if not int(p.common_mode) & bit:
            continue
        for number in np.unique(group):
            chosen = (group == number) & used
            n = chosen.sum()
            if n and (n >= p.common_mode_pixels if bit == 4 else n > p.common_mode_pixels):
                m = median(value[chosen])
                if abs(m) < value.dtype.type(p.common_mode_limit):
                    value[chosen] -= m + value.dtype.type(0)
    return value


def jungfrau(raw, k, real, p):
    raw = raw.view("u2")
    code, adc = raw >> 14, (raw & 0x3FFF).astype(real)
    stage = np.array([0, 1, 2 if p.invalid_gain == 1 else 0, 2])[code]

    # of pedestal and gain, by how many maps they have; never G1 with HG1
    chosen = [0, 1, 2], [0, 1, 2]
    if p.high_gain:
        chosen = {
            (3, 6): ([0, 1, 2], [3, 4, 5]),
            (4, 4): ([3, 1, 2], [3, 1, 2]),
            (4, 6): ([3, 1, 2], [3, 1, 2]),
            (6, 4): ([3, 1, 2], [3, 1, 2]),
            (6, 6): ([3, 4, 5], [3, 4, 5]),
        }[len(k["pedestal"]), len(k["gain"])]
    pedestals, gains = k["pedestal"][chosen[0]], k["gain"][chosen[1]]
    gain = usable(gains, real if not p.multiply else np.float64, divisor=True)
    if p.multiply:
        gain = usable((1 / gain).astype("f4"), real)
    value = masked(adc - pick(usable(pedestals, real), stage), k.get("pixel_mask"), p)
    value = common_mode(value, code == 0, (256, 64), p)
    value = value * pick(gain, stage) if p.multiply else value / pick(gain, stage)
    if not np.isnan(p.photon_energy):
        value = value / real(p.photon_energy)
    good = ~np.isnan(value)
    if p.invalid_gain in (0, 3, 4):
        value[good & (code == 2)] = {0: np.nan, 3: 0, 4: -32768}[p.invalid_gain]
        stage = np.where(code == 2, 255, stage)
    if p.saturated:
        full = raw == (0x3FFF if p.high_gain else 0xC000)
        value[good & ~np.isnan(value) & full] = p.saturation_value
    return value, stage


def agipd(raw, k, real, p):
    signal, voltage = raw[0].astype(real), raw[1].astype(real)
    offsets = usable(k["pedestal"], real)
    if p.fixed_gain >= 0:
        stage = np.full(signal.shape, p.fixed_gain)
    else:
        first, second = k["threshold"][p.first_threshold : p.first_threshold + 2].astype(real)
        medium, low = voltage > first, voltage > second
        if p.threshold_chain:
            low &= medium
        stage = np.where(low, 2, np.where(medium, 1, 0))
        stage[(stage == 2) & (signal - offsets[1] < real(p.force_medium_below))] = 1
        stage[(stage > 0) & (signal - offsets[0] < real(p.force_high_below))] = 0
    value = signal - pick(offsets, stage)
    if (gain := usable(k.get("gain"), real, divisor=p.convention == 0)) is not None:
        value = value * pick(gain, stage) if p.convention else value / pick(gain, stage)
    value = factors(value, k, ("relative_gain", "flat_field"), stage, real)
    if (bad := k.get("bad_pixels")) is not None:  # last, of the stage that was chosen without it
        value[pick(masked_bits(bad, p.mask_bits), stage)] = np.nan
    return value, stage


def factors(value, k, names, stage, real):
    for name in names:
        if (factor := usable(k.get(name), real)) is not None:
            value = value * (pick(factor, stage) if len(factor) == 3 else factor[0])
    return value


def lpd(raw, k, real, p):
    raw = raw.view("u2")
    code = raw >> 12 & 3 if p.fixed_gain < 0 else np.full(raw.shape, p.fixed_gain)
    stage = np.where(code == 3, 0, code)
    value = (raw & 0xFFF).astype(real) - pick(usable(k["pedestal"], real), stage)
    if (bad := k.get("bad_pixels")) is not None:
        bad = masked_bits(bad, p.mask_bits)
        value[pick(bad, stage) if len(bad) == 3 else bad[0]] = np.nan
    value = factors(value, k, ("relative_gain", "gain_amp_map", "flat_field"), stage, real)
    value[code == 3] = np.nan
    return value, np.where(code == 3, 255, code)


def epix10ka(raw, k, real, p):
    raw, config = raw.view("u2"), k["config_bits"][0].astype(real)
    config = np.where((config >= 0) & (config < 256), config, 4).astype(int)
    tr, ga, g = config >> 4 & 1, config >> 3 & 1, config >> 2 & 1
    switched = raw >> 14 & 1
    automatic = 3 + 2 * switched + (1 - tr)
    fixed = np.where(g == 0, 2, 1 - tr)
    state = np.where(ga == 1, fixed, np.where(g == 0, automatic, 7))
    zero = np.zeros((1, *raw.shape), real)
    pedestal = np.concatenate([usable(k["pedestal"], real), zero])
    gain = np.concatenate([usable(k["gain"], real, divisor=True), zero + 1])
    value = (raw & 0x3FFF).astype(real) - np.take_along_axis(pedestal, state[None], 0)[0]
    mask = k.get("pixel_mask")
    bad = np.zeros(raw.shape, bool) if mask is None else masked_bits(mask[0], p.mask_bits)
    value = common_mode(value, np.isin(state, [0, 1, 3, 4]) & ~bad, (176, 48), p)
    value = value / np.take_along_axis(gain, state[None], 0)[0]
    value[bad] = np.nan  # whether its bits name a state or not
    return value, np.where(state == 7, 255, state)


def epix100(raw, k, real, p):
    value, _ = pedestal(raw, k, real, p)
    value = common_mode(value, np.ones(value.shape, bool), (352, 96), p)
    return value * (usable(k["gain"][0], real) if "gain" in k else real(p.kev_per_adu)), None


def ccd(raw, k, real, p):
    value = masked(raw.astype(real), k.get("pixel_mask"), p)
    if "bias" in k:
        value = value - usable(k["bias"][0], real)
    if "dark" in k:
        value = value - usable(k["dark"][0], real) * real(p.exposure / p.dark_exposure)
    if "flat" in k:
        mean = p.flat_mean
        if np.isnan(mean):
            total = n = 0.0
            for pixel in k["flat"].astype("f8").ravel():
                if np.isfinite(pixel):
                    total, n = total + pixel, n + 1
            mean = total / n if n else np.nan
        value = value / (usable(k["flat"][0], real, positive=True) / real(mean))
    return value * real(p.gain), None


def flat_field(raw, k, real, p):
    flat = masked(usable(k["flat"][0], real), k.get("pixel_mask"), p)
    dark = usable(k["dark"][0], real) if "dark" in k else real(0)
    if k.get("weight"):
        other = k["next"]
        second = masked(usable(other["flat"][0], real), other.get("pixel_mask"), p)
        flat = flat + (second - flat) * real(k["weight"])
        if "dark" in k:
            dark = dark + (usable(other["dark"][0], real) - dark) * real(k["weight"])
    light = flat - dark if "dark" in k else flat
    value = raw.astype(real) - dark if "dark" in k else raw.astype(real)
    value = value / np.where(light > 0, light, real(np.nan))
    if p.logarithm:
        value = np.where(value > 0, value, real(np.nan))
        value = np.array([-math.log(v) for v in value.ravel()]).reshape(value.shape).astype(real)
    return value, None


def linear(raw, k, real, p):
    value = raw.astype(real)
    if "offset" in k:
        value = value + usable(k["offset"][0], real)
    if "scaling_factor" in k:
        value = value * usable(k["scaling_factor"][0], real)
    return masked(value, k.get("pixel_mask"), p), None


def photon_counting(raw, k, real, p):
    counts = (raw if raw.dtype.kind in "iu" else raw.astype(real)).astype("f8")
    bad = (counts < p.underload_value) | (counts > p.saturation_value)
    if raw.dtype.kind in "iu":
        bad |= raw == np.iinfo(raw.dtype).max
    value = np.where(bad, real(np.nan), raw.astype(real))
    if "flat_field" in k:
        value = value * usable(k["flat_field"][0], real, positive=True)
    return masked(value, k.get("pixel_mask"), p), None


def lost_pixels(name, raw, p):
    """Pixels of a frame (y, x) that hold a missing value: agipd's in either of its two numbers."""
    if name in ("jungfrau", "lpd", "epix10ka"):
        raw = raw.view("u2")
    lost = np.zeros(raw.shape, bool)
    for value in p.missing:
        lost |= raw == value
    return lost[0] | lost[1] if name == "agipd" else lost


def frame(name, raw, k, real, p, dtype):
    """One frame as it is put out."""
    p.lost = lost_pixels(name, raw, p)
    value, stage = RULES[name](raw, k, real, p)
    output = getattr(p, "output", 0)
    if output == 1:
        return (np.isnan(value) | p.lost).astype("u1")
    if output == 2:
        return np.where(p.lost, 255, stage).astype("u1")
    if p.missing:
        value = np.where(p.lost, real_nan(value), value)
    return finish(value, getattr(p, "masked_value", np.nan), getattr(p, "rounding", 0), dtype)


RULES = {
    "pedestal_v1": legacy_pedestal,
    "AGIPD_v1": legacy_pedestal,
    "AGIPD_v2": legacy_agipd,
    "pedestal": pedestal,
    "cell_pedestal": pedestal,
    "jungfrau": jungfrau,
    "agipd": agipd,
    "lpd": lpd,
    "dssc": dssc,
    "epix10ka": epix10ka,
    "epix100": epix100,
    "ccd": ccd,
    "flat_field": flat_field,
    "linear": linear,
    "photon_counting": photon_counting,
}
