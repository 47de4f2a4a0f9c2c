"""Random calibrations of any algorithm, made from its entry in the library's table."""

from __future__ import annotations

import numpy as np

import h5calib
from h5calib.binding.algorithms import (
    COMPARED,
    MASK,
    OPTIONAL,
    PER_CELL,
    RAW_FIRST,
    RAW_LAST,
    RAW_U16,
)
from h5calib.calibration.base import class_of

SHAPES = [(1, 1), (3, 5), (7, 37), (2, 301), (40, 150)]
RAW_DTYPES = ["u2", "u2", "i2", "u1", "i4", "u4", "i8", "u8", "f4", "f8"]
CONSTANT_DTYPES = ["f4", "f4", "f8", "f2", "i2", "u2", "i4"]
SUBTRACTED = {"pedestal", "bias", "dark"}
CORNERS = [0, -0.0, 1, np.nan, np.inf, -np.inf, 1e-40, 1e30]


class Case:
    """A calibration with raw frames and cell ids. `plain`: nothing that amplifies rounding."""

    def __init__(self, name, seed, plain=False, **fixed):
        self.rng = np.random.default_rng(seed)
        self.cls, self.plain, self.fixed = class_of(name), plain, fixed
        self.algorithm = h5calib.binding.algorithms.by_name(name)
        self.ny, self.nx = SHAPES[self.rng.integers(len(SHAPES))]
        self.n_cells, self.n_frames = (int(self.rng.integers(1, 4)) for _ in range(2))
        self.parameters = self.random_parameters()
        self.raw = self.random_raw()
        while True:
            self.constants = self.random_constants()
            self.calibration = self.with_constants(self.constants)
            try:
                self.calibration.check_values(self.constants)
            except ValueError:
                continue  # a flat without light, which is refused
            break
        cells = max((v.shape[0] for v in self.constants.values()), default=1)
        steps = self.calibration.steps
        self.cell_ids = self.rng.integers(0, (cells - 1) * steps, self.n_frames, endpoint=True)
        if self.parameters.get("bad_cell") and cells > 1:
            self.cell_ids[0] = self.rng.choice([-1, (cells - 1) * steps + 1, 10**12])

    def with_constants(self, constants):
        """The calibration with these, each (cell, stage, y, x)."""
        described = {}
        for name, values in constants.items():
            staged = self.algorithm.constants[name].max_stages > 1
            described[name] = (
                h5calib.Constant(values, axes="csyx")
                if staged
                else h5calib.Constant(values[:, 0], axes="cyx")
            )
        return self.cls(**described, **self.parameters)

    @property
    def dtypes(self):
        """Of results."""
        if self.calibration.default_dtype == "u1":
            return ["u1"]
        return ["f4", "f8"]

    def numbers(self, dtype, shape, low, high):
        """Numbers of a usual size with a corner here and there."""
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            low, high = max(low, np.iinfo(dtype).min), min(high, np.iinfo(dtype).max)
            return self.rng.integers(low, max(low, high), shape, endpoint=True).astype(dtype)
        values = self.rng.uniform(low, high, shape)
        corners = [c for c in CORNERS if not self.plain or c == 0]
        where = self.rng.random(shape) < self.rng.choice([0, 0.03, 0.3])
        values[where] = self.rng.choice(corners, where.sum())
        with np.errstate(over="ignore"):
            return values.astype(dtype)

    def random_parameters(self):
        rng, chosen = self.rng, dict(self.fixed)
        for name, p in self.algorithm.parameters.items():
            if name in chosen or rng.random() < 0.5:
                continue
            if self.plain and name in ("output", "rounding", "steps", "logarithm", "saturated"):
                continue
            if self.plain and ("common_mode" in name or "force" in name or "mask" in name):
                continue
            if name == "mask_bits":
                chosen[name] = int(rng.choice([1, 6, 2**31]))
            elif name == "steps":
                chosen[name] = int(rng.choice([1, 2, 7, 1 << 20]))
            elif name == "common_mode_pixels":
                chosen[name] = int(rng.integers(0, 40))
            elif name in ("underload_value", "saturation_value", "masked_value"):
                chosen[name] = float(rng.choice([-1, 0, 3.5, 9000]))
            elif np.isfinite(p.minimum) and np.isfinite(p.maximum):
                chosen[name] = int(rng.integers(p.minimum, p.maximum, endpoint=True))
            else:
                chosen[name] = float(rng.choice([0.25, 1, 9.5, 12.4, 500]))
        return chosen

    def random_raw(self):
        rng = self.rng
        bits = self.algorithm.flags & RAW_U16
        dtype = rng.choice(["u2", "i2"] if bits else ["u2"] if self.plain else RAW_DTYPES)
        shape = self.algorithm.raw_shape((self.n_frames,), self.ny, self.nx)
        raw = self.numbers(dtype, shape, 0, 12000)
        if bits:
            raw = rng.integers(0, 1 << 16, shape).astype("u2")
            calm = rng.random(shape) < 0.7  # most pixels in high gain and near one another
            raw[calm] = rng.integers(900, 1100, calm.sum())
            raw[rng.random(shape) < 0.03] = rng.choice([0xC000, 0x3FFF])
            return raw.view(dtype)
        if raw.dtype.kind in "iu":
            raw[rng.random(shape) < 0.03] = np.iinfo(raw.dtype).max
        return raw

    def random_constants(self):
        rng, made = self.rng, {}
        for name, spec in self.algorithm.constants.items():
            needed = name == "threshold" and self.parameters.get("fixed_gain", -1) < 0
            if spec.flags & OPTIONAL and not needed and rng.random() < 0.4:
                continue
            cells = self.n_cells if spec.flags & PER_CELL and rng.random() < 0.8 else 1
            shape = (cells, self.n_stages(name, spec), self.ny, self.nx)
            made[name] = self.random_constant(name, spec.flags, shape)
        return made

    def n_stages(self, name, spec):
        if name == "threshold":
            return 2 + self.parameters.get("first_threshold", 0)
        if self.cls.__name__ == "Jungfrau" and spec.max_stages == 6:
            high = self.parameters.get("high_gain")
            if name == "pedestal":
                self.pedestals = int(self.rng.choice([3, 4, 6]))
                return self.pedestals
            least = 3 if not high else 6 if self.pedestals == 3 else 4
            return int(self.rng.choice([n for n in (3, 4, 6) if n >= least]))
        return int(self.rng.choice([spec.stages, spec.max_stages]))

    def random_constant(self, name, flags, shape):
        rng = self.rng
        if name == "config_bits":
            return rng.choice([0, 4, 8, 12, 16, 20, 24, 28, 31, 255], shape).astype(
                rng.choice(["u1", "i4", "f4"])
            )
        if flags & MASK:
            dtype = rng.choice(["u1", "i2", "u4", "i8"])
            return rng.choice([0, 0, 0, 0, 0, 1, 2, 4, 7], shape).astype(dtype)
        dtype = "f4" if self.plain else rng.choice(CONSTANT_DTYPES)
        low, high = (900, 1100) if name in SUBTRACTED else (1, 60)
        if name in ("flat", "threshold"):
            low, high = 1500, 9000
        values = self.numbers(dtype, shape, low, high)
        if flags & COMPARED and rng.random() < 0.5:  # hit exactly
            voltage = self.raw[0, 1] if self.algorithm.raw_layout == RAW_FIRST else None
            if voltage is not None and self.algorithm.raw_layout != RAW_LAST:
                values = np.broadcast_to(voltage, shape).astype("f8")
        return values


def agree(computed, expected):
    """The same bits, where not NaN."""
    return computed.dtype == expected.dtype and np.array_equal(
        computed, expected, equal_nan=computed.dtype.kind == "f"
    )
