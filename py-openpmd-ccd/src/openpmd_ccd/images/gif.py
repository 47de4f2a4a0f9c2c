"""GIF of one frame, without transparency."""

from collections.abc import Iterator

import imagecodecs
import numpy as np

from ..errors import ImageError
from .declared import Pixels
from .planes import Image, from_array
from .table import take

_EXTENSION, _FRAME, _END, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9


def read_gif(data: bytes, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a GIF file."""
    take("GIF", "palette", "uint8")
    if len(data) < 13:
        raise ImageError("damaged GIF: it ends within its header")
    frames = list(_frames(data))
    if len(frames) != 1:
        raise ImageError(f"GIF of {len(frames)} frames is not taken: save each as PNG")
    place, palette, transparent = frames[0]
    if transparent:
        raise ImageError("GIF with transparency is not taken: save it as PNG")
    width, height = _two(data, 6)
    if place != (0, 0, width, height):
        raise ImageError("GIF whose frame is not the whole picture is not taken: save it as PNG")
    pixels = np.asarray(imagecodecs.gif_decode(data))
    if pixels.shape != (height, width, 3):
        raise ImageError(f"damaged GIF: {pixels.shape} pixels, not {(height, width, 3)}")
    if (palette == np.arange(len(palette))[:, np.newaxis]).all():
        return from_array(pixels[..., 0], axes or "yx")
    return from_array(pixels, axes or "yxc")


def _two(data: bytes, at: int) -> tuple[int, int]:
    """Two numbers of 16 bits."""
    first, second = data[at : at + 2], data[at + 2 : at + 4]
    return int.from_bytes(first, "little"), int.from_bytes(second, "little")


def _frames(data: bytes) -> Iterator[tuple[tuple[int, int, int, int], Pixels, bool]]:
    """((left, top, width, height), palette, transparent) of each frame of a whole file."""
    position = 13 + _palette(data[10])
    palette, transparent = data[13:position], False
    while position < len(data):
        kind = data[position]
        if kind == _END and position + 1 == len(data):
            return
        if kind == _FRAME and position + 10 <= len(data):
            place = (*_two(data, position + 1), *_two(data, position + 5))
            colours = position + 10 + _palette(data[position + 9])
            own = data[position + 10 : colours] or palette
            if len(own) % 3 or not own:
                raise ImageError("damaged GIF: a frame without a palette")
            yield place, np.frombuffer(own, np.uint8).reshape(-1, 3), transparent
            position = _behind_blocks(data, colours + 1)
        elif kind == _EXTENSION and position + 4 <= len(data):
            transparent |= data[position + 1] == _CONTROL and bool(data[position + 3] & 1)
            position = _behind_blocks(data, position + 2)
        else:
            break
    raise ImageError(f"GIF: it does not end as it should, at byte {position} of {len(data)}")


def _palette(flags: int) -> int:
    """Bytes of a palette."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _behind_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1
