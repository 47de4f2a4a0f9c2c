"""Images through Pillow: what is neither PNG nor TIFF, and PIL images."""

import numpy as np
from PIL import Image as PillowImage

from .planes import from_array

_EXIF_SUB, _EXPOSURE = 0x8769, 0x829A


def read_image(stream, axes=None):
    """The `Image` in a file of any format that Pillow knows (JPEG, BMP, PGM, ...)."""
    with PillowImage.open(stream) as picture:
        return from_pillow(picture, axes)


def from_pillow(picture, axes=None):
    """The `Image` of a PIL image; a palette is applied."""
    pixels = pixels_of(picture)
    image = from_array(pixels, axes or ("yx" if pixels.ndim == 2 else "yxc"))
    image.metadata = exif(picture)
    return image


def pixels_of(picture):
    """Array [row, column] or [row, column, component] of a PIL image."""
    if picture.mode in ("P", "PA"):
        transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if transparent else "RGB")
    elif picture.mode not in ("1", "L", "LA", "I", "F", "RGB", "RGBA") and picture.mode[:2] != "I;":
        picture = picture.convert("RGB")
    return np.asarray(picture)


def exif(picture):
    """Exposure time in seconds from EXIF, if there."""
    try:
        tags = picture.getexif()
        seconds = tags.get_ifd(_EXIF_SUB).get(_EXPOSURE) or tags.get(_EXPOSURE)
        return {"exif_ExposureTime": float(seconds)} if seconds else {}
    except Exception:  # damaged EXIF is no reason to refuse the pixels
        return {}
