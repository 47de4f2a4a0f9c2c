"""Mean and noise of dark values with outliers left out. h5calib has the same rule.

A value is left out if it is further than `clip` robust standard deviations from the median of
its pixel: ``astropy.stats.sigma_clip(cenfunc="median", stdfunc="mad_std")``. Unlike a mean and a
standard deviation they do not move with what is to be found, so one saturated frame among five is.
Two things differ from astropy: whole numbers are not known better than to one count, so their
spread is at least 1; and where more than half of other values are equal, the spread is that of
the mean deviation, not 0.
"""

from __future__ import annotations

import numpy as np

_MAD = 1.482602218505602  # standard deviations in a median absolute deviation, if normal
_MEAN_DEVIATION = 1.2533141373155001  # and in a mean absolute deviation: sqrt(pi / 2)
_BLOCK = 1 << 21  # values at a time


def clipped_mean(
    values: np.ndarray, known: np.ndarray | None = None, clip: float = 5.0, rounds: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean, standard deviation of each pixel, and which values these are of.

    The mean is NaN where there is no value, the standard deviation (divided by count - 1) where
    there are fewer than two.

    Parameters
    ----------
    values : (frame, ...) numbers
    known : booleans of the same shape, optional
        False: not a value. Numbers that are not finite never are.
    clip : float
        Robust standard deviations.
    rounds : int
        How often values are left out, each time with the median of those that are left; 0: all
        count.
    """
    frames, size = len(values), values.shape[1:]
    pixels = int(np.prod(size))
    count, mean, noise = np.zeros(pixels, "u4"), np.full(pixels, np.nan), np.full(pixels, np.nan)
    kept = np.empty((frames, pixels), bool)
    table = values.reshape(frames, pixels)
    mask = None if known is None else known.reshape(frames, pixels)
    step = max(1, _BLOCK // max(1, frames))
    for start in range(0, pixels if frames else 0, step):
        part = slice(start, start + step)
        own = None if mask is None else mask[:, part].T
        found = _of_pixels(np.ascontiguousarray(table[:, part].T), own, clip, rounds)
        count[part], mean[part], noise[part], kept[:, part] = (*found[:3], found[3].T)
    return count.reshape(size), mean.reshape(size), noise.reshape(size), kept.reshape(values.shape)


def _of_pixels(
    values: np.ndarray, known: np.ndarray | None, clip: float, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same for (pixel, frame)."""
    all_known = np.isfinite(values) if known is None else known & np.isfinite(values)
    least = 1.0 if values.dtype.kind in "biu" else 0.0
    zero, x = _shifted(values, all_known)
    left = kept = all_known
    for _ in range(rounds):
        deviation = np.abs(x - _median(x, left)[:, None])
        spread = np.maximum(_MAD * _median(deviation, left), least)
        equal = spread == 0
        spread[equal] = _MEAN_DEVIATION * _mean(deviation[equal], left[equal])
        kept = all_known & (deviation <= clip * spread[:, None])
        if not (left & ~kept).any():
            break
        left = left & kept
    zero, x = _shifted(values, kept)
    # about the median, so that no digit is lost where the noise is small against the pedestal
    middle = _median(x, kept)
    distance = np.where(kept, x - middle[:, None], 0)
    mean = _mean(distance, kept)
    count = kept.sum(1)
    squares = np.where(kept, distance - mean[:, None], 0) ** 2
    variance = np.divide(squares.sum(1), count - 1, np.full(len(x), np.nan), where=count > 1)
    return count, zero + (middle + mean), np.sqrt(variance), kept


def _shifted(values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in float64, less what is returned beside: integers of 64 bits may be too long."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return np.zeros(len(values)), np.where(kept, values, 0).astype("f8")
    first = np.take_along_axis(values, kept.argmax(1)[:, None], 1)
    zero = first.astype("f8")
    near = np.subtract(values, first).view("i8")  # right also where it wraps, if they are near
    far = values.astype("f8") - zero
    return zero[:, 0], np.where(np.abs(far) < 2.0**60, near, far)


def _median(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The median of each row's values that are kept, NaN where there are none."""
    rising = np.sort(np.where(kept, x, np.inf), axis=1)
    count = kept.sum(1)[:, None]
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, x.shape[1] - 1)
    found = (np.take_along_axis(rising, low, 1) + np.take_along_axis(rising, high, 1)) / 2
    return np.where(count > 0, found, np.nan)[:, 0]


def _mean(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    count = kept.sum(1)
    total = np.where(kept, x, 0).sum(1)
    mean: np.ndarray = np.divide(total, count, np.full(len(x), np.nan), where=count > 0)
    return mean
