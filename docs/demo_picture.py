"""Raw data beside the calibrated dataset, and how the values are distributed."""

from __future__ import annotations

from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from demo_runs import PHOTON_KEV

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import Normalize, SymLogNorm

UNUSABLE = "0.55"  # grey
SAME = "the same frame of the calibrated dataset"


def draw(path: Path, crystal, spheres) -> None:
    """A row for each detector: a raw frame, the calibrated one, a histogram of many."""
    figure = plt.figure(figsize=(15, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=[1.25, 1.25, 0.8], height_ratios=[1.5, 1])
    top, bottom = ([figure.add_subplot(grid[row, k]) for k in range(3)] for row in range(2))
    frame = len(crystal.values) // 2
    raw, calibrated = raw_frame(crystal, frame), crystal.values[frame]
    show(figure, top[0], raw, "JUNGFRAU, raw: ADC, and the gain bits above it", "raw value")
    show(
        figure, top[1], calibrated, "the same frame of the calibrated dataset", "photons", (0, 300)
    )
    spectrum(top[2], crystal.values[:20], np.linspace(-0.6, 5.6, 400), "photons a pixel")
    frame = int(np.argmax(np.nanmean(spheres.values[:60], axis=(1, 2))))
    raw, calibrated = raw_frame(spheres, frame)[0].T, spheres.values[frame].T / PHOTON_KEV
    show(figure, bottom[0], raw, "AGIPD, raw: signal, three gain stages mixed", "ADU")
    show(
        figure,
        bottom[1],
        calibrated,
        "the same frame of the calibrated dataset",
        "photons",
        (0, 3000),
    )
    bins = np.linspace(-0.6, 5.6, 400)
    spectrum(bottom[2], spheres.values[:100] / PHOTON_KEV, bins, "photons a pixel")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def raw_frame(result, number: int) -> np.ndarray:
    file, _, path = result.run.raw.rpartition(":")
    with h5py.File(file) as f:
        return f[path][number]


def show(figure, axes, image, title: str, unit: str, limits=None) -> None:
    colours = plt.get_cmap("inferno" if limits else "viridis").with_extremes(bad=UNUSABLE)
    if limits:
        norm = SymLogNorm(1, vmin=limits[0], vmax=limits[1])
    else:
        norm = Normalize(*np.percentile(image, [0.5, 99.5]))
    drawn = axes.imshow(image, cmap=colours, norm=norm, interpolation="nearest", origin="lower")
    axes.set(title=title, xticks=[], yticks=[])
    bar = figure.colorbar(
        drawn, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, extend="both"
    )
    bar.set_label(unit)


def spectrum(axes, values, bins, label: str) -> None:
    axes.hist(values[np.isfinite(values)], bins, histtype="stepfilled", color="#7a3b8f")
    axes.set(yscale="log", xlabel=label, ylabel="pixels", xlim=(bins[0], bins[-1]))
    axes.set_title("calibrated values, many frames")
    axes.grid(alpha=0.3)
