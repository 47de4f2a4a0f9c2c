"""Runs of two detectors as their raw files look: made up, with the numbers of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

PHOTON_KEV = 9.2
JUNGFRAU_SHAPE = (512, 1024)
AGIPD_SHAPE = (512, 128)
N_CELLS = 32
# one row per gain stage: ADU per keV, ADU without light, the largest signal in keV
JUNGFRAU_STAGES = np.array([[41.0, 2900, 280], [-1.44, 14700, 8000], [-0.11, 14400, np.inf]])
AGIPD_STAGES = np.array([[7.6, 5000, 600], [0.26, 5800, 11000], [0.055, 6300, np.inf]])
GAIN_VOLTAGE = np.array([6200.0, 7800.0, 8900.0])
THRESHOLDS = (7000, 8350)


class Run(NamedTuple):
    """A raw file and what it takes to calibrate it."""

    raw: str  # file:/path of the raw data
    constants: dict[str, np.ndarray]
    cell_ids: np.ndarray | None = None


def _maps(rng, shape, chip, stages, gain_spread, pedestal_spread):
    """Gains and pedestals (stage, y, x): each chip has its own, and each pixel a little."""
    chips = rng.normal(size=(2, 3, shape[0] // chip, shape[1] // chip))
    chips = chips.repeat(chip, axis=2).repeat(chip, axis=3)
    pixels = rng.normal(size=(2, 3, *shape))
    gain, pedestal = (stages[:, k, np.newaxis, np.newaxis] for k in (0, 1))
    gain = gain * (1 + gain_spread * (chips[0] + pixels[0]))
    pedestal = pedestal + pedestal_spread * (2 * chips[1] + pixels[1])
    return gain.astype("f4"), pedestal.astype("f4")


def _radius(shape, center):
    y, x = np.indices(shape, dtype="f4")
    return np.hypot(y - center[0], x - center[1])


def _bragg_spots(rng, shape, n):
    """Photons of one crystal in one orientation: spots on a turned, stretched lattice."""
    photons = np.zeros(shape, "f4")
    y0, x0 = rng.uniform([4, 4], np.subtract(shape, 4), (n, 2)).T
    height = rng.exponential(40, n) * rng.choice([1, 30], n, p=[0.93, 0.07])
    dy, dx = np.mgrid[-3:4, -3:4]
    for y, x, h in zip(y0, x0, height, strict=True):
        row, column = int(y), int(x)
        spot = np.exp(-((dy + row - y) ** 2 + (dx + column - x) ** 2) / 1.6)
        photons[row - 3 : row + 4, column - 3 : column + 4] += h * spot
    return photons


def _stage_of(kev, stages):
    return (kev > stages[0, 2]).astype("u2") + (kev > stages[1, 2])


def _adu(rng, kev, stage, gain, pedestal, noise):
    pick = stage[np.newaxis]
    gain, pedestal = (np.take_along_axis(k, pick, 0)[0] for k in (gain, pedestal))
    return kev * gain + pedestal + noise * rng.standard_normal(kev.shape, dtype="f4")


def jungfrau(folder: Path, n_frames: int) -> Run:
    """A crystal that turns, in front of a JUNGFRAU module: water ring and Bragg spots."""
    rng = np.random.default_rng(1)
    shape = JUNGFRAU_SHAPE
    gain, pedestal = _maps(rng, shape, 256, JUNGFRAU_STAGES, 0.02, 120)
    mask = np.zeros(shape, "u1")
    mask[rng.integers(0, shape[0], 300), rng.integers(0, shape[1], 300)] = 1  # hot pixels
    mask[256:, 700] = 1  # half a column
    radius = _radius(shape, (560, 500))
    water = 0.25 + 1.3 * np.exp(-(((radius - 260) / 70) ** 2)) + 1.5 * np.exp(-radius / 60)
    path = folder / "jungfrau-raw.h5"
    with h5py.File(path, "w") as f:
        data = f.create_dataset("data/raw", (n_frames, *shape), "u2", chunks=(1, *shape))
        for i in range(n_frames):
            photons = rng.poisson(water + _bragg_spots(rng, shape, 120))
            kev = photons.astype("f4") * np.float32(PHOTON_KEV)
            stage = _stage_of(kev, JUNGFRAU_STAGES)
            adc = np.clip(_adu(rng, kev, stage, gain, pedestal, 12), 0, 0x3FFF).astype("u2")
            frame = adc | np.array([0, 1, 3], "u2")[stage] << 14  # the two gain bits
            frame[mask == 1] = rng.integers(0, 0x10000, np.count_nonzero(mask), "u2")
            data[i] = frame
    constants = {"pedestal": pedestal, "gain": gain, "pixel_mask": mask}
    return Run(f"{path}:/data/raw", constants)


def agipd(folder: Path, n_trains: int) -> Run:
    """Trains of pulses scattered by small spheres, in front of an AGIPD module.

    A pulse is stored in one of the memory cells; some trains have fewer pulses than cells. Raw
    frames are pairs: the signal, and a voltage that tells the gain stage.
    """
    rng = np.random.default_rng(2)
    shape = AGIPD_SHAPE
    cell_ids = np.concatenate([np.arange(rng.integers(24, N_CELLS + 1)) for _ in range(n_trains)])
    gain, pedestal = _maps(rng, shape, 64, AGIPD_STAGES, 0.02, 60)
    drift = rng.normal(0, 15, (N_CELLS, 3, 1, 1)) + rng.normal(0, 6, (N_CELLS, 3, *shape))
    pedestal = (pedestal + drift).astype("f4")
    levels = np.array(THRESHOLDS).reshape(1, 2, 1, 1)
    threshold = np.rint(levels + rng.normal(0, 30, (N_CELLS, 2, *shape))).astype("u2")
    q = _radius(shape, (256, 150)) / 26
    spheres = 2500 * (3 * (np.sin(q) - q * np.cos(q)) / q**3) ** 2 + 0.1
    path = folder / "agipd-raw.h5"
    with h5py.File(path, "w") as f:
        data = f.create_dataset("image/data", (len(cell_ids), 2, *shape), "u2")
        f["image/cellId"] = cell_ids.astype("u2")
        for i, cell in enumerate(cell_ids):
            kev = rng.poisson(spheres * rng.gamma(4, 0.25)).astype("f4") * np.float32(PHOTON_KEV)
            stage = _stage_of(kev, AGIPD_STAGES)
            signal = _adu(rng, kev, stage, gain, pedestal[cell], 10)
            voltage = GAIN_VOLTAGE[stage] + 60 * rng.standard_normal(shape, dtype="f4")
            data[i] = np.clip([signal, voltage], 0, 0x3FFF).astype("u2")
    constants = {"threshold": threshold, "pedestal": pedestal, "gain": gain}
    return Run(f"{path}:/image/data", constants, cell_ids)
