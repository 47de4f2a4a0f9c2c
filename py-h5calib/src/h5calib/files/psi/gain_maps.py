"""PSI's binary gain maps: ``gainMaps_Mxxx.bin``, float64 maps of 512 x 1024 pixels, ADU/keV."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

SHAPE = (512, 1024)
_BYTES = 8 * SHAPE[0] * SHAPE[1]


def read_gain_maps(path: str | os.PathLike[str]) -> np.ndarray:
    """The maps of one module, (maps, 512, 1024): G0, G1, G2[, HG0[, HG1, HG2]].

    Parameters
    ----------
    path : path of the file
    """
    size = os.path.getsize(path)
    maps = size // _BYTES
    if size % _BYTES or maps not in (3, 4, 6):
        raise ValueError(
            f"{path} has {size} bytes: gain maps are 3, 4 or 6 times {_BYTES} (512 x 1024 float64)"
        )
    return np.fromfile(path, "<f8").reshape(maps, *SHAPE)


def stack_modules(paths: Sequence[str | os.PathLike[str]]) -> np.ndarray:
    """The maps of several modules one below the other, (maps, 512 * modules, 1024).

    Parameters
    ----------
    paths : paths of the files, in the order of the modules in the raw data
    """
    maps = [read_gain_maps(path) for path in paths]
    if len({len(m) for m in maps}) > 1:
        counts = ", ".join(f"{path}: {len(m)}" for path, m in zip(paths, maps, strict=True))
        raise ValueError(f"the gain files differ in their number of maps: {counts}")
    return np.concatenate(maps, axis=1)
