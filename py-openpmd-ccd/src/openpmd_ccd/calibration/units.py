"""Units of calibrated values as openPMD has them: a factor to SI and seven exponents."""

import re
from dataclasses import dataclass

from ..errors import CalibrationError

#: exponents of length, mass, time, current, temperature, amount, luminous intensity
_NONE = (0, 0, 0, 0, 0, 0, 0)
_UNITS = {
    "m": (1, (1, 0, 0, 0, 0, 0, 0)),
    "g": (1e-3, (0, 1, 0, 0, 0, 0, 0)),
    "s": (1, (0, 0, 1, 0, 0, 0, 0)),
    "A": (1, (0, 0, 0, 1, 0, 0, 0)),
    "K": (1, (0, 0, 0, 0, 1, 0, 0)),
    "mol": (1, (0, 0, 0, 0, 0, 1, 0)),
    "cd": (1, (0, 0, 0, 0, 0, 0, 1)),
    "J": (1, (2, 1, -2, 0, 0, 0, 0)),
    "eV": (1.602176634e-19, (2, 1, -2, 0, 0, 0, 0)),
    "W": (1, (2, 1, -3, 0, 0, 0, 0)),
    "V": (1, (2, 1, -3, -1, 0, 0, 0)),
    "C": (1, (0, 0, 1, 1, 0, 0, 0)),
    "Gy": (1, (2, 0, -2, 0, 0, 0, 0)),
    "Hz": (1, (0, 0, -1, 0, 0, 0, 0)),
    "rad": (1, _NONE),
    "sr": (1, _NONE),
}
_COUNTED = {
    *("1", "count", "counts", "ADU", "electron", "electrons", "e", "e-"),
    *("photon", "photons", "pixel", "px"),
}
_PREFIXES = {
    "": 1, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "c": 1e-2, "m": 1e-3,
    "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15,
}  # fmt: skip
_FACTOR = re.compile(r"([*/]?)\s*([^\W\d]+-?|1)(?:(?:\^|\*\*)?(-?\d+))?\s*")


@dataclass(frozen=True)
class Unit:
    """A unit: its text, what one of it is in SI, and its seven exponents."""

    text: str = "count"
    si: float = 1.0
    dimension: tuple = _NONE


def unit(text):
    """The `Unit` of a text such as "J/m^2", "mJ/cm^2", "electrons"; None are counts.

    Powers are written ``cm^2``, ``cm2`` or ``cm**2``; ``*`` and ``/`` separate factors.

    >>> unit("mJ/cm^2")
    Unit(text='mJ/cm^2', si=10.0, dimension=(0, 1, -2, 0, 0, 0, 0))
    """
    if text is None or isinstance(text, Unit):
        return text or Unit()
    if not isinstance(text, str) or not text.strip():
        raise CalibrationError(f'unit must be text such as "J/m^2" or "electrons", not {text!r}')
    si, exponents, rest = 1.0, _NONE, text.strip()
    while rest:
        match = _FACTOR.match(rest)
        if not match:
            raise _unknown(text, rest)
        sign, name, power = match[1], match[2], int(match[3] or 1)
        factor, dimension = _lookup(name, text)
        power = -power if sign == "/" else power
        si *= factor**power
        exponents = tuple(e + power * d for e, d in zip(exponents, dimension, strict=True))
        rest = rest[match.end() :]
    return Unit(text.strip(), float(f"{si:.15g}"), exponents)


def _lookup(name, text):
    if name in _COUNTED:
        return 1.0, _NONE
    for known, (factor, dimension) in _UNITS.items():
        if name.endswith(known) and name[: -len(known)] in _PREFIXES:
            return factor * _PREFIXES[name[: -len(known)]], dimension
    raise _unknown(text, name)


def _unknown(text, part):
    known = ", ".join([*_UNITS, *sorted(_COUNTED)])
    return CalibrationError(f"unit {text!r}: {part!r} is not known; known are {known}")
