"""Dark runs become constants: pedestal, noise, thresholds, bad pixels."""

from .bad import BadPixelRule, bad_pixels
from .frames import Dark
from .statistics import Statistics, statistics_of
from .store import write_constants

__all__ = [
    "BadPixelRule",
    "Dark",
    "Statistics",
    "bad_pixels",
    "statistics_of",
    "write_constants",
]
