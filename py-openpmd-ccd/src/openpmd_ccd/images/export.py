"""A shot as an image file, without loss or not at all."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ..errors import ImageError
from .declared import Pixels


def write_image(path: str | os.PathLike[str], shot: Any, mesh: str = "raw") -> None:
    """Write the pixels of a `openpmd_ccd.reading.scan.Shot` as TIFF or PNG, by the path's ending.

    `mesh` is "raw" or "calibrated". An image appears when it is complete.
    TIFF takes every type. PNG takes uint8 (grey, colour) and uint16 (grey); anything else is
    an `ImageError`, as PNG could only hold it with loss.
    """
    path = Path(path)
    pixels = np.asarray(getattr(shot, mesh))
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        if path.suffix == ".png":
            _write_png(partial, pixels, shot)
        else:
            colour = len(shot.components) in (3, 4)
            tifffile.imwrite(partial, pixels, photometric="rgb" if colour else "minisblack")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_png(path: str | os.PathLike[str], pixels: Pixels, shot: Any) -> None:
    grey = pixels.ndim == 2
    fits = pixels.dtype == np.uint8 or (pixels.dtype == np.uint16 and grey)
    if "page" in shot.axes or not fits:
        raise ImageError(
            f"shot {shot.number} ({pixels.dtype}, axes {shot.axes}) "
            "does not fit into a PNG: use tiff"
        )
    Image.fromarray(pixels).save(path)
