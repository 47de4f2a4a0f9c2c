"""Every kernel variant against the NumPy rules, bit for bit, on random data full of corners."""

from types import SimpleNamespace

import numpy as np
import pytest
from binding import DTYPES, MASK, OPTIONAL, PER_CELL, Calibration, algorithms, lib, variants
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import RULES, frame

INTEGERS = [n for n in DTYPES if "int" in n]
FLOATS = [n for n in DTYPES if "float" in n]
RAW_ONE, RAW_FIRST, RAW_LAST = 0, 1, 2
BY_NAME = {a.name.decode(): a for a in algorithms()}
LEGACY, RAW_U16 = 4, 8
N_STAGES = {"jungfrau": (3, 4, 6)}


def numbers(rng, dtype, shape, scale=8192):
    """Numbers of a size that detectors have, with a corner here and there."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = rng.normal(scale / 2, scale / 4, shape)
        corners = [0, -0.0, 1, -1, np.nan, np.inf, -np.inf, 6e-8, 65504]
        if dtype.itemsize > 2:
            corners += [1e-40, 1e30, 16777217]
        if dtype.itemsize > 4:
            corners += [1e-310, 1e300]
    else:
        low, high = max(np.iinfo(dtype).min, -scale), min(np.iinfo(dtype).max, scale)
        values = rng.integers(low, high, shape, endpoint=True)
        corners = [
            0,
            1,
            *(x for x in (np.iinfo(dtype).min, np.iinfo(dtype).max) if abs(x) <= 2**53),
        ]
    values = values.astype(dtype)
    where = rng.random(shape) < rng.choice([0, 0.02, 0.3])
    with np.errstate(over="ignore"):
        values[where] = rng.choice(np.array(corners).astype(dtype), where.sum())
    return values


def in_some_order(rng, array):
    """The same array (cell, stage, y, x) with its axes in another order, and their names."""
    order = rng.permutation(4)
    moved = np.ascontiguousarray(array.transpose(order))
    axes = "".join("csyx"[i] for i in order)
    for name in "cs":
        if array.shape["csyx".index(name)] == 1 and rng.random() < 0.5:
            moved = moved.take(0, axes.index(name))
            axes = axes.replace(name, "")
    return moved, axes


def with_light(flat):
    """A flat whose mean is greater than 0, as those are that can be divided by it."""
    finite = flat[np.isfinite(flat.astype("f8"))].astype("f8")
    if len(finite) and finite.mean() > 0:
        return flat
    return np.where(flat > 0, flat, flat.dtype.type(1))


class Case:
    """A random calibration of one algorithm."""

    def __init__(self, name, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.name, self.algorithm = name, BY_NAME[name]
        self.shape = [(1, 1), (3, 5), (7, 37), (16, 32), (2, 301), (24, 90)][rng.integers(6)]
        # as detectors have it: constants of one dtype, raw uint16, gain stages in places
        self.usual = rng.random() < 0.4
        self.frames, self.cells = int(rng.integers(1, 7)), int(rng.integers(1, 4))
        self.parameters = self.random_parameters()
        self.raw = self.random_raw()
        self.parameters["missing"] = self.random_missing()
        self.constants = self.random_constants()
        cells = max((len(a) for a in self.constants.values()), default=1)
        last = (cells - 1) * self.parameters.get("steps", 1)
        self.cell_ids = rng.integers(0, last, self.frames, endpoint=True)

    def random_raw(self):
        bits = self.algorithm.flags & RAW_U16
        dtype = self.rng.choice(["uint16", "int16"] if bits else ["uint16", *DTYPES])
        shape = {RAW_ONE: self.shape, RAW_FIRST: (2, *self.shape), RAW_LAST: (*self.shape, 2)}
        dtype = "uint16" if self.usual else dtype
        raw = numbers(self.rng, dtype, (self.frames, *shape[self.algorithm.raw_layout]))
        if bits:
            codes = self.rng.choice([0, 0, 1, 2, 3], raw.shape, p=[0.3, 0.4, 0.1, 0.1, 0.1])
            shift = 12 if self.name == "lpd" else 14
            raw = (raw.view("u2") & (1 << shift) - 1) | (codes << shift).astype("u2")
            for full in (0xC000, 0x3FFF):
                raw[self.rng.random(raw.shape) < 0.05] = full
            raw = raw.view(dtype)
        if self.usual:
            calm = np.repeat(self.rng.random(raw.size // 64 + 1) < 0.5, 64)[: raw.size]
            raw.reshape(-1)[calm] &= 7
        return raw

    def random_missing(self):
        """Raw values that stand for no measurement: some that there are, and others."""
        raw, n = self.raw, int(self.rng.choice([0, 0, 1, 3, 8]))
        if raw.dtype.kind == "f" or self.algorithm.flags & LEGACY:
            return []
        raw = raw.view("u2") if self.algorithm.flags & RAW_U16 else raw
        there = np.append(self.rng.choice(raw.ravel(), n), [0, np.iinfo(raw.dtype).max])
        values = {int(v) for v in self.rng.choice(there, n)}
        return sorted(v for v in values if abs(v) <= 2**53)

    def random_parameters(self):
        rng, chosen = self.rng, {}
        for i in range(0 if self.usual and rng.random() < 0.5 else self.algorithm.n_parameters):
            p = self.algorithm.parameters[i]
            name = p.name.decode()
            if rng.random() < 0.5 or name == "bad_cell":
                continue
            if name == "mask_bits":
                chosen[name] = int(rng.choice([1, 6, 2**31]))
            elif name == "steps":
                chosen[name] = int(rng.choice([1, 3, 1 << 20]))
            elif name == "common_mode_limit":
                chosen[name] = float(rng.choice([0, 50, 1e4, np.inf]))
            elif np.isfinite(p.minimum) and np.isfinite(p.maximum):
                chosen[name] = int(rng.integers(p.minimum, p.maximum, endpoint=True))
            else:
                chosen[name] = float(rng.choice([-2.5, 0, 1, 100.125, 12.4]))
                chosen[name] = max(chosen[name], p.minimum)
        return chosen

    def random_constants(self):
        rng, made = self.rng, {}
        common = rng.choice(["float32", "float16"])
        for i in range(self.algorithm.n_constants):
            spec = self.algorithm.constants[i]
            name = spec.name.decode()
            required = name == "threshold" and self.parameters.get("fixed_gain", -1) < 0
            if spec.flags & OPTIONAL and not required and rng.random() < 0.4:
                continue
            stages = int(rng.choice(N_STAGES.get(self.name, [spec.stages, spec.max_stages])))
            if spec.max_stages == spec.stages:
                stages = spec.stages
            if name == "threshold":
                stages = 2 + self.parameters.get("first_threshold", 0)
            if self.name == "jungfrau" and self.parameters.get("high_gain") and spec.max_stages > 1:
                stages = int(rng.choice([3, 4, 6] if name == "pedestal" else [4, 6]))
                if len(made.get("pedestal", [[]])[0]) == 3:
                    stages = 6
            cells = self.cells if spec.flags & PER_CELL and rng.random() < 0.8 else 1
            shape = (cells, stages, *self.shape)
            if name == "config_bits":
                made[name] = (4 * rng.integers(0, 9, shape)).astype(
                    rng.choice(["uint8", "float32"])
                )
            elif spec.flags & MASK:
                dtype = rng.choice(INTEGERS)
                made[name] = (rng.choice([0, 0, 0, 0, 1, 2, 4, 7], shape)).astype(dtype)
            else:
                dtype = rng.choice([*DTYPES, "float32", "float16", "float64"])
                dtype = common if self.usual else dtype
                made[name] = numbers(rng, dtype, shape, scale=50 if "gain" in name else 8192)
                if (self.name, name) == ("ccd", "flat"):
                    made[name] = with_light(made[name])
        return made

    def all_parameters(self):
        """Those given and the defaults of the others."""
        specs = [self.algorithm.parameters[i] for i in range(self.algorithm.n_parameters)]
        defaults = {p.name.decode(): p.default_value for p in specs}
        whole = {
            n: int(v) if v == v and abs(v) < 2**60 and v == int(v) else v
            for n, v in defaults.items()
        }
        return SimpleNamespace(**{**whole, **self.parameters})

    def of_cell(self, number):
        return {n: a[min(number, len(a) - 1)] for n, a in self.constants.items()}

    def expected(self, real, dtype=None):
        p = self.all_parameters()
        frames = []
        for raw, position in zip(self.raw, self.cell_ids, strict=True):
            cell, step = divmod(int(position), getattr(p, "steps", 1))
            k = self.of_cell(cell)
            if step:
                k.update(next=self.of_cell(cell + 1), weight=step / p.steps)
            with np.errstate(all="ignore"):
                frames.append(frame(self.name, raw, k, real, p, dtype))
        return np.array(frames)

    def calibration(self):
        arrays = {n: in_some_order(self.rng, a) for n, a in self.constants.items()}
        return Calibration(self.name, self.shape, arrays, **self.parameters)


def same_bits(a, b):
    return np.array_equal(a.view(f"u{a.itemsize}"), b.view(f"u{b.itemsize}"))


def check(calibrated, expected, note):
    if calibrated.dtype.kind == "f" and np.isnan(expected).any():
        # which NaN is nobody's business
        assert np.array_equal(np.isnan(calibrated), np.isnan(expected)), note
        calibrated, expected = np.nan_to_num(calibrated, nan=7), np.nan_to_num(expected, nan=7)
    where = np.argwhere(
        calibrated.view(f"u{calibrated.itemsize}") != expected.view(f"u{expected.itemsize}")
    )
    assert len(where) == 0, (note, where[0], calibrated[tuple(where[0])], expected[tuple(where[0])])


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_variant_equals_the_rule_bit_for_bit(name, seed):
    case = Case(name, seed)
    calibration = case.calibration()
    outputs = [("float32", np.float32), ("float64", np.float64)]
    if case.parameters.get("output"):
        outputs = [("uint8", np.float32)]
    elif case.parameters.get("rounding"):
        outputs += [(n, np.float32 if np.dtype(n).itemsize < 4 else np.float64) for n in INTEGERS]
    for dtype, real in outputs:
        expected = case.expected(real, dtype)
        results = {}
        for variant in variants():
            assert lib.h5calib_set_cpu_variant(variant.encode()) == 0
            results[variant] = calibration(
                case.raw, case.cell_ids, dtype, threads=int(case.rng.integers(4))
            )
            assert lib.h5calib_last_kernel().decode().endswith("_" + variant)
            check(results[variant], expected, (variant, dtype, case.parameters, case.raw.dtype))
        if not name.isupper() and name not in ("pedestal_v1", "AGIPD_v1", "AGIPD_v2"):
            for variant, result in results.items():
                assert same_bits(result, results["portable"]), (variant, dtype)
