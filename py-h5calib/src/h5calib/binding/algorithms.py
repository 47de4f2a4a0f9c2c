"""The table of algorithms, as libh5calib has it: nothing is listed twice."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from . import library as _library

# flags of a constant
OPTIONAL, PER_CELL, DIVISOR, MASK, COMPARED, POSITIVE = 1, 2, 4, 8, 16, 32
# flags of an algorithm
WHOLE_FRAME, EXPERIMENTAL, LEGACY, RAW_U16 = 1, 2, 4, 8
# where the two values of a raw pixel lie, if there are two
RAW_ONE, RAW_FIRST, RAW_LAST = 0, 1, 2


@dataclass(frozen=True)
class ConstantSpec:
    """One constant of an algorithm."""

    name: str
    stages: int
    max_stages: int
    flags: int
    meaning: str


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter of an algorithm; `index` is what the file stores."""

    index: int
    name: str
    default: float
    minimum: float
    maximum: float
    meaning: str


@dataclass(frozen=True)
class Algorithm:
    """One algorithm of libh5calib."""

    id: int
    name: str
    formula: str
    flags: int
    raw_layout: int
    constants: dict[str, ConstantSpec]
    parameters: dict[str, ParameterSpec]

    @property
    def version(self) -> int:
        return self.id & 0xFFFF

    def raw_shape(self, frames: tuple[int, ...], ny: int | str, nx: int | str) -> tuple:
        """Shape of raw data of these frames."""
        tail = {RAW_ONE: (ny, nx), RAW_FIRST: (2, ny, nx), RAW_LAST: (ny, nx, 2)}
        return (*frames, *tail[self.raw_layout])

    def without_pair(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of raw data without the axis [signal, gain], if it has one."""
        if self.raw_layout == RAW_FIRST:
            return (*shape[:-3], *shape[-2:])
        return shape[:-1] if self.raw_layout == RAW_LAST else shape

    def split_raw_shape(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
        """(frame axes, ny, nx) of raw data; ValueError where the shape cannot be."""
        if len(shape) >= len(self.raw_shape((), "y", "x")):
            *frames, ny, nx = self.without_pair(shape)
            if self.raw_shape(tuple(frames), ny, nx) == shape and ny > 0 and nx > 0:
                return tuple(frames), ny, nx
        wanted = ", ".join(map(str, self.raw_shape(("frames...",), "y", "x")))
        raise ValueError(f"{self.name} needs raw data of shape ({wanted}), this has {shape}")


@functools.cache
def by_name(name: str) -> Algorithm:
    """The newest version of the algorithm of that name."""
    found = _library.library().h5calib_algorithm_by_name(name.encode())
    if not found:
        raise ValueError(
            f"libh5calib has no algorithm {name!r}, it has {', '.join(names())}: "
            "update libh5calib, or correct the name"
        )
    return _convert(found.contents)


@functools.cache
def by_id(number: int) -> Algorithm:
    """The algorithm that a file names by its id."""
    found = _library.library().h5calib_algorithm_by_id(number)
    if not found:
        raise ValueError(
            f"this libh5calib has no algorithm {number >> 16} version {number & 0xFFFF}: "
            "update libh5calib to read this dataset"
        )
    return _convert(found.contents)


def names() -> list[str]:
    """Names of all algorithms, in the library's order."""
    lib, result = _library.library(), []
    while found := lib.h5calib_algorithm_at(len(result)):
        result.append(found.contents.name.decode())
    return result


def _convert(spec: _library.AlgorithmSpec) -> Algorithm:
    constants = [
        ConstantSpec(c.name.decode(), c.stages, c.max_stages, c.flags, c.meaning.decode())
        for c in spec.constants[: spec.n_constants]
    ]
    parameters = [
        ParameterSpec(i, p.name.decode(), p.default_value, p.minimum, p.maximum, p.meaning.decode())
        for i, p in enumerate(spec.parameters[: spec.n_parameters])
    ]
    return Algorithm(
        id=spec.id,
        name=spec.name.decode(),
        formula=spec.formula.decode(),
        flags=spec.flags,
        raw_layout=spec.raw_layout,
        constants={c.name: c for c in constants},
        parameters={p.name: p for p in parameters},
    )
