"""Darks and flats as the user gives them: numbers, arrays, images, HDF5 files."""

import h5py
import numpy as np

from ..errors import CalibrationError, ImageError
from ..place import place_of
from ..writing.compression import make_readable

_HDF5 = b"\x89HDF\r\n\x1a\n"
#: dataset of a file made by ``openpmd-ccd dark``: pixels that are not usable
BAD_PIXELS = "bad_pixels"


def load(value, what):
    """(float or array, where it came from); an array is [y, x] or [y, x, colour].

    `what` is "dark" or "flat". Bad pixels of a dark's file become NaN.
    """
    place = place_of(value)
    if place is not None:
        origin = ":".join(filter(None, place))
        return _checked(_from_file(*place, what), f"{what} {origin}"), origin
    if isinstance(value, h5py.Dataset):
        return _checked(value[()], what), f"{value.file.filename}:{value.name}"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise CalibrationError(f"{what}: no array of numbers ({error})") from None
    return _checked(array, what), "number" if array.ndim == 0 else "array"


def _from_file(path, inside, what):
    if inside is not None:
        return _from_hdf5(path, inside, what)
    try:
        with open(path, "rb") as stream:
            hdf5 = stream.read(8) == _HDF5
    except OSError as error:
        raise CalibrationError(f"{what} file {path!r}: {error.strerror or error}") from None
    return _from_hdf5(path, None, what) if hdf5 else _from_image(path, what)


def _from_image(path, what):
    from ..images.planes import decode

    try:
        image = decode(path)
    except ImageError as error:
        raise CalibrationError(f"{what}: {error}") from None
    planes = list(image.planes.values())
    array = planes[0] if len(planes) == 1 else np.stack(planes, -1)
    if image.axes[0] == "page":
        raise CalibrationError(
            f"{what} {path} has {len(array)} pages: give one image, "
            "or make a scan of it and average that with 'openpmd-ccd dark'"
        )
    return array


def _from_hdf5(path, inside, what):
    try:
        with h5py.File(path, "r") as file:
            if inside is None and "data" in file and what not in file:
                raise CalibrationError(
                    f"{what} {path} is a scan: average it with 'openpmd-ccd dark {path} -o "
                    f"{what}.h5', or say how many of its shots with --scan-average"
                )
            return _dataset(file, inside or f"/{what}", path)
    except OSError as error:
        raise CalibrationError(f"{what} file {path!r} cannot be read: {error}") from None


def _dataset(file, name, path):
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        datasets = sorted(n for n, o in file.items() if isinstance(o, h5py.Dataset))
        raise CalibrationError(
            f"{path} has no dataset {name}; it has {', '.join(datasets) or 'none at its top'}: "
            f"write '{path}:/path/of/dataset'"
        )
    make_readable(found)
    values = found[()]
    bad = found.parent.get(BAD_PIXELS)
    if isinstance(bad, h5py.Dataset) and bad.shape == values.shape:
        values = np.where(bad[()] != 0, np.nan, values).astype(np.result_type(values, "f4"))
    return values


def _checked(array, what):
    if array.dtype.kind not in "biuf":
        raise CalibrationError(f"{what}: numbers expected, not {array.dtype}")
    if array.dtype.kind == "b":
        array = array.astype("u1")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.itemsize in (2, 16) and array.dtype.kind == "f":
        array = array.astype("f4" if array.dtype.itemsize == 2 else "f8")
    if array.ndim == 0:
        number = float(array)
        if not np.isfinite(number):
            raise CalibrationError(f"{what}: a finite number expected, not {number}")
        return number
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        raise CalibrationError(
            f"{what} has the shape {array.shape}: a number, [row, column] or "
            "[row, column, colour] expected"
        )
    if not np.isfinite(array).any():
        raise CalibrationError(f"{what} has no finite value: no pixel could be calibrated")
    return np.ascontiguousarray(array)
