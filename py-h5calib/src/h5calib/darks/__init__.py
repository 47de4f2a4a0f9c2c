"""Dark runs become constants: pedestal, noise, thresholds, bad pixels."""

from .bad import BadPixelRule, bad_pixels
from .clipping import clipped_mean
from .frames import Dark
from .stages import with_stages
from .statistics import Statistics, statistics_of
from .store import write_constants

__all__ = [
    "BadPixelRule",
    "Dark",
    "Statistics",
    "bad_pixels",
    "clipped_mean",
    "statistics_of",
    "with_stages",
    "write_constants",
]
