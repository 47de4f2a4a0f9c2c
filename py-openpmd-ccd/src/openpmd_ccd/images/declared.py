"""What a file says of itself beside its pixels: orientation, exposure, and how to turn it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from ..errors import ImageError

Pixels = np.ndarray[Any, np.dtype[Any]]

_EXIF_SUB, _EXPOSURE, _ORIENTATION = 0x8769, 0x829A, 0x0112
LONGEST_TEXT = 4096

#: EXIF's orientations (the same as TIFF's): how the stored rows become upright
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[..., ::-1],
    3: lambda p: p[..., ::-1, ::-1],
    4: lambda p: p[..., ::-1, :],
    5: lambda p: p.swapaxes(-1, -2),
    6: lambda p: p.swapaxes(-1, -2)[..., ::-1],
    7: lambda p: p[..., ::-1, ::-1].swapaxes(-1, -2),
    8: lambda p: p.swapaxes(-1, -2)[..., ::-1, :],
}


def upright(plane: Pixels, orientation: int) -> Pixels:
    """A plane [..., y, x] turned and mirrored as an orientation from 1 to 8 says."""
    if orientation not in _UPRIGHT:
        raise ImageError(f"orientation {orientation} is not known: 1 to 8 are")
    return np.ascontiguousarray(_UPRIGHT[orientation](plane))


def exif(data: bytes) -> tuple[dict[str, Any], int]:
    """(exposure time in seconds as metadata, orientation) of EXIF bytes; damaged EXIF has none."""
    tags = PillowImage.Exif()
    try:
        tags.load(data)
        seconds = tags.get_ifd(_EXIF_SUB).get(_EXPOSURE) or tags.get(_EXPOSURE)
        orientation = tags.get(_ORIENTATION, 1)
        found = {"exif_ExposureTime": float(seconds)} if seconds else {}
    except Exception:  # damaged EXIF is no reason to refuse the pixels
        return {}, 1
    if not isinstance(orientation, int) or orientation not in _UPRIGHT:
        return found, 1
    return (found | {"exif_Orientation": orientation} if orientation != 1 else found), orientation


def short_text(text: Any) -> bool:
    """Whether text can become metadata."""
    return isinstance(text, str) and bool(text) and "\0" not in text and len(text) <= LONGEST_TEXT
