"""Any image a user may hand over, as planes that openPMD readers can read.

The rules: bool becomes uint8 (0, 1), float16 becomes float32, long double float64, and
every byte order the machine's; other integer and float types stay. Colour becomes the
components r, g, b (and a).
"""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ImageError, SettingError
from ..writing.shot import SCALAR
from .declared import Pixels, upright

_AXES = {
    "yx": ("y", "x"),
    "yxc": ("y", "x"),
    "pyx": ("page", "y", "x"),
    "pyxc": ("page", "y", "x"),
}
_COLOURS = {1: (SCALAR,), 2: ("l", "a"), 3: ("r", "g", "b"), 4: ("r", "g", "b", "a")}
_CONVERTED: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(bool): np.dtype(np.uint8),
    np.dtype(np.float16): np.dtype(np.float32),
}


@dataclass
class Image:
    """Decoded pixels: planes by component, their axes, and what the file said of itself.

    orientation is EXIF's, 1 to 8; the planes are as they lie in the file.
    """

    planes: dict[str, Pixels]
    axes: tuple[str, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    bit_depth: int | None = None
    owned: bool = True
    orientation: int = 1


def is_missing(data: Any) -> bool:
    """Whether image data counts as not given: None, or nothing in it (an unwired terminal)."""
    if data is None:
        return True
    if isinstance(data, (str, bytes, bytearray, list, tuple)):
        return len(data) == 0 or (isinstance(data, (list, tuple)) and not any(map(_filled, data)))
    return isinstance(data, np.ndarray) and data.size == 0


def _filled(row: Any) -> bool:
    return not isinstance(row, (list, tuple)) or len(row) > 0


def decode(
    source: Any, axes: str | None = None, dtype: Any = None, orientation: str | None = None
) -> Image:
    """The `Image` of an array, a list of lists, a path, bytes, an open file, a PIL image.

    Parameters
    ----------
    axes : "yx", "yxc", "pyx" or "pyxc", optional
        Meaning of the axes where the shape leaves it open.
    dtype : numpy dtype, optional
        Type for lists; numbers that it does not hold are an error.
    orientation : None or "apply"
        "apply" turns and mirrors the image as its file says (EXIF, TIFF); by default its
        orientation is only kept as metadata.

    Raises
    ------
    ImageError
        No image, or of a format or mode that is not taken (see `openpmd_ccd.images.table`).
    """
    if orientation not in (None, "apply"):
        raise SettingError(f'orientation must be "apply" or None, not {orientation!r}')
    if is_missing(source):
        raise ImageError("the image is empty: an array, a list of lists or a path is needed")
    image = _decode(source, axes, dtype)
    if orientation == "apply" and image.orientation != 1:
        image.planes = {n: upright(p, image.orientation) for n, p in image.planes.items()}
        image.metadata["exif_Orientation_applied"] = image.orientation
        image.metadata.pop("exif_Orientation", None)
        image.orientation = 1
    return image


def _decode(source: Any, axes: str | None, dtype: Any) -> Image:
    from .files import from_bytes, from_path, from_stream

    if isinstance(source, np.ndarray):
        return from_array(source, axes, owned=False)
    if isinstance(source, (list, tuple)):
        from .lists import to_array

        return from_array(to_array(source, dtype), axes)
    if isinstance(source, (str, os.PathLike)):
        return from_path(source, axes)
    if isinstance(source, (bytes, bytearray)):
        return from_bytes(bytes(source), "image bytes", axes)
    if hasattr(source, "getbands"):
        from .pillow import from_pillow

        return from_pillow(source, axes)
    if hasattr(source, "read"):
        return from_stream(source, axes)
    return from_array(_as_array(source), axes, owned=False)


def _as_array(source: Any) -> Pixels:
    try:
        return np.asarray(source)
    except Exception as error:
        raise ImageError(f"no image: {type(source).__name__} ({error})") from None


def native(pixels: Pixels) -> Pixels:
    """The array in a type and byte order that openPMD readers do not drop."""
    dtype = pixels.dtype
    if dtype.kind not in "biuf":
        raise ImageError(f"pixels must be integers or floats, not {dtype}")
    if isinstance(pixels, np.ma.MaskedArray):
        if np.ma.is_masked(pixels):
            raise ImageError("a masked array is no image: fill it, or give its data")
        pixels = pixels.data
    if dtype.kind == "f" and dtype.itemsize > 8:
        return _narrowed(pixels)
    plain: np.dtype[Any] = dtype.newbyteorder("=")
    return np.asarray(pixels.astype(_CONVERTED.get(plain, plain), copy=False))


def _narrowed(pixels: Pixels) -> Pixels:
    """Long doubles as float64, which openPMD readers know, if they are the same numbers."""
    narrow = pixels.astype(np.float64)
    if not np.array_equal(narrow, pixels, equal_nan=True):
        raise ImageError(
            f"pixels of type {pixels.dtype} do not fit into float64: round them to it first"
        )
    return narrow


def _guess_axes(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "yx"
    if len(shape) == 3:
        return "yxc" if shape[-1] in (1, 3, 4) else "pyx"
    if len(shape) == 4 and shape[-1] in (1, 3, 4):
        return "pyxc"
    raise ImageError(f"an image has the axes [row, column], not {len(shape)} of shape {shape}")


def from_array(pixels: Pixels, axes: str | None = None, owned: bool = True) -> Image:
    """The `Image` of an array; `axes` is one of "yx", "yxc", "pyx", "pyxc"."""
    axes = axes or _guess_axes(pixels.shape)
    if axes not in _AXES or len(axes) != pixels.ndim:
        raise ImageError(f"axes {axes!r} do not describe an image of shape {pixels.shape}")
    if pixels.size == 0:
        raise ImageError(f"the image is empty (shape {pixels.shape})")
    pixels = native(pixels)
    if not axes.endswith("c"):
        return Image({SCALAR: np.ascontiguousarray(pixels)}, _AXES[axes], owned=owned)
    count = pixels.shape[-1]
    names = _COLOURS.get(count) or tuple(f"c{i}" for i in range(count))
    planes = {n: np.ascontiguousarray(pixels[..., i]) for i, n in enumerate(names)}
    return Image(planes, _AXES[axes], owned=owned)
