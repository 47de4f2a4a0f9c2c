"""BMP of 8 bits with a palette, and of 24 bits."""

import struct

import numpy as np

from ..errors import ImageError
from .declared import Pixels
from .planes import Image, from_array
from .table import take


def read_bmp(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a BMP file."""
    if len(data) < 54:
        raise ImageError(f"damaged BMP: {len(data)} bytes, its header has 54")
    size, _, start, header = struct.unpack_from("<IIII", data, 2)
    width, height, planes, bits, packed, _, _, _, used = struct.unpack_from("<iiHHIIiiI", data, 18)
    if header not in (40, 108, 124) or planes != 1 or width < 1 or height == 0:
        raise ImageError(
            f"damaged BMP, or one of an old kind: header of {header} bytes, {planes} planes, "
            f"{width} x {height} pixels"
        )
    take("BMP", {8: "palette", 24: "RGB"}.get(bits, "one of these"), _samples(bits))
    if packed:
        raise ImageError(f"BMP with compression {packed} is not taken: save it as PNG")
    line = (width * bits // 8 + 3) // 4 * 4
    if size != len(data) or start + line * abs(height) > len(data) or start < 14 + header:
        raise ImageError(
            f"BMP: {size} bytes declared, of which {line * abs(height)} of pixels at {start}, "
            f"{len(data)} found: cut off, or damaged"
        )
    rows = np.frombuffer(data, np.uint8, line * abs(height), start).reshape(abs(height), line)
    rows = rows[::-1] if height > 0 else rows
    if bits == 24:
        return from_array(rows[:, : 3 * width].reshape(-1, width, 3)[..., ::-1], axes)
    colours = np.frombuffer(data, np.uint8, start - 14 - header, 14 + header)
    return _coloured(rows[:, :width], colours, used or 256, axes)


def _samples(bits: int) -> str:
    return "uint8" if bits in (8, 24) else f"{bits} bits"


def _coloured(rows: Pixels, colours: Pixels, used: int, axes: str | None) -> Image:
    if used > 256 or len(colours) < 4 * used or int(rows.max()) >= used:
        raise ImageError(f"damaged BMP: a palette of {used} colours, less than its pixels use")
    palette = colours[: 4 * used].reshape(used, 4)[:, 2::-1]
    return from_array(through(palette, rows), axes)


def through(palette: Pixels, rows: Pixels) -> Pixels:
    """Samples [row, column] through a palette [index, r g b]; one that changes nothing is grey."""
    if (palette == np.arange(len(palette))[:, np.newaxis]).all():
        return rows
    return np.asarray(palette[rows])
