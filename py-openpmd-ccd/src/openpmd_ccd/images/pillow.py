"""PIL images: as their file has them where it is still there, else as NumPy sees them."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from ..errors import ImageError
from . import declared
from .declared import Pixels
from .planes import Image, from_array
from .table import REMEDY

_PLAIN = ("1", "L", "LA", "I", "F", "RGB", "RGBA")


def from_pillow(picture: Any, axes: str | None = None) -> Image:
    """The `Image` of a PIL image; a palette is applied.

    A picture that was opened from a file has the numbers of that file, not those that Pillow made
    of them: it cuts 16-bit colour to 8 bits and scales few bits up.
    """
    data = _file_of(picture)
    if data is not None:
        from .files import from_bytes

        return from_bytes(data, str(getattr(picture, "filename", "") or "PIL image"), axes)
    pixels = pixels_of(picture)
    image = from_array(pixels, axes or ("yx" if pixels.ndim == 2 else "yxc"))
    image.metadata, image.orientation = declared.exif(picture.info.get("exif") or b"")
    return image


def pixels_of(picture: Any) -> Pixels:
    """Array [row, column] or [row, column, component] of a PIL image."""
    if picture.mode in ("P", "PA"):
        transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if transparent else "RGB")
    elif picture.mode not in _PLAIN and picture.mode[:2] != "I;":
        raise ImageError(f"a PIL image of mode {picture.mode} is not taken: {REMEDY}")
    if getattr(picture, "n_frames", 1) != 1:
        raise ImageError(f"a PIL image of {picture.n_frames} frames is not taken: give one")
    return np.asarray(picture)


def _file_of(picture: Any) -> bytes | None:
    """The bytes that a picture was opened from, if they still hold it."""
    stream = getattr(picture, "fp", None)
    if not getattr(picture, "format", None):
        return None
    try:
        if stream is not None:
            position = stream.tell()
            stream.seek(0)
            data = stream.read()
            stream.seek(position)
        else:
            with open(os.fspath(picture.filename), "rb") as file:
                data = file.read()
        return data if _holds(data, picture) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _holds(data: bytes, picture: Any) -> bool:
    """Whether Pillow makes the same picture of the bytes: it may have been drawn into since."""
    with PillowImage.open(io.BytesIO(data)) as again:
        same = (again.mode, again.size, again.format) == (
            picture.mode,
            picture.size,
            picture.format,
        )
        return same and np.array_equal(np.asarray(again), np.asarray(picture))
