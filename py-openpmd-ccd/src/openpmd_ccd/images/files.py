"""Image files: which reader takes the bytes, and one sentence where none does."""

import io
import os
from typing import Any, BinaryIO

import numpy as np

from ..errors import CCDError, ImageError
from .planes import Image, from_array
from .table import take, unknown

#: what a file begins with -> the module of this folder that reads it
_READERS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"SIMPLE  =", "fits"),
    (b"P2", "pnm"), (b"P3", "pnm"), (b"P5", "pnm"), (b"P6", "pnm"),
    (b"\x93NUMPY", "npy"),
)  # fmt: skip


def from_path(path: str | os.PathLike[str], axes: str | None = None) -> Image:
    """The `Image` in a file."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ImageError(f"image file {os.fspath(path)!r}: {error.strerror or error}") from None
    return from_bytes(data, os.fspath(path), axes)


def from_stream(stream: BinaryIO, axes: str | None = None) -> Image:
    """The `Image` in an open file, from its beginning."""
    if hasattr(stream, "seekable") and stream.seekable():
        stream.seek(0)
    data = stream.read()
    if not isinstance(data, bytes):
        raise ImageError("an image file must be open for bytes: open(path, 'rb')")
    return from_bytes(data, str(getattr(stream, "name", "image file")), axes)


def from_bytes(data: bytes, name: str, axes: str | None = None) -> Image:
    """The `Image` in the bytes of a file; any failure becomes an `ImageError` with its name."""
    try:
        image: Image = _reader(data)(data, axes)
        return image
    except CCDError as error:
        raise type(error)(f"{name}: {error}") from None
    except Exception as error:
        raise ImageError(f"{name} cannot be read as an image: {error}") from error


def _reader(data: bytes) -> Any:
    kind = next((kind for magic, kind in _READERS if data.startswith(magic)), None)
    if kind == "png":
        from .png import read_png as read
    elif kind == "tiff":
        from .tiff import read_tiff as read
    elif kind == "jpeg":
        from .jpeg import read_jpeg as read
    elif kind == "bmp":
        from .bmp import read_bmp as read
    elif kind == "gif":
        from .gif import read_gif as read
    elif kind == "fits":
        from .fits import read_fits as read
    elif kind == "pnm":
        from .pnm import read_pnm as read
    elif kind == "npy":
        return _read_npy
    else:
        raise unknown(data[:160])
    return read


def _read_npy(data: bytes, axes: str | None) -> Image:
    stream = io.BytesIO(data)
    pixels = np.load(stream, allow_pickle=False)
    if stream.tell() != len(data):
        raise ImageError(".npy with more than one array is not taken: give the array")
    if pixels.dtype != bool:
        take("NumPy", ".npy", pixels.dtype.newbyteorder("=").name)
    return from_array(pixels, axes)
