"""FITS: the primary image, its rows in the order of the file, BZERO of unsigned numbers applied."""

import io
from typing import Any

import numpy as np

from ..errors import ImageError, MissingPackageError
from .declared import Pixels, short_text
from .planes import Image, from_array
from .table import REMEDY, take

_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
#: what a header says of how the picture was taken; kept as metadata fits_<keyword>
_KEPT = (
    "EXPTIME", "EXPOSURE", "GAIN", "OFFSET", "CCD-TEMP", "BAYERPAT", "XBAYROFF", "YBAYROFF",
    "ROWORDER", "PEDESTAL", "BLKLEVEL", "BUNIT", "INSTRUME", "DATE-OBS",
)  # fmt: skip
_BLOCK = 2880


def read_fits(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a FITS file; the first row of the file is the first row."""
    header, size = _header(data)
    shape = tuple(header[f"NAXIS{i}"] for i in range(header["NAXIS"], 0, -1))
    kind = np.dtype(_TYPES[header["BITPIX"]])
    count = int(np.prod(shape, dtype=object)) if shape else 0
    blocks = -(-count * kind.itemsize // _BLOCK) * _BLOCK
    if count == 0:
        raise ImageError(f"FITS without an image in its primary part is not taken: {REMEDY}")
    if len(data) != size + blocks:
        raise ImageError(
            f"FITS: {size + blocks} bytes expected, {len(data)} found: cut off, or several images"
        )
    pixels = np.frombuffer(data, kind, count, size)
    if "BLANK" in header and kind.kind != "f" and (pixels == header["BLANK"]).any():
        raise ImageError(f"FITS with blank pixels (BLANK {header['BLANK']}) is not taken: {REMEDY}")
    image = from_array(_unscaled(pixels, header).reshape(shape), axes or _axes(shape))
    image.metadata = _metadata(header)
    return image


def _header(data: bytes) -> tuple[Any, int]:
    """The primary header and its length in bytes."""
    try:
        from astropy.io import fits
    except ImportError:
        raise MissingPackageError("FITS needs astropy: pip install 'openpmd-ccd[images]'") from None
    # astropy's own words of a damaged header are warnings
    stream = io.BytesIO(data)
    header = fits.Header.fromfile(stream)
    size = stream.tell()
    cards = header.cards
    expected = ["SIMPLE", "BITPIX", "NAXIS", *(f"NAXIS{i + 1}" for i in range(_axis_count(header)))]
    if [card.keyword for card in cards[: len(expected)]] != expected or header[
        "SIMPLE"
    ] is not True:
        raise ImageError("damaged FITS: its header does not begin as the standard wants")
    for card in cards:
        card.verify("exception")
    if type(header["BITPIX"]) is not int or header["BITPIX"] not in _TYPES:
        raise ImageError(f"damaged FITS: BITPIX {header['BITPIX']!r}")
    if not all(type(header[name]) is int and header[name] > 0 for name in expected[3:]):
        raise ImageError("damaged FITS: an axis has no length")
    if header.get("GROUPS") or header.get("ZIMAGE"):
        raise ImageError(f"FITS with groups or a compressed image is not taken: {REMEDY}")
    return header, size


def _axis_count(header: Any) -> int:
    count = header.get("NAXIS")
    if type(count) is not int or not 0 <= count <= 999:
        raise ImageError(f"damaged FITS: NAXIS {count!r}")
    return count


def _unscaled(pixels: Pixels, header: Any) -> Pixels:
    """Samples with the BZERO by which FITS stores the other sign; any other scaling is refused."""
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    bits = 8 * pixels.dtype.itemsize
    if scale == 1 and zero == 0:
        take("FITS", "primary image", pixels.dtype.newbyteorder("=").name)
        return pixels
    other = f"int{bits}" if bits == 8 else f"uint{bits}"
    if pixels.dtype.kind == "f" or scale != 1 or zero != (-128 if bits == 8 else 2 ** (bits - 1)):
        raise ImageError(f"FITS with BSCALE {scale} and BZERO {zero} is not taken: {REMEDY}")
    take("FITS", "primary image with BZERO", other)
    plain = pixels.astype(f"u{bits // 8}")
    flipped: Pixels = plain ^ plain.dtype.type(2 ** (bits - 1))
    return flipped.view(other)


def _axes(shape: tuple[int, ...]) -> str | None:
    return {2: "yx", 3: "pyx"}.get(len(shape))


def _metadata(header: Any) -> dict[str, Any]:
    found = {}
    for name in _KEPT:
        value = header.get(name)
        if isinstance(value, (int, float)) or short_text(value):
            found["fits_" + name.replace("-", "_")] = value
    return found
