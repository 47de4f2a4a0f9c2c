"""A picture of constants from dark runs, with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import NotInstalledError
from .statistics import Statistics


def draw(path: str, modules: Mapping[int | None, tuple[Statistics, np.ndarray]]) -> None:
    """Pedestal, noise and bad pixels of each module and gain stage, the mean over its cells.

    Parameters
    ----------
    path : path of the picture, for example ``dark.png``
    modules : number of the module, or None -> its statistics and bad pixels
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotInstalledError(
            "pictures need matplotlib: pip install 'h5calib[picture]', or leave out --picture"
        ) from error
    rows = [(n, s) for n, (found, _) in modules.items() for s in range(found.mean.shape[1])]
    figure = Figure(figsize=(12, 3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for (number, stage), line in zip(rows, axes, strict=True):
        found, bad = modules[number]
        label = f"stage {stage}" if number is None else f"module {number}, stage {stage}"
        fraction = (bad[:, stage] != 0).mean(0)
        images = (_mean(found.mean[:, stage]), _mean(found.noise[:, stage]), fraction)
        for axis, image, what in zip(line, images, ("pedestal", "noise", "bad"), strict=True):
            known = image[np.isfinite(image)]
            low, high = np.percentile(known, (2, 98)) if known.size else (0, 1)
            shown = axis.imshow(image, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
            axis.set_title(f"{what}, {label}")
            figure.colorbar(shown, ax=axis)
    figure.savefig(path, dpi=80)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over cells that have values."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(0)
    count = known.sum(0)
    mean: np.ndarray = np.divide(total, count, np.full(count.shape, np.nan), where=count > 0)
    return mean
