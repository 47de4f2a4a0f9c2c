"""What a calibrated mesh is made of: constants, unit, and where they came from.

With a dark, a flat and a gain, h5calib's algorithm `ccd` computes
``(raw - dark) / flat * gain`` in float32; a flat is divided by as it is. Without a dark, and
with a number as flat, the mesh is a virtual dataset of `raw` and the factor is its `unitSI`.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import CalibrationError, MissingPackageError
from ..writing.shot import SCALAR
from . import constants
from .units import Unit, unit

#: the arguments of `CCD` and `recalibrate`
NAMES = ("dark", "flat", "gain", "unit", "calibration")
SHARED = "constants"


def h5calib():
    """The package h5calib, or an error that says how to get it."""
    try:
        import h5calib
        import h5calib.interface
    except ImportError:
        raise MissingPackageError(
            "calibrated meshes need h5calib: pip install 'openpmd-ccd[h5calib]'"
        ) from None
    try:
        h5calib.interface.require_plugin()
    except OSError as error:
        raise MissingPackageError(str(error)) from None
    return h5calib


@dataclass(eq=False)
class CalibrationSet:
    """One set of constants; shots keep the one they were taken with.

    constants: number or array [y, x] or [y, x, colour] by name; axes: their order where it is
    not that; algorithm: h5calib's name, "" for a plain factor; origin: text by name;
    groups: constants by group of the file, of a set that was read back.
    """

    unit: Unit
    algorithm: str
    parameters: dict
    constants: dict
    axes: dict = field(default_factory=dict)
    origin: dict = field(default_factory=dict)
    groups: dict | None = None
    _fits: tuple | None = None

    @property
    def factor(self):
        """What one of raw is in `unit`, where that is all."""
        return self.parameters["gain"] / self.parameters["flat"]

    def check(self, shot):
        """An error if the constants do not fit an image."""
        shape, colours = shot.first.shape[-2:], len(shot.planes)
        if self._fits == (shape, colours):
            return
        for name, value in self.constants.items():
            if self.axes or np.ndim(value) == 0:
                continue
            fits = value.shape[:2] == shape and value.shape[2:] in ((), (colours,))
            if not fits:
                raise CalibrationError(
                    f"shot {shot.number} was not taken: {name} of shape {value.shape} does not fit "
                    f"an image of {shape[0]} x {shape[1]} pixels and {colours} colour(s); give one "
                    "that fits, or recalibrate(calibration=False)"
                )
        self._fits = shape, colours

    def by_group(self, components):
        """{name of a group of constants: h5calib's calibration}; colours may share theirs."""
        if self.groups is not None:
            return {name: self._calibration(values) for name, values in self.groups.items()}
        coloured = not self.axes and any(np.ndim(v) == 3 for v in self.constants.values())
        if not coloured:
            return {SHARED: self._calibration(self.constants)}
        return {
            f"{SHARED}_{name}": self._calibration(
                {k: v[..., i] if np.ndim(v) == 3 else v for k, v in self.constants.items()}
            )
            for i, name in enumerate(components)
        }

    def _calibration(self, values):
        package = h5calib()
        values = {
            k: package.Constant(v, self.axes[k]) if k in self.axes else v for k, v in values.items()
        }
        return package.interface.calibration_from(self.algorithm, values, self.parameters)


def group_of(component, groups):
    """Which of the groups has the constants of a component."""
    name = f"{SHARED}_{component}"
    return name if component != SCALAR and name in groups else SHARED


def updated(before, given):
    """The arguments that hold from now on: `before` with those in `given` that are not None.

    dark, flat and gain replace a calibration, and the other way round.
    """
    new = {k: v for k, v in given.items() if v is not None}
    values = dict(before or {})
    if new.get("calibration") is False:
        return {}
    if "calibration" in new:
        if {"dark", "flat", "gain"} & set(new):
            raise CalibrationError("give either calibration, or dark, flat and gain")
        values = {k: v for k, v in values.items() if k == "unit"}
    elif {"dark", "flat", "gain"} & set(new):
        values.pop("calibration", None)
    for name, value in new.items():
        values[name] = constants.load(value, name) if name in ("dark", "flat") else value
    return values


def make(values):
    """The `CalibrationSet` of what `updated` returned; None where there is nothing to do."""
    if not set(values) - {"unit"}:
        if values.get("unit") is None:
            return None
        values = values | {"gain": 1.0}
    if "calibration" in values:
        return _of_algorithm(values["calibration"], unit(values.get("unit")))
    dark, flat = values.get("dark"), values.get("flat")
    gain = _gain(values.get("gain", 1.0))
    one = unit(values.get("unit"))
    given = {"dark": dark, "flat": flat}
    origin = {name: pair[1] for name, pair in given.items() if pair}
    numbers = {name: pair[0] for name, pair in given.items() if pair}
    _check_flat(numbers.get("flat", 1.0))
    if np.ndim(numbers.get("flat", 1.0)) == 0 and np.array_equal(numbers.get("dark", 0.0), 0.0):
        plain = {"gain": gain, "flat": numbers.get("flat", 1.0)}
        return CalibrationSet(one, "", plain, {}, origin=origin)
    h5calib()
    shapes = {v.shape[:2] for v in numbers.values() if np.ndim(v)}
    if len(shapes) > 1:
        raise CalibrationError(
            f"dark and flat differ in shape: {numbers['dark'].shape}, {numbers['flat'].shape}"
        )
    return CalibrationSet(one, "ccd", {"flat_mean": 1.0, "gain": gain}, numbers, origin=origin)


def _check_flat(flat):
    usable = np.asarray(flat)
    if not (np.isfinite(usable) & (usable != 0)).any():
        raise CalibrationError("flat is zero or not finite everywhere: no pixel can be calibrated")


def _gain(value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise CalibrationError(f"gain must be a number (unit per count), not {value!r}") from None
    if not np.isfinite(number) or number == 0:
        raise CalibrationError(f"gain must be finite and not 0, not {number}")
    return number


def _of_algorithm(calibration, one):
    package = h5calib()
    if not isinstance(calibration, package.Calibration):
        raise CalibrationError(f"calibration must be one of h5calib's, not {calibration!r}")
    values, axes, origin = {}, {}, {}
    for name, constant in calibration.constants.items():
        values[name], origin[name] = _values(constant.source, name)
        if constant.axes is not None:
            axes[name] = constant.axes
    name = calibration.algorithm_name
    parameters = {**calibration.parameters, **calibration.missing_options()}
    return CalibrationSet(one, name, parameters, values, axes, origin)


def _values(source, name):
    from h5calib.interface import read_values

    try:
        values = np.asarray(read_values(source, f"constant {name!r}"))
    except (OSError, KeyError, ValueError) as error:
        raise CalibrationError(str(error)) from None
    return values, str(source) if isinstance(source, (str, tuple)) else "array"
