"""Checks of what the user gives: every message says what is wrong and what is expected."""

import math
import numbers
import operator
import re
from datetime import datetime

import numpy as np

from .errors import SettingError, ShotNumberError

LARGEST_NUMBER = 2**64 - 1
#: attributes of an iteration that belong to the openPMD standard or its readers
RESERVED = {"time", "dt", "timeUnitSI", "closed", "snapshot", "shots"}
_WORD = re.compile(r"[A-Za-z0-9_]+")
_LONGEST_TEXT = 32000


def shot_number(value, taken=()):
    """The shot number as int: a whole number from 0 to 2**64 - 1, not in `taken`."""
    if isinstance(value, (bool, np.bool_)):
        raise ShotNumberError(f"shot number must be an integer, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise ShotNumberError(
            f"shot number must be an integer (LabVIEW: I32), not {value!r}"
        ) from None
    if not 0 <= number <= LARGEST_NUMBER:
        raise ShotNumberError(f"shot number must be from 0 to 2**64 - 1, not {number}")
    if number in taken:
        raise ShotNumberError(f"shot {number} is in this scan already; shots are never replaced")
    return number


def _numbers(value, count, what):
    try:
        values = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        raise SettingError(f"{what}: {count} numbers expected, not {value!r}") from None
    if len(values) != count:
        raise SettingError(f"{what}: {count} numbers expected, not {len(values)}")
    if not all(math.isfinite(v) for v in values):
        raise SettingError(f"{what}: finite numbers expected, not {values}")
    return values


def resolution(value):
    """(x, y) in metres per pixel from one positive number or a pair; None stays None."""
    if value is None:
        return None
    if isinstance(value, numbers.Real) or np.ndim(value) == 0:
        value = (value, value)
    pair = _numbers(value, 2, "resolution (x, y) in metres per pixel")
    if min(pair) <= 0:
        raise SettingError(f"resolution in metres per pixel must be positive, not {pair}")
    return pair


def roi(value):
    """(x, y, width, height) in pixels; None stays None."""
    if value is None:
        return None
    box = _numbers(value, 4, "roi (x, y, width, height) in pixels")
    if min(box[:2]) < 0 or min(box[2:]) <= 0:
        raise SettingError(f"roi needs x, y >= 0 and width, height > 0 pixels, not {box}")
    return box


def exposure_time(value):
    """Seconds >= 0; None stays None."""
    if value is None:
        return None
    (seconds,) = _numbers((value,), 1, "exposure_time in seconds")
    if seconds < 0:
        raise SettingError(f"exposure_time in seconds must not be negative, not {seconds}")
    return seconds


def bit_depth(value):
    """Bits per pixel that the camera reads out, 1 to 64; None stays None."""
    if value is None:
        return None
    try:
        bits = operator.index(value)
    except TypeError:
        bits = 0
    if not 1 <= bits <= 64:
        raise SettingError(f"bit_depth must be a whole number from 1 to 64, not {value!r}")
    return bits


def saturation_value(value):
    """Counts at which a pixel saturates; None stays None."""
    return None if value is None else _numbers((value,), 1, "saturation_value in counts")[0]


def timestamp(value):
    """Seconds since 1970 UTC from seconds, an aware datetime, a local naive one, datetime64."""
    if isinstance(value, datetime):
        return _of_datetime(value)
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") in "mM" and dtype is not None:
        moment = np.asarray(value)
        if moment.dtype.kind == "m" or moment.ndim or np.isnat(moment):
            raise SettingError(f"time must be a moment, not {value!r}")
        return float((moment - np.datetime64(0, "s")) / np.timedelta64(1, "ns")) * 1e-9
    return _numbers((value,), 1, "time in seconds since 1970-01-01 UTC")[0]


def _of_datetime(value):
    """Seconds of a datetime or a class made from it: pandas takes a naive one for UTC."""
    if value != value:
        raise SettingError(f"time must be a moment, not {value!r}")
    if value.tzinfo is not None:
        return value.timestamp()
    fields = (value.year, value.month, value.day, value.hour, value.minute, value.second)
    local = datetime(*fields, value.microsecond, fold=value.fold)
    return local.timestamp() + getattr(value, "nanosecond", 0) * 1e-9


def text(value, what):
    """A string without NUL for an attribute; None becomes "unknown"."""
    if value is None:
        return "unknown"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise SettingError(f"{what} must be text, not {value!r}")
    if "\0" in value or len(value.encode(errors="replace")) > _LONGEST_TEXT:
        raise SettingError(f"{what} must be text without NUL, up to {_LONGEST_TEXT} bytes")
    return value or "unknown"


def metadata(values):
    """A dict of scalars and strings, in built-in types that JSON keeps as they are."""
    if values is None:
        return {}
    return {_key(key): _scalar(key, value) for key, value in dict(values).items()}


def _key(key):
    if not isinstance(key, str) or not _WORD.fullmatch(key) or key in RESERVED:
        raise SettingError(
            f"metadata name {key!r}: letters, digits and _ expected, and none of {sorted(RESERVED)}"
        )
    return key


def _scalar(key, value):
    if isinstance(value, (str, bytes)):
        return text(value, f"metadata {key!r}") if value else ""
    if np.ndim(value) == 0:
        kind = np.asarray(value).dtype.kind
        if kind == "b":
            return bool(value)
        if kind in "iu":
            return int(value)
        if kind == "f":
            return float(value)
    raise SettingError(f"metadata {key!r} must be a number, a bool or a string, not {value!r}")
