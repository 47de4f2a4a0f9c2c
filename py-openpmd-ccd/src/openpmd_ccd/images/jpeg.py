"""JPEG of 8 bits, grey or colour, one picture a file, through Pillow."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image as PillowImage

from ..errors import ImageError
from . import declared
from .planes import Image, from_array
from .table import take

_BASELINE_AND_PROGRESSIVE = (0xC0, 0xC1, 0xC2)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD8)}
_END, _SCAN, _EXIF, _MPO = 0xD9, 0xDA, 0xE1, 0xE2


def read_jpeg(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a JPEG file."""
    found, orientation = _checked(data)
    with PillowImage.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        mode = picture.mode
        if mode not in ("L", "RGB"):
            raise ImageError(f"JPEG of mode {mode} is not taken: save it as grey or RGB")
        pixels = np.asarray(picture)
    image = from_array(pixels, axes or ("yx" if mode == "L" else "yxc"))
    image.metadata, image.orientation = found, orientation
    return image


def _checked(data: bytes) -> tuple[dict[str, object], int]:
    """Metadata and orientation of a file that holds one whole picture of a kind that is taken."""
    found: dict[str, object] = {}
    orientation, frames, end, end_at = 1, 0, False, 0
    for kind, body, position in _segments(data):
        if kind == _EXIF and body.startswith(b"Exif\0\0"):
            found, orientation = declared.exif(body)
        elif kind == _MPO and body.startswith(b"MPF\0"):
            raise ImageError("JPEG with several pictures (MPO) is not taken: save each as PNG")
        elif kind in _FRAMES:
            frames += 1
            _check_frame(kind, body)
        elif kind == _END:
            end, end_at = True, position
    if not end or frames != 1:
        raise ImageError("JPEG: it has no end, or no picture: cut off, or damaged")
    if b"\xff\xd8\xff" in data[end_at:]:
        raise ImageError("JPEG with several pictures is not taken: save each as PNG")
    return found, orientation


def _check_frame(kind: int, body: bytes) -> None:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise ImageError("damaged JPEG: its frame header has another length than it should")
    bits, parts = body[0], body[5]
    if kind not in _BASELINE_AND_PROGRESSIVE:
        raise ImageError(f"JPEG of process {kind - 0xC0} (lossless, arithmetic) is not taken")
    mode = {1: "grey", 3: "YCbCr"}.get(parts, f"{parts} components (CMYK)")
    take("JPEG", mode, "uint8" if bits == 8 else f"{bits} bits")


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(marker, body, position behind it) of each segment; stops at the end of the picture."""
    position = 2
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            raise ImageError(f"damaged JPEG: no marker at byte {position}")
        kind = data[position + 1]
        if kind == 0xFF:  # a marker may be filled up
            position += 1
            continue
        position += 2
        if kind == _END:
            yield kind, b"", position
            return
        if kind in _ALONE:
            yield kind, b"", position
            continue
        size = int.from_bytes(data[position : position + 2], "big")
        body = data[position + 2 : position + size]
        if size < 2 or len(body) != size - 2:
            raise ImageError("damaged JPEG: a segment is longer than the file, or has no length")
        position += size
        yield kind, body, position
        if kind == _SCAN:
            position = _behind_scan(data, position)


def _behind_scan(data: bytes, position: int) -> int:
    """Where the next marker is that does not belong to a scan's data."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        kind = data[position + 1]
        if kind != 0 and not 0xD0 <= kind <= 0xD7:
            return position
        position += 2
