"""The files of the reading benchmark: raw data, constants, calibrated datasets, stored copies.

Nearly all pixels are in high gain; about one in a hundred is not, in bright spots that lie
elsewhere in each frame. The noise around the pedestal is that of a detector, so that compression
is worth it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5calib
import h5py
import hdf5plugin
import numpy as np

LIBVER = ("v110", "v110")  # as the h5calib command writes; for stored copies as well
BLOCK_BYTES = 64 * 1024 * 1024  # of the result that one read asks for
POOL = 97  # frames of noise that are used again and again, in another place
GZIP = {"compression": "gzip", "compression_opts": 1}


@dataclass(frozen=True)
class Size:
    """How large everything is: as real runs, a part of them, or just enough for a try."""

    trains: int
    cells: int
    agipd: tuple[int, int]
    jungfrau_frames: int
    jungfrau: tuple[int, int]
    ccd_frames: int
    ccd: tuple[int, int]
    part: int  # the slow ways read one frame in so many; of AGIPD at most 8 trains
    accesses: int  # random single frames
    scaling: tuple[int, ...]  # numbers of frames


FULL = Size(64, 352, (512, 128), 1000, (512, 1024), 100, (2250, 2250), 4, 400,
            (1_000, 10_000, 100_000, 1_000_000))  # fmt: skip
QUICK = Size(8, 352, (512, 128), 192, (512, 1024), 32, (2250, 2250), 4, 40,
             (1_000, 10_000, 100_000))  # fmt: skip
TINY = Size(3, 8, (32, 16), 24, (16, 32), 8, (30, 24), 2, 6, (100, 1_000))


@dataclass
class Case:
    """One detector: where its files are, and what a peer needs to compute the same by itself."""

    name: str
    kind: str  # which rule: "agipd", "jungfrau", "ccd"
    path: Path  # of "raw" and "calibrated"
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    part: int  # frames that the slow ways read
    arrays: dict[str, np.ndarray]  # constants, and the cell of each frame
    cell_bytes: int  # of the constants of one cell that high-gain pixels need

    @property
    def copies(self) -> Path:
        """The file of "stored" and of the other float32 copies."""
        return self.path.with_name(f"{self.path.stem}-copies.h5")

    @property
    def raw_bytes(self) -> int:
        """Of one frame, not compressed."""
        return int(np.prod(self.shape[1:])) * (4 if self.kind == "agipd" else 2)

    @property
    def frame_bytes(self) -> int:
        return 4 * int(np.prod(self.shape[1:]))

    @property
    def call_bytes(self) -> int:
        """Of the result of one read call: 16 trains of a detector with memory cells."""
        return (
            16 * len(self.arrays["threshold"]) * self.frame_bytes
            if self.kind == "agipd"
            else BLOCK_BYTES
        )

    def blocks(self, frames: int | None = None, block_bytes: int | None = None) -> list[slice]:
        """Where along the first axis each read call of a pass lies: whole chunks."""
        block_bytes = block_bytes or self.call_bytes
        n = max(1, block_bytes // self.frame_bytes // self.chunks[0]) * self.chunks[0]
        end = self.shape[0] if frames is None else frames
        return [slice(i, min(i + n, end)) for i in range(0, end, n)]

    def expected(self, where: slice) -> np.ndarray:
        """The values in float64, by the rule of the detector's data sheet."""
        with h5py.File(self.path) as f:
            raw = f["raw"][where]
        a = {name: array.astype("f8") for name, array in self.constants(where).items()}
        if self.kind == "ccd":
            return raw - a["pedestal"]
        if self.kind == "jungfrau":
            code = raw >> 14
            stage, adc = np.select([code == 0, code == 1], [0, 1], 2), (raw & 0x3FFF).astype("f8")
        else:
            adc, voltage = raw[:, 0].astype("f8"), raw[:, 1]
            low, lower = a["threshold"][:, 0], a["threshold"][:, 1]
            stage = np.where(voltage > lower, 2, np.where(voltage > low, 1, 0))
        pedestal, gain = (
            np.take_along_axis(
                np.broadcast_to(a[name], (len(raw), *a[name].shape[-3:])), stage[:, None], 1
            )[:, 0]
            for name in ("pedestal", "gain")
        )
        return (adc - pedestal) / gain

    def constants(self, where: slice) -> dict[str, np.ndarray]:
        """The constants of some frames."""
        if self.kind != "agipd":
            return self.arrays
        cells = self.arrays["cells"][where]
        return {name: self.arrays[name][cells] for name in ("threshold", "pedestal", "gain")}


def spots(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A mask with bright spots of at most 7 x 7 pixels, some 1 % of all."""
    mask = np.zeros(shape, bool)
    n = max(2, mask.size // 5000)
    for y, x in zip(rng.integers(0, shape[0], n), rng.integers(0, shape[1], n), strict=True):
        mask[y : y + 7, x : x + 7] = True
    return mask


def agipd(folder: Path, size: Size) -> Case:
    """All memory cells of every train, float16 constants."""
    rng = np.random.default_rng(1)
    (ny, nx), cells, trains = size.agipd, size.cells, size.trains
    levels = np.array([6000, 8000], "f2")[None, :, None, None]
    constants = {
        "threshold": (levels + rng.uniform(-200, 200, (cells, 2, ny, nx))).astype("f2"),
        "pedestal": rng.uniform(3000, 5000, (cells, 3, ny, nx)).astype("f2"),
        "gain": rng.uniform(1, 8, (cells, 3, ny, nx)).astype("f2"),
    }
    high_gain = constants["pedestal"][:, 0].astype("u2")
    noise = rng.normal(0, 12, (POOL, ny, nx)).astype("i2").view("u2")
    path = folder / "agipd.h5"
    with h5py.File(path, "w", libver=LIBVER) as f:
        raw = f.create_dataset("raw", (cells * trains, 2, ny, nx), "u2", chunks=(1, 2, ny, nx))
        block = np.empty((cells, 2, ny, nx), "u2")
        for train in range(trains):
            which = (np.arange(cells) + 31 * train) % POOL
            block[:, 0] = high_gain + noise[which]
            block[:, 1] = 5000 + noise[which[::-1]]
            for i in range(cells):
                bright = spots(rng, (ny, nx))
                block[i, 1][bright] = 7000 if i % 4 else 9000
                block[i, 0][bright] = 5500
            raw[train * cells : (train + 1) * cells] = block
        cell_ids = np.tile(np.arange(cells), trains)
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=h5calib.Agipd(**constants), cell_ids=cell_ids
        )
        shape, chunks = dataset.shape, dataset.chunks
    arrays, part = {**constants, "cells": cell_ids}, cells * max(1, min(8, trains // size.part))
    return Case("agipd", "agipd", path, shape, chunks, part, arrays, 4 * 2 * ny * nx)


def jungfrau(folder: Path, size: Size, compressed: bool = False) -> Case:
    """float32 constants; raw chunks of one frame, plain or bitshuffle-lz4."""
    rng = np.random.default_rng(2)
    (ny, nx), n = size.jungfrau, size.jungfrau_frames // (2 if compressed else 1)
    pedestal = rng.uniform(2000, 3000, (3, ny, nx)).astype("f4")
    gain = rng.uniform(10, 40, (3, ny, nx)).astype("f4")
    noise = rng.normal(0, 8, (POOL, ny, nx)).astype("i2").view("u2")
    name = "jungfrau-bitshuffle" if compressed else "jungfrau"
    path = folder / f"{name}.h5"
    options = hdf5plugin.Bitshuffle() if compressed else {}
    with h5py.File(path, "w", libver=LIBVER) as f:
        raw = f.create_dataset("raw", (n, ny, nx), "u2", chunks=(1, ny, nx), **options)
        for i in range(n):
            frame = pedestal[0].astype("u2") + np.roll(noise[i % POOL], i, 1)
            frame[spots(rng, (ny, nx))] = (0x4000 if i % 4 else 0xC000) | 3000
            raw[i] = frame
        calibration = h5calib.Jungfrau(pedestal=pedestal, gain=gain)
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=calibration
        )
        shape, chunks = dataset.shape, dataset.chunks
    arrays, part = {"pedestal": pedestal, "gain": gain}, max(1, n // size.part)
    return Case(name, "jungfrau", path, shape, chunks, part, arrays, 2 * 4 * ny * nx)


def ccd(folder: Path, size: Size) -> Case:
    """A camera with a float32 pedestal; raw data contiguous."""
    rng = np.random.default_rng(3)
    (ny, nx), n = size.ccd, size.ccd_frames
    pedestal = rng.uniform(90, 110, (ny, nx)).astype("f4")
    noise = (pedestal + rng.normal(0, 5, (ny, nx))).astype("u2")
    path = folder / "ccd.h5"
    with h5py.File(path, "w", libver=LIBVER) as f:
        raw = f.create_dataset("raw", (n, ny, nx), "u2")
        for i in range(n):
            frame = np.roll(noise, 101 * i)
            frame[spots(rng, (ny, nx))] = 20000 + i
            raw[i] = frame
        dataset = h5calib.create_calibrated_dataset(
            f, "calibrated", raw="raw", calibration=h5calib.Pedestal(pedestal=pedestal)
        )
        shape, chunks = dataset.shape, dataset.chunks
    part = max(1, n // size.part)
    return Case("ccd", "ccd", path, shape, chunks, part, {"pedestal": pedestal}, 4 * ny * nx)


def add_stored_copies(case: Case) -> None:
    """The float32 copies a facility would store; those that only slow ways need are shorter."""
    part = (case.part, *case.shape[1:])
    chunks = {"chunks": (min(case.chunks[0], case.part), *case.chunks[1:])}
    kinds = {
        "stored": (case.shape, {"chunks": case.chunks}),
        "contiguous": (part, {}),
        "stored_gzip": (part, {**chunks, **GZIP}),
        "stored_bitshuffle": (part, {**chunks, **hdf5plugin.Bitshuffle()}),
    }
    with h5py.File(case.path) as source, h5py.File(case.copies, "w", libver=LIBVER) as f:
        for name, (shape, options) in kinds.items():
            copy = f.create_dataset(name, shape, "f4", **options)
            for where in case.blocks(shape[0]):
                copy[where] = h5calib.read(source["calibrated"], where)


MAKERS = {
    "agipd": agipd,
    "jungfrau": jungfrau,
    "ccd": ccd,
    "jungfrau-bitshuffle": partial(jungfrau, compressed=True),
}


def make(name: str, folder: Path, size: Size) -> Case:
    """Write the files of a case, on the disk and in the page cache."""
    case = MAKERS[name](folder, size)
    add_stored_copies(case)
    for path in files(case):
        with open(path, "rb") as f:
            os.fsync(f.fileno())
    return case


def files(case: Case) -> Iterator[Path]:
    yield from (case.path, case.copies)
