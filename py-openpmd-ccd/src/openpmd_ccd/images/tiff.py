"""TIFF through tifffile: all pages of this file, and only those, whole and alike.

`tiff_checks` compares the file with what it declares before a pixel is decoded.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tifffile

from ..errors import ImageError
from . import declared
from .declared import Pixels
from .planes import Image, from_array
from .table import take
from .tiff_checks import check_file, check_page

_PALETTE, _CFA = 3, 32803
_EXPOSURE, _ORIENTATION = 33434, 274
#: (tag, metadata name) of what a page says of its pixels
_KEPT = (
    (33421, "tiff_CFARepeatPatternDim"), (33422, "tiff_CFAPattern"),
    (50714, "tiff_BlackLevel"), (50717, "tiff_WhiteLevel"),
)  # fmt: skip
_GREY, _COLOUR = ("grey", "grey and alpha"), {3: "RGB", 4: "RGB and alpha"}
_PHOTOMETRIC = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", _CFA: "colour filter array"}


def read_tiff(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a TIFF file; several pages become the axis "page"."""
    with _no_warnings(), tifffile.TiffFile(io.BytesIO(data), _multifile=False) as file:
        pages = check_file(file, len(data))
        for page in pages:
            take("TIFF", _mode(page), _sample(page))
            check_page(page, len(data))
        first = pages[0]
        _check_alike(pages)
        stack = [_pixels(page) for page in pages]
        found = _metadata(first)
        orientation = int(_value(first, _ORIENTATION, 1))
    pixels = stack[0] if len(stack) == 1 else np.stack(stack)
    order = "p" * (len(stack) > 1) + ("yx" if stack[0].ndim == 2 else "yxc")
    image = from_array(pixels, axes or order)
    image.metadata, image.orientation = found, orientation
    if first.bitspersample not in (1, 8, 16, 32, 64) or first.bitspersample == 1:
        image.bit_depth = first.bitspersample if first.photometric != _PALETTE else None
    return image


class _Collect(logging.Handler):
    """What tifffile says of a file while this thread reads it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.createLock()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Make a warning of tifffile an error: it stands for pixels that are missing or made up."""
    import threading

    thread = threading.get_ident()
    collect = _Collect()
    collect.addFilter(lambda record: record.thread == thread)
    logger = logging.getLogger("tifffile")
    logger.addHandler(collect)
    try:
        yield
    finally:
        logger.removeHandler(collect)
    if collect.said:
        raise ImageError(f"damaged TIFF: {collect.said[0]}")


def _mode(page: Any) -> str:
    """The mode of a page in the words of the table."""
    photometric, samples = int(page.photometric), int(page.samplesperpixel)
    mode = _PHOTOMETRIC.get(photometric)
    if mode is None:
        return f"photometric interpretation {_name(page.photometric)}"
    alpha = [int(kind) for kind in page.extrasamples]
    if mode == "RGB":
        mode = _COLOUR.get(samples, f"RGB of {samples} samples")
        # some writers do not say what the fourth sample is
        fits = len(alpha) == samples - 3 or not alpha
        return mode if fits else f"RGB with extra samples {alpha}"
    if samples == 1 and not alpha:
        return mode
    if mode == "grey" and samples == 2 and alpha in ([1], [2]):
        return _GREY[1]
    return f"{mode} of {samples} samples"


def _name(value: Any) -> str:
    return f"{getattr(value, 'name', 'number')} ({int(value)})"


def _sample(page: Any) -> str:
    """The type of a sample in the words of the table."""
    bits, kind = page.bitspersample, page.sampleformat
    if not isinstance(bits, int) or page.dtype is None:
        return f"{bits} bits (sample format {kind})"
    if bits in (8, 16, 32, 64) and 8 * page.dtype.itemsize == bits:
        return str(page.dtype.name)
    return f"{bits} bit{'s' * (bits > 1)}" + (
        "" if kind in (1, None) else f" (sample format {kind})"
    )


def _check_alike(pages: list[Any]) -> None:
    """An error that names the first page that is not as the first is."""

    def likeness(page: Any) -> tuple[Any, ...]:
        return (*page.shape, page.dtype, _mode(page), _value(page, _ORIENTATION, 1))

    for number, page in enumerate(pages):
        mine, first = likeness(page), likeness(pages[0])
        if mine != first:
            raise ImageError(
                f"the TIFF's pages differ in shape or type: page 1 is {first}, page {number + 1} "
                f"{mine}; give each as an array"
            )


def _pixels(page: Any) -> Pixels:
    """[row, column] or [row, column, sample] of a page; a palette is applied."""
    pixels = np.asarray(page.asarray())
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    elif page.axes not in ("YX", "YXS"):
        raise ImageError(f"the TIFF's axes are {page.axes}: rows and columns are needed")
    if int(page.photometric) == _PALETTE:
        if page.colormap is None or page.colormap.shape != (3, 256):
            raise ImageError("damaged TIFF: a palette image without its 256 colours")
        pixels = np.moveaxis(page.colormap[:, pixels], 0, -1)
    return pixels


def _value(page: Any, tag: int, default: Any = None) -> Any:
    found = page.tags.get(tag)
    return default if found is None else found.value


def _metadata(page: Any) -> dict[str, Any]:
    """Description, exposure time, orientation, colour filter array and black level, if there."""
    found: dict[str, Any] = {}
    if declared.short_text(page.description):
        found["tiff_ImageDescription"] = page.description
    exposure = _value(page, _EXPOSURE)
    if exposure is not None:
        pair = exposure if isinstance(exposure, tuple) else (exposure, 1)
        if pair[1]:
            found["exif_ExposureTime"] = pair[0] / pair[1]
    orientation = _value(page, _ORIENTATION, 1)
    if orientation != 1:
        found["exif_Orientation"] = int(orientation)
    for tag, name in _KEPT:
        value = _value(page, tag)
        if value is not None:
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """A number, or several as text."""
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (bytes, tuple, list)) or hasattr(value, "tolist"):
        return " ".join(str(number) for number in np.ravel(list(value)).tolist())
    return str(value)
