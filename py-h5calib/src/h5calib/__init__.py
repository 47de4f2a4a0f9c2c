"""HDF5 datasets that are calibrated detector data, computed when they are read.

Importing this registers the filter plugin for h5py.
"""

from . import _plugin
from ._version import __version__
from .calibration import Calibration, Constant, algorithms
from .create import create_calibrated_dataset
from .detectors import (
    Agipd,
    Ccd,
    CellPedestal,
    Dssc,
    Epix10ka,
    Epix100,
    FlatField,
    Jungfrau,
    Linear,
    Lpd,
    Pedestal,
    PhotonCounting,
)
from .errors import CalibrationError, MissingObjectError, NotCalibratedError, NotInstalledError
from .identity import clean, new_identity
from .inspection import describe
from .legacy import create_processed
from .memory import calibrate
from .reading import iterate, read
from .relinking import relink
from .verification import Finding, verify

__all__ = [
    "Agipd",
    "Calibration",
    "CalibrationError",
    "Ccd",
    "CellPedestal",
    "Constant",
    "Dssc",
    "Epix10ka",
    "Epix100",
    "Finding",
    "FlatField",
    "Jungfrau",
    "Linear",
    "Lpd",
    "MissingObjectError",
    "NotCalibratedError",
    "NotInstalledError",
    "Pedestal",
    "PhotonCounting",
    "__version__",
    "algorithms",
    "calibrate",
    "clean",
    "create_calibrated_dataset",
    "create_processed",
    "describe",
    "iterate",
    "new_identity",
    "read",
    "relink",
    "verify",
]

_plugin.register()
