"""A dark image from the shots of a scan: sigma-clipped mean, and pixels not to be trusted."""

import h5py
import numpy as np

from ..errors import CalibrationError, ShotNumberError
from ..writing.template import write_attributes
from .clipping import clipped_mean
from .constants import BAD_PIXELS

#: bytes of all shots that are held in memory at once
_BLOCK = 256 * 2**20


def average(scan, numbers=None, clip=5.0):
    """(dark, sigma, bad) of the raw shots of an open scan, float32, float32, uint8.

    Values further than `clip` robust sigmas from the pixel's median are left out, see
    `clipped_mean`; the sigma of a single shot is NaN. Bad are pixels whose mean or noise is
    further than ten robust sigmas from those of the others, that never change in eight or more
    shots while others do, or that are not finite.
    """
    shots = [scan.shot(n) for n in (scan.numbers if numbers is None else numbers)]
    forms = {(s.shape, s.dtype) for s in shots}
    if len(forms) != 1:
        raise CalibrationError(
            f"{scan.path}: a dark is the mean of shots of one shape, not of {len(forms)}"
        )
    ((shape, _),) = forms
    if len(shots[0].axes) > 2:
        raise CalibrationError(f"{scan.path}: a dark is made of images of one page")
    dark, sigma = np.empty(shape, "f4"), np.empty(shape, "f4")
    rows = max(1, _BLOCK // max(1, len(shots) * 8 * int(np.prod(shape[1:]))))
    images = [s.pixels for s in shots] if len(shots) * dark.nbytes < 4 * _BLOCK else None
    for start in range(0, shape[0], rows):
        part = slice(start, start + rows)
        stack = np.stack([i[part] for i in images or (s.pixels for s in shots)])
        _, dark[part], sigma[part], _ = clipped_mean(stack, None, clip)
    return dark, sigma, _bad(dark, sigma, len(shots))


def _bad(dark, sigma, count):
    bad = ~np.isfinite(dark)
    for values in (dark, sigma):
        known = values[np.isfinite(values)]
        if not known.size:
            continue
        middle = np.median(known)
        spread = max(1.4826 * np.median(np.abs(known - middle)), 1e-3 * abs(middle), 0.1)
        bad |= np.abs(values - middle) > 10 * spread
    if count >= 8 and np.median(sigma) > 0:
        bad |= sigma == 0
    return bad.astype("u1")


def write_dark(path, scan, numbers=None, overwrite=False):
    """Average an open scan into the HDF5 file `path`; returns the number of bad pixels."""
    dark, sigma, bad = average(scan, numbers)
    used = list(scan.numbers if numbers is None else numbers)
    try:
        file = h5py.File(path, "w" if overwrite else "x")
    except FileExistsError:
        raise CalibrationError(f"{path} exists: say --overwrite to replace it") from None
    with file:
        for name, values in (("dark", dark), ("sigma", sigma), (BAD_PIXELS, bad)):
            file[name] = values
        source = {"scan": np.bytes_(str(scan.path).encode()), "shots": np.array(used, "u8")}
        write_attributes(file["dark"].id, source)
    return int(bad.sum())


def average_written(writer, first, last):
    """(dark, bad, number of shots) of shots in a file that is being written."""
    from ..reading.h5 import H5Reader
    from ..reading.scan import Scan

    numbers = sorted(n for n in writer.safe if first <= n <= last)
    if not numbers:
        raise ShotNumberError(f"{writer.path} has no shots {first} to {last} to make a dark from")
    dark, _, bad = average(Scan(writer.path, H5Reader(writer.path, writer.file)), numbers)
    return dark, bad, len(numbers)


def masked(dark, bad):
    """The dark with NaN for bad pixels, as a calibration takes it."""
    return np.where(bad != 0, np.float32(np.nan), dark)
