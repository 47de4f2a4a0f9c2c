"""TIFF of every sample type, byte order and number of pages, through tifffile."""

import numpy as np
import tifffile

from ..errors import ImageError
from .planes import from_array

_EXPOSURE, _LONGEST_TEXT = 33434, 4096
_PALETTE = 3


def read_tiff(stream, axes=None):
    """The `Image` in a TIFF file; several pages become the axis "page"."""
    with tifffile.TiffFile(stream) as file:
        if not file.series:
            raise ImageError("the TIFF has no image")
        if len(file.series) > 1:
            shapes = [tuple(s.shape) for s in file.series]
            raise ImageError(f"the TIFF's pages differ in shape or type: {shapes[:4]}")
        series = file.series[0]
        page = series.pages[0]
        pixels = np.asarray(series.asarray())
        order = series.axes
        if page.photometric == _PALETTE and page.colormap is not None:
            pixels, order = np.moveaxis(page.colormap[:, pixels], 0, -1), order + "S"
        image = from_array(*_arranged(pixels, order, axes))
        image.metadata = _metadata(page)
    return image


def _arranged(pixels, order, axes):
    """Pixels as [page,] row, column [, component], and those axes."""
    if "Y" not in order or "X" not in order:
        raise ImageError(f"the TIFF's axes are {order}: Y and X are needed")
    colour = "S" in order
    others = [a for a in order if a not in "YXS"]
    target = [*others, "Y", "X"] + ["S"] * colour
    pixels = pixels.transpose([order.index(a) for a in target])
    shape = pixels.shape[len(others) :]
    pages = int(np.prod(pixels.shape[: len(others)], dtype=int))
    name = "yxc" if colour else "yx"
    if pages == 1:
        return pixels.reshape(shape), axes or name
    return pixels.reshape(pages, *shape), axes or "p" + name


def _metadata(page):
    """Description and exposure time, if there."""
    found = {}
    text = page.description
    if text and "\0" not in text and len(text) <= _LONGEST_TEXT:
        found["tiff_ImageDescription"] = text
    exposure = page.tags.get(_EXPOSURE)
    if exposure is not None:
        value = exposure.value
        found["exif_ExposureTime"] = value[0] / value[1] if isinstance(value, tuple) else value
    return found
