"""Any image a user may hand over, as planes that openPMD readers can read.

The rules: bool becomes uint8 (0, 1), float16 becomes float32, long double float64, and
every byte order the machine's; other integer and float types stay. Colour becomes the
components r, g, b (and a).
"""

import io
import os
from dataclasses import dataclass, field

import numpy as np

from ..errors import ImageError
from ..writing.shot import SCALAR

_AXES = {
    "yx": ("y", "x"),
    "yxc": ("y", "x"),
    "pyx": ("page", "y", "x"),
    "pyxc": ("page", "y", "x"),
}
_COLOURS = {1: (SCALAR,), 2: ("l", "a"), 3: ("r", "g", "b"), 4: ("r", "g", "b", "a")}
_CONVERTED = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY = b"\x93NUMPY"


@dataclass
class Image:
    """Decoded pixels: planes by component, their axes, and what the file said of itself."""

    planes: dict
    axes: tuple
    metadata: dict = field(default_factory=dict)
    bit_depth: int | None = None
    owned: bool = True


def is_missing(data):
    """Whether image data counts as not given: None, or nothing in it (an unwired terminal)."""
    if data is None:
        return True
    if isinstance(data, (str, bytes, list, tuple)):
        return len(data) == 0 or (isinstance(data, (list, tuple)) and not any(map(_filled, data)))
    return isinstance(data, np.ndarray) and data.size == 0


def _filled(row):
    return not isinstance(row, (list, tuple)) or len(row) > 0


def decode(source, axes=None, dtype=None):
    """The `Image` of an array, a list of lists, a path, bytes, an open file, a PIL image."""
    if is_missing(source):
        raise ImageError("the image is empty: an array, a list of lists or a path is needed")
    if isinstance(source, np.ndarray):
        return from_array(source, axes, owned=False)
    if isinstance(source, (list, tuple)):
        from .lists import to_array

        return from_array(to_array(source, dtype), axes)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source, axes)
    if isinstance(source, (bytes, bytearray)):
        return _from_stream(io.BytesIO(source), "image bytes", axes)
    if hasattr(source, "read") and not hasattr(source, "getbands"):
        return _from_stream(_rewound(source), getattr(source, "name", "image file"), axes)
    if hasattr(source, "getbands"):
        from .pillow import from_pillow

        return from_pillow(source, axes)
    return from_array(_as_array(source), axes, owned=False)


def _as_array(source):
    try:
        return np.asarray(source)
    except Exception as error:
        raise ImageError(f"no image: {type(source).__name__} ({error})") from None


def _rewound(stream):
    if not hasattr(stream, "seekable") or not stream.seekable():
        return io.BytesIO(stream.read())
    stream.seek(0)
    return stream


def _from_path(path, axes):
    try:
        with open(path, "rb") as stream:
            return _from_stream(stream, os.fspath(path), axes)
    except OSError as error:
        raise ImageError(f"image file {os.fspath(path)!r}: {error.strerror or error}") from None


def _from_stream(stream, name, axes):
    """Decode by what the first bytes say; any failure becomes an `ImageError`."""
    try:
        head = stream.read(8)
        stream.seek(0)
        if head.startswith(_PNG):
            from .png import read_png as read
        elif head.startswith(_TIFF):
            from .tiff import read_tiff as read
        elif head.startswith(_NPY):
            return from_array(np.load(stream, allow_pickle=False), axes)
        else:
            from .pillow import read_image as read
        return read(stream, axes)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except Exception as error:
        raise ImageError(f"{name} cannot be read as an image: {error}") from error


def native(pixels):
    """The array in a type and byte order that openPMD readers do not drop."""
    dtype = pixels.dtype
    if dtype.kind not in "biuf":
        raise ImageError(f"pixels must be integers or floats, not {dtype}")
    if dtype == np.longdouble:
        dtype = np.dtype(np.float64)
    wanted = _CONVERTED.get(dtype.newbyteorder("="), dtype.newbyteorder("="))
    return pixels.astype(wanted, copy=False)


def _guess_axes(shape):
    if len(shape) == 2:
        return "yx"
    if len(shape) == 3:
        return "yxc" if shape[-1] in (1, 3, 4) else "pyx"
    if len(shape) == 4 and shape[-1] in (1, 3, 4):
        return "pyxc"
    raise ImageError(f"an image has the axes [row, column], not {len(shape)} of shape {shape}")


def from_array(pixels, axes=None, owned=True):
    """The `Image` of an array; `axes` is one of "yx", "yxc", "pyx", "pyxc"."""
    axes = axes or _guess_axes(pixels.shape)
    if axes not in _AXES or len(axes) != pixels.ndim:
        raise ImageError(f"axes {axes!r} do not describe an image of shape {pixels.shape}")
    if pixels.size == 0:
        raise ImageError(f"the image is empty (shape {pixels.shape})")
    pixels = native(pixels)
    if not axes.endswith("c"):
        return Image({SCALAR: np.ascontiguousarray(pixels)}, _AXES[axes], owned=owned)
    names = _COLOURS.get(pixels.shape[-1]) or [f"c{i}" for i in range(pixels.shape[-1])]
    planes = {n: np.ascontiguousarray(pixels[..., i]) for i, n in enumerate(names)}
    return Image(planes, _AXES[axes], owned=owned)
