"""PGM and PPM of 8 and 16 bits with any maxval: the counts as they are in the file."""

import re

import numpy as np

from ..errors import ImageError
from .declared import Pixels
from .planes import Image, from_array
from .table import take

_SPACE = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([2356])" + 3 * (_SPACE + rb"([0-9]{1,10})") + rb"[ \t\r\n\v\f]")
_FORMATS = {
    2: ("PGM", "P5 (binary), P2 (text)", 1), 5: ("PGM", "P5 (binary), P2 (text)", 1),
    3: ("PPM", "P6 (binary), P3 (text)", 3), 6: ("PPM", "P6 (binary), P3 (text)", 3),
}  # fmt: skip


def read_pnm(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a PGM or PPM file; maxval is kept as metadata."""
    header = _HEADER.match(data)
    if header is None:
        raise ImageError("damaged PGM or PPM: magic number, width, height and maxval expected")
    kind, width, height, maxval = map(int, header.groups())
    format, mode, samples = _FORMATS[kind]
    if not (width and height and 0 < maxval < 65536):
        raise ImageError(f"damaged {format}: {width} x {height} pixels with maxval {maxval}")
    take(format, mode, "uint8" if maxval < 256 else "uint16")
    count = width * height * samples
    read = _binary if kind > 3 else _text
    pixels = read(data[header.end() :], count, maxval, format)
    most = int(pixels.max())
    if most > maxval:
        raise ImageError(f"damaged {format}: a sample is {most}, above its maxval {maxval}")
    shape = (height, width) if samples == 1 else (height, width, samples)
    pixels = pixels.reshape(shape).astype(np.uint8 if maxval < 256 else np.uint16, copy=False)
    image = from_array(pixels, axes)
    if maxval not in (255, 65535):
        image.metadata["pnm_maxval"] = maxval
        image.bit_depth = maxval.bit_length()
    return image


def _binary(body: bytes, count: int, maxval: int, format: str) -> Pixels:
    kind = np.dtype("u1" if maxval < 256 else ">u2")
    if len(body) != count * kind.itemsize:
        raise ImageError(
            f"{format}: {count * kind.itemsize} bytes of pixels expected, {len(body)} found: cut "
            "off, or several images"
        )
    return np.frombuffer(body, kind)


def _text(body: bytes, count: int, _: int, format: str) -> Pixels:
    words = re.sub(rb"#[^\r\n]*", b"", body).split()
    if len(words) != count:
        raise ImageError(f"{format}: {count} numbers expected, {len(words)} found")
    if not all(word.isdigit() and len(word) <= 10 for word in words):
        raise ImageError(f"damaged {format}: something else than whole numbers among its pixels")
    # the last number of a file that was cut would be another one
    if not re.search(rb"[ \t\r\n\v\f]\Z", body):
        raise ImageError(f"{format}: it ends within a line, so its last number may be cut off")
    return np.array([int(word) for word in words], np.int64)
