"""PNG of 1 to 16 bits with its text and significant bits.

Pillow decodes what it can without loss; 16-bit colour, which it would cut to 8 bits, is
decoded here.
"""

import re
import struct
import zlib

import numpy as np
from PIL import Image as PillowImage

from ..errors import ImageError
from .pillow import exif, pixels_of
from .planes import from_array

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_LONGEST_TEXT = 4096


def read_png(stream, axes=None):
    """The `Image` in a PNG file; with `sBIT`, values are shifted down to the camera's bits."""
    data = stream.read()
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ImageError("damaged PNG: no header")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth == 16 and colour != 0:
        if interlaced:
            raise ImageError("interlaced 16-bit colour PNG is not supported: save it without")
        raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
        pixels = _decode16(raw, width, height, _CHANNELS[colour])
        metadata = {}
    else:
        stream.seek(0)
        with PillowImage.open(stream) as picture:
            pixels, metadata = pixels_of(picture), exif(picture)
        if depth == 16:
            pixels = pixels.astype(np.uint16)
    pixels, bits = _significant(pixels, chunks, depth, colour)
    image = from_array(pixels, axes or ("yx" if pixels.ndim == 2 else "yxc"))
    image.metadata = metadata | _texts(chunks)
    image.bit_depth = bits
    return image


def _chunks(data):
    """(kind, body) of each chunk."""
    position = 8
    while position + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += size + 12


def _significant(pixels, chunks, depth, colour):
    """Pixels shifted down to the significant bits, and how many these are (None: all)."""
    if colour == 3:
        return pixels, None
    found = next((body for kind, body in chunks if kind == b"sBIT"), None)
    stored = 16 if depth == 16 else 8
    if depth == 1:
        return pixels, 1
    if found:
        bits = [min(b, depth) if b else depth for b in found]
    elif depth < 8:
        bits = [depth]
    else:
        return pixels, None
    shifts = np.array([stored - b for b in bits], pixels.dtype)
    shifted = pixels >> (shifts if pixels.ndim == 3 else shifts[0])
    return shifted, max(bits)


def _texts(chunks):
    """tEXt, zTXt and iTXt as metadata named png_<keyword>."""
    found = {}
    for kind, body in chunks:
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = body.partition(b"\0")
            text = _text(kind, rest)
            name = "png_" + re.sub(r"[^A-Za-z0-9_]", "_", keyword.decode("latin-1"))
            if text and "\0" not in text and len(text) <= _LONGEST_TEXT:
                found[name] = text
    return found


def _text(kind, rest):
    try:
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"zTXt":
            return zlib.decompress(rest[1:]).decode("latin-1")
        packed, rest = rest[0], rest[2:].split(b"\0", 2)[2]
        return (zlib.decompress(rest) if packed else rest).decode("utf-8", "replace")
    except (zlib.error, IndexError):
        return ""


def _decode16(raw, width, height, channels):
    """Undo the row filters of a 16-bit PNG that is not interlaced."""
    line = width * channels * 2
    if len(raw) < height * (line + 1):
        raise ImageError("damaged PNG: pixels are missing")
    rows = np.frombuffer(raw, np.uint8, height * (line + 1)).reshape(height, line + 1)
    plain = _unfilter(rows[:, 0], rows[:, 1:].reshape(height, width, channels * 2))
    return plain.reshape(height, width, channels, 2).view(">u2")[..., 0]


def _unfilter(filters, rows):
    """Undo filters 0 to 4 along diagonals: all pixels of a diagonal depend on earlier ones."""
    if filters.max() > 4:
        raise ImageError("damaged PNG: unknown row filter")
    height, width, size = rows.shape
    out = np.zeros((height + 1, width + 1, size), np.int16)
    for step in range(height + width - 1):
        i = np.arange(max(0, step - width + 1), min(height, step + 1))
        j = step - i
        left, up, corner = out[i + 1, j], out[i, j + 1], out[i, j]
        kind = filters[i][:, None]
        guess = np.select(
            [kind == 1, kind == 2, kind == 3, kind == 4],
            [left, up, (left + up) >> 1, _paeth(left, up, corner)],
            np.int16(0),
        )
        out[i + 1, j + 1] = (rows[i, j] + guess) & 255
    return out[1:, 1:].astype(np.uint8)


def _paeth(left, up, corner):
    """The neighbour that is nearest to left + up - corner; ties as the PNG standard says."""
    a, b, c = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    return np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
