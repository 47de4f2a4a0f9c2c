"""PNG of 1 to 16 bits, whole, with its text and significant bits."""

import io
import re
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image as PillowImage

from ..errors import ImageError
from . import declared, sbit
from .declared import Pixels
from .planes import Image, from_array
from .table import take

_MODES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGB and alpha"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SAMPLES = {1: "1 bit", 2: "2 bits", 4: "4 bits", 8: "uint8", 16: "uint16"}
_PALETTE = 3
#: (first row, step, first column, step) of the passes of an interlaced image
_PASSES = (
    (0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2),
    (1, 2, 0, 1),
)  # fmt: skip

Chunks = list[tuple[bytes, bytes]]


def read_png(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a PNG file; with `sBIT`, shifted down where nothing is lost."""
    chunks = _chunks(data)
    width, height, depth, colour, _, _, interlaced = _header(chunks)
    if any(kind == b"acTL" for kind, _ in chunks):
        raise ImageError("animated PNG (APNG) is not taken: save each frame as an image of its own")
    take("PNG", _MODES.get(colour, f"colour type {colour}"), _SAMPLES.get(depth, f"{depth} bits"))
    if depth >= 8 and colour != _PALETTE:
        # libpng makes a transparent colour (tRNS) an alpha channel, which is no part of the samples
        pixels = np.asarray(imagecodecs.png_decode(data))
        pixels = pixels.reshape(height, width, -1)[..., : _CHANNELS[colour]]
        pixels = pixels[..., 0] if _CHANNELS[colour] == 1 else pixels
    else:
        _check_length(chunks, width, height, depth, interlaced)
        pixels = _few_bits(data, depth, colour)
    found: dict[str, Any] = _texts(chunks)
    bits: int | None = depth if depth < 8 and colour != _PALETTE else None
    significant = _first(chunks, b"sBIT")
    if significant is not None and depth >= 8 and colour != _PALETTE:
        pixels, bits, note = sbit.shifted(pixels, significant, depth)
        found |= {"png_sBIT": note} if note else {}
    image = from_array(pixels, axes or ("yx" if pixels.ndim == 2 else "yxc"))
    more, image.orientation = declared.exif(b"Exif\0\0" + (_first(chunks, b"eXIf") or b""))
    image.metadata, image.bit_depth = found | more, bits
    return image


def _chunks(data: bytes) -> Chunks:
    """(kind, body) of each chunk, from the header to the end, all of them whole."""
    found: Chunks = []
    position = 8
    while not found or found[-1][0] != b"IEND":
        size = int.from_bytes(data[position : position + 4], "big")
        end = position + size + 12
        if end > len(data) or position + 12 > len(data):
            raise ImageError(
                f"damaged PNG: cut off, byte {end} is needed and {len(data)} are there"
            )
        kind, body = data[position + 4 : position + 8], data[position + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageError(f"damaged PNG: the checksum of its chunk {kind!r} is wrong")
        found.append((kind, body))
        position = end
    if position != len(data):
        raise ImageError(f"damaged PNG: {len(data) - position} bytes behind its end")
    return found


def _header(chunks: Chunks) -> tuple[int, ...]:
    kind, body = chunks[0]
    if kind != b"IHDR" or len(body) != 13:
        raise ImageError("damaged PNG: no header")
    return struct.unpack(">IIBBBBB", body)


def _first(chunks: Chunks, kind: bytes) -> bytes | None:
    return next((body for name, body in chunks if name == kind), None)


def _check_length(chunks: Chunks, width: int, height: int, depth: int, interlaced: int) -> None:
    """An error where pixels are missing, which Pillow would take for zeros."""
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    parts = [(height, width)]
    if interlaced:
        parts = [(-(-(height - y) // dy), -(-(width - x) // dx)) for y, dy, x, dx in _PASSES]
    expected = sum(
        rows * (1 + (columns * depth + 7) // 8)
        for rows, columns in parts
        if columns > 0 and rows > 0
    )
    if len(raw) != expected:
        raise ImageError(f"damaged PNG: {len(raw)} bytes of pixels, {expected} expected")


def _few_bits(data: bytes, depth: int, colour: int) -> Pixels:
    """A palette's colours, or grey of less than 8 bits; Pillow scales 2 and 4 bits up to 8."""
    with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as picture:
        if colour == _PALETTE:
            return np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
        pixels = np.asarray(picture).astype(np.uint8)
    return pixels if depth == 1 else pixels >> (8 - depth)


def _texts(chunks: Chunks) -> dict[str, Any]:
    """tEXt, zTXt and iTXt as metadata named png_<keyword>."""
    found = {}
    for kind, body in chunks:
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = body.partition(b"\0")
            text = _text(kind, rest)
            name = "png_" + re.sub(r"[^A-Za-z0-9_]", "_", keyword.decode("latin-1"))
            if declared.short_text(text):
                found[name] = text
    return found


def _text(kind: bytes, rest: bytes) -> str:
    try:
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"zTXt":
            return zlib.decompress(rest[1:]).decode("latin-1")
        packed, rest = rest[0], rest[2:].split(b"\0", 2)[2]
        return (zlib.decompress(rest) if packed else rest).decode("utf-8", "replace")
    except (zlib.error, IndexError):
        return ""
