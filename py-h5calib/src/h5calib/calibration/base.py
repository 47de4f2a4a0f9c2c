"""The base of the classes that describe a calibration, one class per algorithm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import h5py
import numpy as np

from ..binding import algorithms as _algorithms
from ..binding.algorithms import OPTIONAL, POSITIVE, Algorithm, ParameterSpec
from ..binding.library import MISSING_VALUE
from ..contents.place import place_of
from .missing import missing_values, unwritten_word

_GAIN_STAGE = 2  # of the parameter output
_CLASSES: dict[str, type[Calibration]] = {}


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant with the order of its axes, for constants that need more than an array.

    Parameters
    ----------
    source : array, h5py.Dataset, str, (file, path) or pathlib.Path
        The values, or where they are: an array is stored in the file, in its own dtype; of a
        dataset, a path in the same file, ``"file:/path"`` or the pair a link is made.
    axes : str, optional
        One letter for each axis, slowest first: ``c`` memory cell, ``s`` gain stage, ``y`` slow
        scan, ``x`` fast scan. A letter left out: the values hold for all of that axis. Without
        it the order is found from the shape, where only one is possible.

    Examples
    --------
    The transposed order of the European XFEL's calibration database:

    >>> import numpy as np
    >>> Constant(np.zeros((128, 512, 4, 3), "f4"), axes="xycs").axes
    'xycs'
    """

    source: Any
    axes: str | None = None


class Calibration:
    """How raw frames become calibrated ones. Subclasses are one algorithm each.

    A subclass names its algorithm in libh5calib's table, says the words for parameters that are
    choices, and has the rule for one frame in NumPy. Everything else comes from the table.

    Attributes
    ----------
    constants : dict of str to Constant
        Those given.
    parameters : dict of str to float
        Those given, as numbers; all others take the algorithm's defaults.
    missing_values : tuple of int
        Raw values that stand for no measurement.
    unwritten : {"missing", "fill"}
        What raw data in a file is whose storage was never written: missing, or its fill value.
    """

    algorithm_name: ClassVar[str]
    legacy: ClassVar[bool] = False
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    _common_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "bad_cell": ("error", "nan"),
        "output": ("value", "mask", "gain_stage"),
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _CLASSES[cls.algorithm_name] = cls

    def __init__(self, constants: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        table = self.algorithm
        self.constants = {
            name: _constant(name, value) for name, value in constants.items() if value is not None
        }
        for name, spec in table.constants.items():
            if name not in self.constants and not spec.flags & OPTIONAL:
                raise ValueError(f"{type(self).__name__} needs the constant {name}: {spec.meaning}")
        given = {name: value for name, value in parameters.items() if value is not None}
        self.missing_values = missing_values(given.pop("missing_value", ()))
        default = "fill" if self.legacy else "missing"
        self.unwritten = unwritten_word(given.pop("unwritten", default))
        if self.legacy and (self.missing_values or self.unwritten != default):
            raise TypeError(f"{self.algorithm_name} of the first h5calib knows nothing missing")
        self.parameters = {name: self._number(name, value) for name, value in given.items()}

    @classmethod
    def of_parts(cls, constants: Mapping[str, Any], parameters: Mapping[str, Any]) -> Calibration:
        """A calibration of constants and parameters as files have them.

        Past the constructor, whose arguments are those of a person.
        """
        made = cls.__new__(cls)
        Calibration.__init__(made, constants, parameters)
        return made

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm's entry in libh5calib's table."""
        return _algorithms.by_name(self.algorithm_name)

    def __repr__(self) -> str:
        given = [*self.constants, *(f"{k}={v}" for k, v in self.words().items())]
        return f"{type(self).__name__}({', '.join(given)})"

    def words(self) -> dict[str, Any]:
        """The given parameters as a person writes them: words for choices."""
        words = {name: self.word(name, value) for name, value in self.parameters.items()}
        return {**words, **self.missing_options()}

    def missing_options(self) -> dict[str, Any]:
        """`missing_value` and `unwritten`, where they are not the defaults."""
        options: dict[str, Any] = {}
        if self.missing_values:
            options["missing_value"] = list(self.missing_values)
        if self.unwritten == "fill" and not self.legacy:
            options["unwritten"] = self.unwritten
        return options

    def numbered_parameters(self) -> tuple[tuple[int, float], ...]:
        """The given parameters as files and the library have them: (index, value), rising."""
        table = self.algorithm.parameters
        own = [(table[name].index, value) for name, value in self.parameters.items()]
        missing = [(MISSING_VALUE + i, float(v)) for i, v in enumerate(self.missing_values)]
        return tuple(sorted(own) + missing)

    def value(self, name: str) -> float:
        """A parameter, given or default."""
        return self.parameters.get(name, self.algorithm.parameters[name].default)

    def reference(self, raw: Any, cell_ids: Any = None, dtype: Any = "f8") -> np.ndarray:
        """Calibrate in plain NumPy: the rule that the compiled kernels are tested against.

        Parameters
        ----------
        raw : array
            Frames as the algorithm has them, for example (frames, y, x).
        cell_ids : array of int, optional
            Memory cell of each frame; needed where the constants have several cells.
        dtype : {"f8", "f4"}
            Type of all arithmetic and of the result. The float32 kernels equal "f4" bit for bit.
            The result with an `output` of "mask" or "gain_stage" is uint8.
        """
        from .reference import calibrate_frames

        return calibrate_frames(self, raw, cell_ids, np.dtype(dtype))

    def rule(self, raw: Any, k: dict[str, np.ndarray], p: Mapping[str, float]) -> np.ndarray:
        """One frame. ``raw`` is (y, x) as stored, or a pair of them (signal, gain).

        ``k`` are the constants of the frame's cell, (stage, y, x) in the dtype of the result,
        ``k.dtype``, with NaN where they are unusable; ``p`` are all parameters. NaN in the result
        is a masked pixel.
        """
        raise NotImplementedError

    def stages(self, raw: Any, k: dict[str, np.ndarray], p: Mapping[str, float]) -> np.ndarray:
        """The gain stage of each pixel of a frame, 255 where there is none."""
        raise NotImplementedError

    def numbers(self, planes: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Numbers computed from whole constants of one cell, as stored: more entries of ``k``."""
        return {}

    def check_values(self, values: Mapping[str, np.ndarray]) -> None:
        """Refuse constants with which nothing can be calibrated; ValueError says why.

        Those that must be positive, flats, need a mean greater than 0.
        """
        for name in self.looked_at() & set(values):
            require_light(name, values[name])

    def looked_at(self) -> set[str]:
        """The constants that `check_values` needs."""
        return {name for name, spec in self.algorithm.constants.items() if spec.flags & POSITIVE}

    def prepare(self, name: str, plane: np.ndarray) -> np.ndarray:
        """A constant before it is converted to the dtype of the result."""
        return plane

    @property
    def default_dtype(self) -> str:
        """The dtype of results where none is asked for."""
        return "u1" if self._optional("output") else "f4"

    @property
    def whole_frame(self) -> bool:
        """Whether pixels depend on others of their frame."""
        return bool(self._optional("common_mode")) and self._optional("output") != _GAIN_STAGE

    @property
    def steps(self) -> int:
        """How many steps of cell ids there are from one cell to the next."""
        return int(self._optional("steps") or 1)

    def _optional(self, name: str) -> float:
        """A parameter that not every algorithm has."""
        return self.value(name) if name in self.algorithm.parameters else 0

    def divides(self) -> bool:
        """Whether a divisor of zero makes a pixel unusable."""
        return True

    def _number(self, name: str, value: Any) -> float:
        spec = self.algorithm.parameters.get(name)
        if spec is None:
            known = ", ".join(self.algorithm.parameters) or "none"
            raise TypeError(f"{self.algorithm_name} has no parameter {name!r}, it has: {known}")
        words = {**self._common_choices, **self.choices}.get(name)
        if isinstance(value, str):
            if words is None or value not in words:
                allowed = ", ".join(map(repr, words)) if words else "a number"
                raise ValueError(f"{name}={value!r} is not possible: choose {allowed}")
            return float(words.index(value))
        return _in_range(spec, value)

    @classmethod
    def word(cls, name: str, value: float) -> float | str:
        """A parameter as a person writes it."""
        words = {**cls._common_choices, **cls.choices}.get(name)
        return words[int(value)] if words and 0 <= value < len(words) else value


def algorithms() -> dict[str, type[Calibration]]:
    """Map the name of each algorithm to its class.

    >>> algorithms()["jungfrau"].__name__
    'Jungfrau'
    """
    return {name: cls for name, cls in _CLASSES.items() if not cls.legacy}


def class_of(algorithm_name: str) -> type[Calibration] | None:
    """The class of an algorithm, legacy ones included."""
    return _CLASSES.get(algorithm_name)


def require_light(name: str, values: np.ndarray) -> None:
    """The mean of a flat's finite values must be greater than 0."""
    finite = values[np.isfinite(values)]
    mean = float(np.mean(finite, dtype="f8")) if finite.size else math.nan
    if not mean > 0:
        raise ValueError(
            f"the mean of {name} is {mean:g}, it must be greater than 0: nothing can be divided "
            "by it (has an offset to be subtracted first?)"
        )


def _constant(name: str, value: Any) -> Constant:
    if isinstance(value, Constant):
        return Constant(_array(name, value.source), value.axes)
    return Constant(_array(name, value))


def _array(name: str, value: Any) -> Any:
    """A source as it is, anything else as an array of numbers in native byte order."""
    if isinstance(value, (str, h5py.Dataset)):
        return value
    if (place := place_of(value, f"constant {name!r}")) is not None:
        return place
    array = np.asarray(value)
    if array.dtype == bool:
        array = array.astype("u1")
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"constant {name!r} has dtype {array.dtype}: use integers or floats of up to 8 bytes"
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _in_range(spec: ParameterSpec, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{spec.name}={value!r} is not a number: {spec.meaning}") from None
    if math.isnan(number) and math.isnan(spec.default):
        return number
    if not spec.minimum <= number <= spec.maximum:
        raise ValueError(
            f"{spec.name}={number:g} lies outside {spec.minimum:g} to {spec.maximum:g}: "
            f"{spec.meaning}"
        )
    return number
