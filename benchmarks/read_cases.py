"""The files of the reading benchmark: raw data, constants, calibrated datasets, stored copies.

Sizes are those of real runs or, with --quick, a part of them. Nearly all pixels are in high gain,
a few bright spots are not, as in a scattering experiment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5calib
import h5py
import hdf5plugin
import numpy as np

RNG = np.random.default_rng(20261120)


@dataclass
class Case:
    """One detector: where its file is, and what a peer needs to compute the same by itself."""

    name: str
    path: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    kind: str  # which rule: "agipd", "jungfrau", "ccd"
    constant_bytes: int  # of one cell that a high-gain pixel needs, over all pixels
    cells: int = 1
    arrays: dict = field(default_factory=dict)  # constants in memory


def spots(shape: tuple[int, int], n: int) -> np.ndarray:
    """A mask with n bright spots of 5 x 5 pixels."""
    mask = np.zeros(shape, bool)
    for y, x in zip(
        RNG.integers(0, shape[0] - 5, n), RNG.integers(0, shape[1] - 5, n), strict=True
    ):
        mask[y : y + 5, x : x + 5] = True
    return mask


def agipd(folder: Path, trains: int) -> Case:
    """512 x 128 pixels, 352 memory cells, float16 constants."""
    cells, ny, nx = 352, 512, 128
    n = cells * trains
    constants = {
        "threshold": np.stack([np.full((cells, ny, nx), v, "f2") for v in (6000, 8000)], 1),
        "pedestal": RNG.uniform(3000, 5000, (cells, 3, ny, nx)).astype("f2"),
        "gain": RNG.uniform(1, 8, (cells, 3, ny, nx)).astype("f2"),
    }
    path = folder / "agipd.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        raw = f.create_dataset("raw", (n, 2, ny, nx), "u2", chunks=(1, 2, ny, nx))
        for train in range(trains):
            block = RNG.integers(4000, 5500, (cells, 2, ny, nx), dtype="u2")
            block[:, 1, spots((ny, nx), 8)] = 7000
            raw[train * cells : (train + 1) * cells] = block
        cell_ids = np.tile(np.arange(cells), trains)
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=h5calib.Agipd(**constants), cell_ids=cell_ids
        )
        shape, chunks = dataset.shape, dataset.chunks
    arrays = {**constants, "cells": cell_ids}
    return Case("agipd", path, shape, chunks, "agipd", 4 * 2 * ny * nx, cells, arrays)


def jungfrau(folder: Path, n: int, compressed: bool = False) -> Case:
    """512 x 1024 pixels, float32 constants."""
    ny, nx = 512, 1024
    pedestal = RNG.uniform(2000, 3000, (3, ny, nx)).astype("f4")
    gain = RNG.uniform(10, 40, (3, ny, nx)).astype("f4")
    name = "jungfrau-bitshuffle" if compressed else "jungfrau"
    path = folder / f"{name}.h5"
    options = hdf5plugin.Bitshuffle() if compressed else {}
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        raw = f.create_dataset("raw", (n, ny, nx), "u2", chunks=(1, ny, nx), **options)
        for i in range(n):
            frame = (pedestal[0] + RNG.normal(0, 8, (ny, nx))).astype("u2")
            frame[spots((ny, nx), 40)] = 0x4000 | 3000
            raw[i] = frame
        calibration = h5calib.Jungfrau(pedestal=pedestal, gain=gain)
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=calibration
        )
        shape, chunks = dataset.shape, dataset.chunks
    arrays = {"pedestal": pedestal, "gain": gain}
    return Case(name, path, shape, chunks, "jungfrau", 2 * 4 * ny * nx, 1, arrays)


def ccd(folder: Path, n: int) -> Case:
    """2250 x 2250 pixels, float32 pedestal."""
    ny = nx = 2250
    pedestal = RNG.uniform(90, 110, (ny, nx)).astype("f4")
    path = folder / "ccd.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        raw = f.create_dataset("raw", (n, ny, nx), "u2")
        for i in range(n):
            raw[i] = RNG.integers(100, 60000, (ny, nx), dtype="u2")
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=h5calib.Pedestal(pedestal=pedestal)
        )
        shape, chunks = dataset.shape, dataset.chunks
    return Case("ccd", path, shape, chunks, "ccd", 4 * ny * nx, 1, {"pedestal": pedestal})


def add_stored_copies(case: Case) -> None:
    """The float32 copies a facility would store: same chunks, contiguous, and compressed."""
    copies = {
        "stored": {"chunks": case.chunks},
        "contiguous": {},
        "stored_bitshuffle": {"chunks": case.chunks, **hdf5plugin.Bitshuffle()},
    }
    with h5py.File(case.path, "r+") as f:
        made = {
            name: f.create_dataset(name, case.shape, "f4", **options)
            for name, options in copies.items()
        }
    with h5py.File(case.path, "r") as source:
        blocks = [(where, block.copy()) for where, block in h5calib.iterate(source["calibrated"])]
    with h5py.File(case.path, "r+") as f:
        for where, block in blocks:
            for name in made:
                f[name][where] = block


def make_all(folder: Path, quick: bool) -> list[Case]:
    """All cases; --quick leaves a quarter of the frames."""
    cases = [
        agipd(folder, 4 if quick else 16),
        jungfrau(folder, 100 if quick else 400),
        ccd(folder, 20 if quick else 60),
        jungfrau(folder, 100 if quick else 400, compressed=True),
    ]
    for case in cases:
        add_stored_copies(case)
    return cases
