"""Exceptions of h5calib. Each is also the built-in one that a reader expects."""

from __future__ import annotations


class MissingObjectError(KeyError):
    """A dataset or group that is not where the caller says."""

    def __str__(self) -> str:  # KeyError would show the repr of the sentence
        return str(self.args[0])


class NotInstalledError(OSError):
    """libh5calib or its HDF5 plugin was not found."""


class NotCalibratedError(ValueError):
    """The dataset is not a calibrated dataset."""


class CalibrationError(ValueError):
    """libh5calib refuses a calibration, with its reason."""
